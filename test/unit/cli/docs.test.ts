import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { COMMAND_OPTIONS } from '../../../src/cli/arguments';
import { eventLine } from '../../../src/cli/json';
import { EXIT_CODES } from '../../../src/model';
import { DEPLOYMENT } from './events';

const text = readFileSync(path.join(import.meta.dirname, '../../../docs/CLI.md'), 'utf8');

describe('docs/CLI.md', () => {
  it('has a row for every option, with its commands', () => {
    const rows = new Map(
      [...text.matchAll(/^\| `--([a-z-]+)[^|\\]*(?:\\\|[^|]*)?\| (.+?) +\|/gm)].map((row) => [row[1], row[2]]),
    );
    const commands = Object.entries(COMMAND_OPTIONS);
    for (const option of new Set(commands.flatMap(([, options]) => options))) {
      const having = commands.filter(([, options]) => options.includes(option)).map(([name]) => name);
      if (option !== 'help') {
        assert.equal(rows.get(option), having.length === commands.length ? 'all' : having.join(', '), option);
      }
    }
  });

  it('has a row for every exit code', () => {
    const codes = [...text.matchAll(/^\| (\d+) +\|/gm)].map((row) => Number(row[1]));
    assert.deepEqual(
      codes,
      [...new Set([0, ...Object.values(EXIT_CODES)])].sort((a, b) => a - b),
    );
  });

  it('shows a result as it is', () => {
    const shown = JSON.parse(/```json\n([^]*?)```/.exec(text)?.[1] ?? '') as object;
    const printed = JSON.parse(eventLine(DEPLOYMENT.at(-1) ?? assert.fail())) as Record<string, unknown>;
    const rest = Object.entries(printed).filter(([key]) => key !== 'at' && key !== 'deployment');
    assert.deepEqual(shown, Object.fromEntries(rest));
  });
});
