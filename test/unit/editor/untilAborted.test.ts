import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilAborted } from '../../../src/editor/untilAborted';
import { cancelledError } from '../../../src/model';

const never = new Promise<string>(() => undefined);

test('what is waited for comes, or fails, as it does', async () => {
  const { signal } = new AbortController();
  assert.equal(await untilAborted(Promise.resolve('seen'), signal), 'seen');
  await assert.rejects(untilAborted(Promise.reject(new Error('away')), signal), /away/);
});

test('a wait ends when it is cancelled, also one that was cancelled before it began', async () => {
  for (const reason of [cancelledError(), undefined]) {
    const abort = new AbortController();
    const waiting = untilAborted(never, abort.signal);
    abort.abort(reason);
    await assert.rejects(waiting, { code: 'cancelled' });
    await assert.rejects(untilAborted(never, abort.signal), { code: 'cancelled' });
  }
});
