import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Interrupt } from '../../../src/cli/interrupt';
import { Output } from '../../../src/cli/output';
import type { Session } from '../../../src/cli/session';
import { reportRun } from '../../../src/cli/run';
import type { DeployResult, Emit } from '../../../src/model';
import { DEPLOYMENT, RESULT } from './events';
import { FakeScreen } from './screen';

async function report(
  json: boolean,
  result: DeployResult,
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const [stdout, stderr] = [new FakeScreen(), new FakeScreen()];
  const session = { output: new Output(stdout, stderr, {}) } as Session;
  const events = [...DEPLOYMENT.slice(0, -1), { type: 'result', result, at: 0, deployment: 'd1' } as const];
  const start = (emit: Emit): Promise<DeployResult> => {
    events.forEach(emit);
    return Promise.resolve(result);
  };
  const code = await reportRun(session, json, start);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

function failed(code: NonNullable<DeployResult['error']>['code']): DeployResult {
  const error = {
    code,
    stage: 'probe',
    message: 'It went wrong.',
    hint: 'Try.',
    detail: undefined,
    position: undefined,
  } as const;
  return { ...RESULT, ok: false, live: 'BLUE', summary: 'BLUE is live.', error };
}

describe('a run', () => {
  it('tells its way on stderr and its end on stdout', async () => {
    const { code, stdout, stderr } = await report(false, RESULT);
    assert.equal(code, 0);
    assert.match(stdout, /^shop is live on GREEN at prod\.\nRequests: .*\nSent: .*\nTime: .*\n$/);
    assert.match(stderr, /✓ build/);
    assert.doesNotMatch(stderr, /shop is live/);
  });

  it('with --json puts nothing but JSON on stdout, the result last', async () => {
    const { code, stdout, stderr } = await report(true, failed('unhealthy'));
    const lines = stdout.trimEnd().split('\n');
    const parsed = lines.map((line) => JSON.parse(line) as { type: string; ok?: boolean });
    assert.equal(code, 5);
    assert.equal(lines.length, DEPLOYMENT.length);
    assert.deepEqual([parsed.at(-1)?.type, parsed.at(-1)?.ok], ['result', false]);
    assert.match(stderr, /^error: It went wrong\.\n {2}Try\.\n$/);
  });

  it('ends with the exit code of its error', async () => {
    assert.equal((await report(false, failed('nginx-refused'))).code, 4);
    assert.equal((await report(false, failed('locked'))).code, 9);
  });

  it('that was cancelled is no error, but has its exit code', async () => {
    const { code, stdout, stderr } = await report(false, failed('cancelled'));
    assert.equal(code, 130);
    assert.match(stdout, /^BLUE is live\./);
    assert.doesNotMatch(stderr, /error:/);
  });
});

describe('an interrupt', () => {
  it('cancels the first time and ends the program the second time', () => {
    const stderr = new FakeScreen();
    const codes: number[] = [];
    const interrupt = new Interrupt(new Output(new FakeScreen(), stderr, {}), (code) => codes.push(code), true);
    interrupt.trigger();
    assert.equal(interrupt.signal.aborted, true);
    assert.match(stderr.text, /^Cancelling…/);
    assert.deepEqual(codes, []);
    interrupt.trigger();
    assert.deepEqual(codes, [130]);
  });
});
