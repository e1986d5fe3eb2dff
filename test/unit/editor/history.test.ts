import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forHistory, isKeptRun, sortOut } from '../../../src/editor/history';
import { fold, good, plan, run } from './samples';

test('a long run is kept short, with its end and its result', () => {
  const lines = Array.from({ length: 5_200 }, (_, index) => ({
    type: 'log' as const,
    stage: 'build' as const,
    source: 'build' as const,
    level: 'info' as const,
    text: `${index} ${'x'.repeat(2_000)}`,
  }));
  const snapshot = fold({ type: 'plan', plan }, ...lines, { type: 'result', result: good });
  const kept = forHistory(run({ snapshot, over: true }));
  assert.ok(JSON.stringify(kept).length < 40_000, `${JSON.stringify(kept).length} characters`);
  assert.equal(kept.snapshot?.log.length, 100);
  assert.equal(kept.snapshot.droppedLogLines, 5_100);
  assert.match(kept.snapshot.log.at(-1)?.text ?? '', /^5199 /);
  assert.deepEqual(kept.snapshot.result, good);
});

test('what was stored comes back; what an older version or a stranger stored does not', () => {
  const kept = forHistory(run({ snapshot: fold({ type: 'result', result: good }), over: true }));
  assert.ok(isKeptRun(JSON.parse(JSON.stringify(kept))));
  assert.ok(isKeptRun(JSON.parse(JSON.stringify(forHistory(run())))));
  for (const stranger of [
    undefined,
    null,
    {},
    { ...kept, kind: 'party' },
    { ...kept, snapshot: { stages: 3 } },
    { ...kept, to: 'RED' },
  ]) {
    assert.equal(isKeptRun(stranger), false);
  }
});

test('only what is declared is kept: nothing rides along into the storage', () => {
  const kept = forHistory({ ...run(), secret: 'hunter2' } as ReturnType<typeof run>);
  assert.ok(!JSON.stringify(kept).includes('hunter2'));
});

test('twenty runs are stored; an older one stays in memory while a panel shows it', () => {
  const runs = Array.from({ length: 24 }, (_, index) => index + 1);
  const { stored, forgotten } = sortOut(runs, (run) => run === 3 || run === 22);
  assert.deepEqual(stored, runs.slice(0, 20));
  assert.deepEqual(forgotten, [21, 23, 24]);
});
