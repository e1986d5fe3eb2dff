import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  endMessage,
  logLine,
  progressText,
  runDescription,
  runningText,
  statusBarText,
} from '../../../src/editor/runText';
import { AT, failed, fold, good, plan, run } from './samples';

test('progress names the host first, then the stage, its place and its detail', () => {
  assert.equal(progressText(run()), 'Connecting to prod…');
  assert.equal(progressText(run({ host: 'local' })), 'Connecting to this machine…');
  const transfer = fold(
    { type: 'stage', stage: 'transfer', status: 'running' },
    { type: 'progress', stage: 'transfer', done: 900, unit: 'bytes' },
  );
  assert.equal(progressText(run({ snapshot: transfer })), '3 of 10 · Sending what the host lacks: 900 B');
  const layers = fold(
    { type: 'stage', stage: 'transfer', status: 'running' },
    {
      type: 'progress',
      stage: 'transfer',
      done: 900,
      total: 1800,
      unit: 'bytes',
      rate: 100,
      message: '1 layer sent, 7 already there, zstd 3',
    },
  );
  assert.match(
    progressText(run({ snapshot: layers })),
    /: 900 B of 1\.8 KB, 100 B\/s, 9 s left, 1 layer sent, 7 already there, zstd 3$/,
  );
  const build = fold(
    { type: 'stage', stage: 'build', status: 'running' },
    { type: 'progress', stage: 'build', done: 2, total: 7, unit: 'steps' },
  );
  assert.equal(progressText(run({ snapshot: build })), '2 of 10 · Building the image: step 2 of 7');
});

test('a try that failed says why in the progress', () => {
  const snapshot = fold(
    { type: 'stage', stage: 'probe', status: 'running' },
    {
      type: 'probe',
      slot: 'GREEN',
      probe: { attempt: 3, ok: false, status: undefined, ms: 4, headers: {}, reason: 'Connection refused.' },
    },
  );
  assert.match(progressText(run({ snapshot })), /: try 3, Connection refused$/);
});

test('the tree names kind and stage', () => {
  const snapshot = fold({ type: 'stage', stage: 'drain', status: 'running' });
  assert.equal(runningText(run({ kind: 'rollback', snapshot }), 'running'), 'Rolling back: Drain');
  assert.equal(runningText(run({ snapshot }), 'asking'), 'Waiting for your answer');
});

test('runs of one service are told apart by what they were, how they ended and when', () => {
  const described = (
    change: Parameters<typeof run>[0],
    phase: Parameters<typeof runDescription>[1] = 'over',
  ): string => {
    const [date, ...words] = runDescription(run({ over: true, ...change }), phase)
      .split(' · ')
      .reverse();
    assert.match(date ?? '', /^Nov 2\d, 2026, /);
    return words.reverse().join(' · ');
  };
  const ended = (result: typeof good): Parameters<typeof run>[0] => ({ snapshot: fold({ type: 'result', result }) });
  assert.equal(described(ended(good)), 'Deployment · done');
  assert.equal(described({ kind: 'rollback', ...ended(failed({})) }), 'Rollback · failed');
  assert.equal(described({ kind: 'switch', ...ended(failed({ code: 'cancelled' })) }), 'Slot switch · cancelled');
  assert.equal(described({ kind: 'plan', snapshot: fold({ type: 'plan', plan }) }), 'Plan · done');
  assert.equal(described({ over: false }, 'earlier'), 'Deployment · interrupted');
  const probing = fold({ type: 'stage', stage: 'probe', status: 'running' });
  assert.equal(described({ over: false, snapshot: probing }, 'running'), 'Deploying: Probe');
});

test('the status bar: what is done, what is live, and that a run was interrupted', () => {
  const stopped = fold({ type: 'plan', plan }, { type: 'stage', stage: 'probe', status: 'running' });
  const textOf = (...args: Parameters<typeof statusBarText>): string => statusBarText(...args).text;
  assert.equal(textOf(run({ snapshot: stopped }), 'running', 'unknown'), '$(loading~spin) uptimer: Deploying: Probe');
  // Its window was closed: nothing runs any more.
  assert.equal(textOf(run({ snapshot: stopped }), 'over', 'unknown'), '$(warning) uptimer: interrupted');
  assert.equal(textOf(run({ snapshot: stopped }), 'over', { live: 'BLUE' }), '$(circle-filled) uptimer: BLUE');
  const ended = run({ snapshot: fold({ type: 'result', result: good }), over: true });
  assert.equal(textOf(ended, 'over', 'unknown'), '$(circle-filled) uptimer: GREEN');
  assert.equal(textOf(ended, 'over', { live: undefined }), '$(warning) uptimer: not live');
  assert.equal(textOf(ended, 'over', 'absent'), '$(circle-slash) uptimer: removed');
  assert.equal(textOf(ended, 'over', 'offline'), '$(debug-disconnect) uptimer: host offline');
  assert.equal(statusBarText(ended, 'over', 'unknown').spoken, 'uptimer: GREEN is live at prod.');
});

test('the message at the end: good, cancelled, failed, failed at a line', () => {
  assert.deepEqual(endMessage(good), { severity: 'info', text: good.summary, actions: ['openSite', 'showPanel'] });
  assert.equal(endMessage(failed({ code: 'cancelled' })).severity, 'info');
  const plain = endMessage(failed({}));
  assert.equal(plain.severity, 'error');
  assert.deepEqual(plain.actions, ['showProbes', 'showLog']);
  assert.deepEqual(endMessage(failed({ detail: 'boom' })).actions, ['showProbes', 'lastLines']);
  assert.deepEqual(endMessage(failed({ code: 'start', detail: 'boom' })).actions, ['lastLines', 'showPanel']);
  assert.deepEqual(endMessage(failed({ code: 'locked' })).actions, ['showPanel', 'showLog']);
  assert.equal(plain.text, 'uptimer → prod: uptimer GREEN did not become healthy in 60 tries.');
  const atLine = endMessage(failed({ position: { file: 'Dockerfile', line: 1, column: 1 } }));
  assert.deepEqual(atLine.actions, ['openSource', 'showPanel']);
});

test('the log has one line an event, errors as errors, and leaves out what is only motion', () => {
  const base = { at: AT, deployment: plan.deployment } as const;
  assert.equal(logLine({ ...base, type: 'progress', stage: 'build', done: 1, unit: 'steps' }), undefined);
  assert.deepEqual(logLine({ ...base, type: 'stage', stage: 'build', status: 'done', ms: 2_100 }), {
    level: 'info',
    text: 'build: done (2.1 s)',
  });
  assert.equal(logLine({ ...base, type: 'stage', stage: 'build', status: 'failed' })?.level, 'error');
  const end = logLine({ ...base, type: 'result', result: failed({ detail: 'last line' }) });
  assert.equal(end?.level, 'error');
  assert.match(end.text, /\nlast line$/);
});
