import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventLine, failureLine } from '../../../src/cli/json';
import { DeployError } from '../../../src/model';
import { DEPLOYMENT, RESULT } from './events';

describe('--json', () => {
  it('is one object a line, the result flattened', () => {
    const lines = DEPLOYMENT.map(eventLine);
    assert.ok(lines.every((line) => !line.includes('\n')));
    assert.deepEqual(JSON.parse(lines[0] ?? ''), {
      type: 'stage',
      stage: 'plan',
      status: 'running',
      at: 1_001_000,
      deployment: 'd1',
    });
    assert.deepEqual(JSON.parse(lines.at(-1) ?? ''), {
      type: 'result',
      ...RESULT,
      at: DEPLOYMENT.at(-1)?.at,
      deployment: 'd1',
    });
    assert.equal(
      lines.at(-1)?.startsWith('{"type":"result","ok":true,"service":"shop","host":"prod","live":"GREEN"'),
      true,
    );
  });

  it('has a result even when nothing could begin', () => {
    const position = { file: 'bluegreen.json', line: 1, column: 2 };
    const error = new DeployError('config', 'Wrong.', { hint: 'Write it.', position });
    assert.deepEqual(JSON.parse(failureLine(error, { service: 'shop' })), {
      type: 'result',
      ok: false,
      service: 'shop',
      host: null,
      live: null,
      release: null,
      bytesSent: 0,
      durations: {},
      requests: { sent: 0, failed: 0, longestMs: 0 },
      summary: 'Wrong.',
      error: { code: 'config', message: 'Wrong.', hint: 'Write it.', position },
    });
  });
});
