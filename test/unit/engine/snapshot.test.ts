import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeploymentSnapshot, foldEvent, LOG_LIMIT } from '../../../src/engine/snapshot';
import type { DeployEvent } from '../../../src/model';

const base = { at: 1000, deployment: 'd1' };

function fold(...events: readonly DeployEvent[]): DeploymentSnapshot {
  let snapshot: DeploymentSnapshot | undefined;
  for (const event of events) {
    snapshot = foldEvent(snapshot, event);
  }
  assert.ok(snapshot);
  return snapshot;
}

test('a stage goes from waiting over running to its end, with its time', () => {
  const running = fold({ ...base, type: 'stage', stage: 'build', status: 'running' });
  assert.equal(running.current, 'build');
  assert.equal(running.stages.find((it) => it.stage === 'build')?.startedAt, 1000);
  assert.equal(running.stages.find((it) => it.stage === 'probe')?.status, 'waiting');
  const done = foldEvent(running, { ...base, type: 'stage', stage: 'build', status: 'done', ms: 42, message: 'x:1' });
  const stage = done.stages.find((it) => it.stage === 'build');
  assert.deepEqual([stage?.status, stage?.ms, stage?.message, stage?.startedAt], ['done', 42, 'x:1', 1000]);
});

test('an earlier snapshot is not changed by a later event', () => {
  const first = fold({ ...base, type: 'log', stage: 'build', source: 'build', level: 'info', text: 'one' });
  foldEvent(first, { ...base, type: 'log', stage: 'build', source: 'build', level: 'info', text: 'two' });
  assert.deepEqual(
    first.log.map((line) => line.text),
    ['one'],
  );
});

test('the log is capped, and says how much was dropped', () => {
  const lines = Array.from({ length: LOG_LIMIT + 3 }, (_, index): DeployEvent => ({
    ...base,
    type: 'log',
    stage: 'build',
    source: 'build',
    level: 'info',
    text: String(index),
  }));
  const snapshot = fold(...lines);
  assert.equal(snapshot.log.length, LOG_LIMIT);
  assert.equal(snapshot.log[0]?.text, '3');
  assert.equal(snapshot.droppedLogLines, 3);
});

test('progress, probes, traffic and drain are kept as last seen', () => {
  const probe = { attempt: 1, ok: false, status: undefined, ms: 3, headers: {}, reason: 'refused' };
  const snapshot = fold(
    { ...base, type: 'progress', stage: 'transfer', done: 1, total: 2, unit: 'bytes' },
    { ...base, type: 'progress', stage: 'transfer', done: 2, total: 2, unit: 'bytes', rate: 7 },
    { ...base, type: 'probe', slot: 'GREEN', probe },
    { ...base, type: 'traffic', traffic: { sent: 5, failed: 0, longestMs: 9 } },
    { ...base, type: 'drain', connections: 2, oldWorkers: 1 },
  );
  assert.deepEqual(snapshot.stages.find((it) => it.stage === 'transfer')?.progress, {
    done: 2,
    total: 2,
    unit: 'bytes',
    rate: 7,
  });
  assert.equal(snapshot.probes[0]?.reason, 'refused');
  assert.equal(snapshot.traffic?.sent, 5);
  assert.equal(snapshot.drain?.connections, 2);
});
