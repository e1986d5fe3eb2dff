import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Patience } from '../../../src/engine/patience';

test('patience reaches the wait that is under way, as often as there is some, and no other', async () => {
  const patience = new Patience();
  const asked: string[] = [];
  patience.keepWaiting();
  await patience.during(
    () => asked.push('probe'),
    () => {
      patience.keepWaiting();
      patience.keepWaiting();
      return Promise.resolve();
    },
  );
  patience.keepWaiting();
  const failed = patience.during(
    () => asked.push('drain'),
    () => {
      patience.keepWaiting();
      return Promise.reject(new Error('cut'));
    },
  );
  await assert.rejects(failed, /cut/);
  patience.keepWaiting();
  assert.deepEqual(asked, ['probe', 'probe', 'drain']);
});
