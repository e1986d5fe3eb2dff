/** Configurations whose wrong places are marked: `«port»: 1` expects a problem that covers the marked text. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseConfig } from '../../../src/config/parse';
import type { ConfigProblem } from '../../../src/config/problems';
import type { SourcePosition } from '../../../src/model';

/** A folder with a Dockerfile in it, and the path that a configuration in it has. */
export const FOLDER = mkdtempSync(path.join(tmpdir(), 'blue-green-config-'));
process.once('exit', () => rmSync(FOLDER, { recursive: true, force: true }));
writeFileSync(path.join(FOLDER, 'Dockerfile'), 'FROM scratch\n');
export const FILE = path.join(FOLDER, 'bluegreen.json');

/** Parses the text without its marks and expects exactly the marked problems, in the order of the file. */
export function expectProblems(
  marked: string,
  expected: readonly (readonly [message: RegExp, hint?: RegExp])[],
  environment: Record<string, string> = {},
): readonly ConfigProblem[] {
  const marks = [...marked.matchAll(/«([^»]*)»/g)];
  const { problems } = parseConfig(marked.replace(/[«»]/g, ''), FILE, environment);
  const shown = problems.map(
    ({ message, hint, position }) => `${position.line}:${position.column} ${message} ${hint ?? ''}`,
  );
  assert.equal(problems.length, expected.length, shown.join('\n'));
  for (const [index, [message, hint]] of expected.entries()) {
    const problem = problems[index];
    assert.match(problem?.message ?? '', message);
    if (hint !== undefined) {
      assert.match(problem?.hint ?? '', hint);
    }
    const mark = marks[index];
    assert.ok(mark !== undefined, 'Every expected problem needs a mark.');
    assert.deepEqual(problem?.position, positionIn(marked, mark.index), problem?.message);
    assert.deepEqual(problem.end, positionIn(marked, mark.index + mark[0].length), problem.message);
  }
  return problems;
}

/** The same for one service called web. */
export function expectInService(
  marked: string,
  message: RegExp,
  hint?: RegExp,
  environment: Record<string, string> = {},
): ConfigProblem {
  const wrapped = `{\n  "services": {\n    "web": {\n      ${marked}\n    }\n  }\n}\n`;
  const [problem] = expectProblems(wrapped, [hint === undefined ? [message] : [message, hint]], environment);
  assert.ok(problem !== undefined);
  assert.equal(problem.service, 'web');
  return problem;
}

/** Line and column that an offset of the marked text has once the marks are gone. */
function positionIn(marked: string, offset: number): SourcePosition {
  const before = marked
    .slice(0, offset)
    .replace(/[«»]/g, '')
    .split(/\r\n|\r|\n/);
  return { file: FILE, line: before.length, column: (before.at(-1) ?? '').length + 1 };
}
