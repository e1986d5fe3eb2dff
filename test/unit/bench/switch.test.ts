import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shortcomings } from '../../bench/switch/report';

const after3 = { containers: 3, images: 4, networks: 4, megabytes: 518 };
const times = (...all: number[]): { ms: number; warmUpMs: number; stages: object }[] =>
  all.map((ms) => ({ ms: ms + 400, warmUpMs: 400, stages: {} }));
const loaded = times(1_900, 2_000, 9_000);
const beside = { live: times(...Array.from({ length: 20 }, (_, index) => 1_982 + index)), rollbacks: times(2_000) };
const good = { traffic: [{ failed: 0 }], live: loaded, rollbacks: loaded, beside, after3, afterAll: after3 };

test('the bench of the switch fails on each of its measures by itself', () => {
  assert.deepEqual(shortcomings(good), []);
  assert.deepEqual(shortcomings({ ...good, traffic: [{ failed: 0 }, { failed: 2 }] }), ['2 requests failed.']);
  const late = times(1_900, 2_001, 2_001);
  for (const [what, changed] of [
    ['50 of 100 of the deployments', { live: late }],
    ['50 of 100 of the rollbacks', { rollbacks: late }],
    ['5 of 100 of the deployments beside few clients', { beside: { ...beside, live: times(2_000, 2_001) } }],
    ['5 of 100 of the rollbacks beside few clients', { beside: { ...beside, rollbacks: late } }],
  ] as const) {
    assert.deepEqual(shortcomings({ ...good, ...changed }), [`More than ${what} took more than 2000 ms: 2001 ms.`]);
  }
  for (const grown of [{ containers: 4 }, { images: 5 }, { networks: 5 }, { megabytes: 520 }]) {
    assert.match(shortcomings({ ...good, afterAll: { ...after3, ...grown } }).join(), /^The host has grown/);
  }
});
