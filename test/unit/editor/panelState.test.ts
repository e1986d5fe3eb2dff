import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOffered, logRow, panelState } from '../../../src/editor/panelState';
import { AT, failed, fold, good, plan, run } from './samples';

const actionsOf = (state: ReturnType<typeof panelState>): string[] => state.actions.map(({ action }) => action);

test('before the first event the panel says that it connects, and offers to cancel', () => {
  const state = panelState(run(), 'running');
  assert.equal(state.title, 'uptimer → prod');
  assert.deepEqual(
    { tone: state.heading.tone, text: state.heading.text },
    { tone: 'running', text: 'Connecting to prod…' },
  );
  assert.equal(state.stages.length, 10);
  assert.ok(state.stages.every((stage) => stage.status === 'waiting'));
  assert.deepEqual(actionsOf(state), ['cancel']);
});

test('a running transfer shows its share, amount and rate, and lets the page count the seconds', () => {
  const snapshot = fold(
    { type: 'stage', stage: 'transfer', status: 'running' },
    { type: 'progress', stage: 'transfer', done: 21_100_000, total: 84_400_000, unit: 'bytes', rate: 10_200_000 },
  );
  const row = panelState(run({ snapshot }), 'running').stages.find(({ stage }) => stage === 'transfer');
  assert.equal(row?.startedAt, AT);
  assert.deepEqual(row.progress, { fraction: 0.25, text: '21.1 MB of 84.4 MB, 10.2 MB/s, 7 s left' });
});

test('what a stage sent is said in words where nothing else says so', () => {
  const snapshot = fold(
    { type: 'stage', stage: 'transfer', status: 'running' },
    { type: 'progress', stage: 'transfer', done: 1_700, unit: 'bytes' },
    { type: 'stage', stage: 'transfer', status: 'done', ms: 5, message: '1 layer sent, 4 already there' },
    { type: 'stage', stage: 'proxy', status: 'running' },
    { type: 'progress', stage: 'proxy', done: 21_900_000, unit: 'bytes' },
    { type: 'stage', stage: 'proxy', status: 'done', ms: 5 },
  );
  const messages = panelState(run({ snapshot }), 'running').stages.map(({ message }) => message);
  assert.deepEqual(messages.slice(2, 4), ['1 layer sent, 4 already there · 1.7 KB', '21.9 MB sent']);
});

test('a good end is one sentence, with the site, the way back and a repetition on offer', () => {
  const snapshot = fold(
    { type: 'plan', plan },
    { type: 'traffic', traffic: good.requests },
    { type: 'result', result: good },
  );
  const state = panelState(run({ snapshot, over: true }), 'over');
  assert.deepEqual(state.heading, { tone: 'good', text: good.summary, hint: undefined, detail: undefined });
  assert.deepEqual(actionsOf(state), ['openSite', 'rollback', 'repeat', 'containerLogs']);
  assert.deepEqual(
    state.metrics.map(({ label, value }) => `${label} ${value}`),
    ['Slot BLUE → GREEN', 'Requests 312', 'Failed 0', 'Longest 41 ms', 'Sent 12.9 KB', 'Took 2.4 s'],
  );
});

test('the plan of a run that has ended no longer says what is live now', () => {
  const labels = (...events: Parameters<typeof fold>): string[] =>
    panelState(run({ snapshot: fold(...events) }), 'over').plan.map(({ label }) => label);
  assert.ok(labels({ type: 'plan', plan }).includes('Live now'));
  const after = labels({ type: 'plan', plan }, { type: 'result', result: good });
  assert.ok(after.includes('Live before') && !after.includes('Live now'), after.join());
});

test('a plan that could not be made has its log only, and offers another try', () => {
  const snapshot = fold({ type: 'result', result: failed({ code: 'host-unreachable', stage: undefined }) });
  const origin = { folder: '/app', dockerfile: undefined };
  const state = panelState(run({ kind: 'plan', origin, snapshot, over: true }), 'over');
  assert.deepEqual(state.sections, ['log']);
  assert.deepEqual([state.actions[0]?.action, state.actions[0]?.label], ['repeat', 'Plan Again']);
});

test('a first deployment has nothing to roll back to', () => {
  const snapshot = fold({ type: 'plan', plan: { ...plan, live: undefined } }, { type: 'result', result: good });
  assert.ok(!actionsOf(panelState(run({ snapshot, over: true }), 'over')).includes('rollback'));
});

test('an unhealthy slot ends with what to do, the last lines, and the tries in front', () => {
  const result = failed({ hint: 'There is nothing at /.', detail: '\u001b[31mboom\u001b[0m' });
  const state = panelState(run({ snapshot: fold({ type: 'result', result }), over: true }), 'over');
  assert.equal(state.heading.tone, 'bad');
  assert.equal(
    state.heading.text,
    'uptimer GREEN did not become healthy in 60 tries. uptimer was not deployed. BLUE is live at prod.',
  );
  assert.equal(state.heading.hint, 'There is nothing at /.');
  assert.equal(state.heading.detail, 'boom');
  assert.equal(state.focus, 'probes');
  assert.ok(actionsOf(state).includes('lastLines'));
});

test('a failed run shows what is live, and does not say the same sentence twice', () => {
  const result = failed({});
  const snapshot = fold(
    { type: 'plan', plan },
    { type: 'stage', stage: 'probe', status: 'failed', ms: 5, message: result.error?.message ?? '' },
    { type: 'result', result },
  );
  const state = panelState(run({ snapshot, over: true }), 'over');
  assert.deepEqual(state.metrics[0], { label: 'Live', value: 'BLUE', tone: 'neutral' });
  assert.equal(state.stages.find(({ stage }) => stage === 'probe')?.message, undefined);
});

test('a cancelled run is no failure and says which slot is live', () => {
  const result = { ...failed({ code: 'cancelled' }), summary: 'Cancelled. BLUE is live at prod.' };
  const { heading } = panelState(run({ snapshot: fold({ type: 'result', result }), over: true }), 'over');
  assert.deepEqual({ tone: heading.tone, text: heading.text }, { tone: 'neutral', text: result.summary });
});

test('a build that failed at a line offers that line', () => {
  const result = failed({ code: 'build', position: { file: '/home/ann/uptimer/Dockerfile', line: 7, column: 1 } });
  const state = panelState(run({ snapshot: fold({ type: 'result', result }), over: true }), 'over');
  assert.ok(actionsOf(state).includes('openSource'));
});

test('a run that a reload cut off is said to be so, and its running stage is not left turning', () => {
  const snapshot = fold({ type: 'stage', stage: 'probe', status: 'running' });
  const state = panelState(run({ snapshot, over: false }), 'over');
  assert.match(state.heading.text, /closed or reloaded/);
  assert.ok(state.stages.every(({ status, startedAt }) => status !== 'running' && startedAt === undefined));
});

test('a plan shows its facts and no stages, and offers the deployment', () => {
  const snapshot = fold({ type: 'plan', plan: { ...plan, warnings: ['The folder has changes.'] } });
  const state = panelState(run({ kind: 'plan', snapshot, over: true }), 'over');
  assert.equal(state.stages.length, 0);
  assert.equal(state.focus, 'plan');
  assert.deepEqual(state.warnings, ['The folder has changes.']);
  assert.deepEqual(actionsOf(state), ['deploy']);
});

test('a plan that is being made, or failed, has its log, and can be cancelled while it is made', () => {
  const first = [
    { type: 'plan', plan },
    { type: 'stage', stage: 'build', status: 'running' },
  ] as const;
  const running = panelState(run({ kind: 'plan', snapshot: fold(...first) }), 'running');
  assert.deepEqual(running.sections, ['log', 'nginx', 'plan']);
  assert.equal(running.focus, 'log');
  assert.deepEqual(actionsOf(running), ['cancel']);

  const result = failed({ code: 'build', stage: 'build' });
  const over = panelState(
    run({ kind: 'plan', snapshot: fold(...first, { type: 'result', result }), over: true }),
    'over',
  );
  assert.deepEqual(over.sections, ['log', 'nginx', 'plan']);
  assert.equal(over.focus, 'log');
  assert.deepEqual(panelState(run({ kind: 'plan', snapshot: fold(...first), over: true }), 'over').sections, [
    'nginx',
    'plan',
  ]);
});

test('a run that waits for the plan to be read asks to deploy or cancel, and shows the plan', () => {
  const snapshot = fold(
    {
      type: 'plan',
      plan: {
        ...plan,
        env: { added: ['MODE'], changed: [], removed: ['OLD'] },
        toSend: { bytes: 1_200_000, layers: 2, present: 9 },
      },
    },
    { type: 'stage', stage: 'build', status: 'done', ms: 5 },
  );
  const state = panelState(run({ snapshot }), 'asking');
  assert.deepEqual(actionsOf(state), ['approve', 'decline']);
  assert.deepEqual([state.asks, state.focus], [true, 'plan']);
  const fact = (label: string): string | undefined => state.plan.find((it) => it.label === label)?.value;
  assert.equal(fact('To send'), 'about 1.2 MB in layers: 2; there already: 9');
  assert.equal(fact('Environment'), 'added: MODE; removed: OLD');
});

test('each file of nginx that changes has its diff: those of the plan until they are really changed', () => {
  const [own] = plan.files;
  const server = { path: '/etc/nginx/conf.d/~shop.example.conf', before: '', after: 'server;\n' };
  const gone = { path: '/etc/nginx/conf.d/uptimer@.location', before: 'location;\n', after: '' };
  const planned = { type: 'plan', plan: { ...plan, files: [...plan.files, server, gone] } } as const;
  const { diffs } = panelState(run({ snapshot: fold(planned) }), 'running');
  assert.deepEqual(
    diffs.map(({ path, note, added, removed }) => [path, note, added, removed]),
    [
      [own?.path, undefined, 1, 1],
      [server.path, 'new', 1, 0],
      [gone.path, 'taken away', 0, 1],
    ],
  );
  assert.deepEqual(
    diffs[0]?.lines.map(({ kind }) => kind),
    ['hunk', 'same', 'removed', 'added', 'same'],
  );
  const changed = fold(
    planned,
    { type: 'conf', path: '/x.conf', before: '', after: 'a\n' },
    { type: 'conf', path: '/y.conf', before: '', after: 'b\n' },
    { type: 'conf', path: '/x.conf', before: '', after: 'c\n' },
  );
  assert.deepEqual(
    panelState(run({ snapshot: changed }), 'running').diffs.map(({ path, lines }) => [path, lines.at(-1)?.text]),
    [
      ['/y.conf', 'b'],
      ['/x.conf', 'c'],
    ],
  );
});

test('what ended badly is offered once more as what it was', () => {
  const snapshot = fold({ type: 'result', result: failed({ code: 'locked' }) });
  const first = (change: Parameters<typeof run>[0]): string | undefined =>
    panelState(run({ snapshot, over: true, ...change }), 'over').actions[0]?.label;
  assert.equal(first({ kind: 'deploy' }), 'Deploy Again');
  assert.equal(first({ kind: 'plan' }), 'Plan Again');
  assert.equal(first({ kind: 'rollback', origin: undefined }), 'Roll Back Again');
  assert.equal(first({ kind: 'switch', origin: undefined, to: 'GREEN' }), 'Switch Again');
  assert.equal(first({ kind: 'switch', origin: undefined }), 'Show Log', 'which slot it was is not known');
  const wentBack = fold({ type: 'result', result: good });
  assert.deepEqual(actionsOf(panelState(run({ kind: 'rollback', snapshot: wentBack, over: true }), 'over')), [
    'openSite',
    'containerLogs',
  ]);
});

test('a plan of an earlier window is not deployed, but made anew', () => {
  const snapshot = fold({ type: 'plan', plan });
  const state = panelState(run({ kind: 'plan', snapshot, over: true }), 'earlier');
  assert.deepEqual(actionsOf(state), ['repeat']);
  assert.match(state.heading.text, /would have done then/);
});

test('what was pressed counts for the run that was shown, and only while it is on offer', () => {
  const snapshot = fold({ type: 'plan', plan });
  const asking = run({ snapshot });
  assert.ok(isOffered({ run: asking.id, action: 'approve' }, asking, 'asking'));
  assert.equal(isOffered({ run: 'run-0', action: 'approve' }, asking, 'asking'), false);
  assert.equal(isOffered({ run: asking.id, action: 'approve' }, asking, 'running'), false);
  assert.equal(isOffered({ run: asking.id, action: 'rollback' }, asking, 'asking'), false);
});

test('Cancel stands last, while it is asked and while it runs', () => {
  const snapshot = fold(
    { type: 'plan', plan },
    { type: 'stage', stage: 'probe', status: 'running' },
    { type: 'wait', stage: 'probe', left: 1, given: 60 },
  );
  for (const phase of ['asking', 'running'] as const) {
    assert.equal(panelState(run({ snapshot }), phase).actions.at(-1)?.label, 'Cancel');
  }
});

test('of a slot that another tool made the environment is not known', () => {
  const snapshot = fold({ type: 'plan', plan: { ...plan, env: undefined } });
  const facts = panelState(run({ snapshot }), 'asking').plan;
  assert.match(facts.find(({ label }) => label === 'Environment')?.value ?? '', /^not known/);
});

test('the course of the traffic is drawn as bars that add up to the counts', () => {
  const counts = [0, 10, 30, 60].map((sent) => ({ sent, failed: sent === 60 ? 2 : 0, longestMs: 9 }));
  const state = panelState(
    run({ snapshot: fold(...counts.map((traffic) => ({ type: 'traffic' as const, traffic }))) }),
    'running',
  );
  const total = (key: 'sent' | 'failed'): number | undefined =>
    state.traffic?.bars.reduce((sum, bar) => sum + bar[key], 0);
  assert.deepEqual([total('sent'), total('failed')], [60, 2]);
  assert.equal(state.traffic?.text, '60 requests, 2 failed, the longest took 9 ms');
});

test('a deployment that was cancelled once its slot was live offers the way back', () => {
  const cancelled = failed({ code: 'cancelled', stage: 'drain' });
  const actions = (live: 'BLUE' | 'GREEN'): string[] => {
    const snapshot = fold({ type: 'plan', plan }, { type: 'result', result: { ...cancelled, live } });
    return actionsOf(panelState(run({ snapshot, over: true }), 'over'));
  };
  assert.deepEqual(actions('GREEN'), ['repeat', 'rollback', 'showLog']);
  assert.deepEqual(actions('BLUE'), ['repeat', 'showLog']);
});

test('near the end of a wait it is said how much is left, and more is offered', () => {
  const probing = (left: number): ReturnType<typeof panelState> => {
    const events = [
      { type: 'stage', stage: 'probe', status: 'running' },
      { type: 'wait', stage: 'probe', left, given: 60 },
    ] as const;
    return panelState(run({ snapshot: fold(...events) }), 'running');
  };
  assert.deepEqual(actionsOf(probing(31)), ['cancel']);
  assert.equal(probing(31).heading.hint, undefined);
  assert.deepEqual(actionsOf(probing(30)), ['keepWaiting', 'cancel']);
  assert.equal(probing(30).heading.hint, 'Tries left before giving up: 30.');

  const draining = (connections: number): ReturnType<typeof panelState> => {
    const events = [
      { type: 'stage', stage: 'drain', status: 'running' },
      { type: 'drain', connections, oldWorkers: 1 },
      { type: 'wait', stage: 'drain', left: 29_100, given: 60_000 },
    ] as const;
    return panelState(run({ snapshot: fold(...events) }), 'running');
  };
  assert.deepEqual(actionsOf(draining(2)), ['keepWaiting', 'cancel']);
  assert.equal(draining(2).heading.hint, 'The wait for open connections ends in 30 s.');
  assert.deepEqual(actionsOf(draining(0)), ['cancel'], 'nothing is open: there is nothing to wait for');

  const switched = fold(
    { type: 'stage', stage: 'probe', status: 'running' },
    { type: 'wait', stage: 'probe', left: 1, given: 60 },
    { type: 'stage', stage: 'probe', status: 'done', ms: 9 },
  );
  assert.deepEqual(actionsOf(panelState(run({ snapshot: switched }), 'running')), ['cancel']);
  const undone = fold(
    { type: 'stage', stage: 'probe', status: 'running' },
    { type: 'wait', stage: 'probe', left: 0, given: 60 },
    { type: 'stage', stage: 'probe', status: 'failed', ms: 9 },
  );
  assert.deepEqual(actionsOf(panelState(run({ snapshot: undone }), 'running')), ['cancel']);
});

test('a try brings its headers along, for those who ask', () => {
  const probe = { attempt: 1, ok: true, status: 200, ms: 4, headers: { server: 'nginx' }, reason: undefined };
  const state = panelState(run({ snapshot: fold({ type: 'probe', slot: 'GREEN', probe }) }), 'running');
  assert.deepEqual(state.probes[0]?.headers, [{ label: 'server', value: 'nginx' }]);
});

test('log rows carry no escape sequences', () => {
  const row = logRow({
    at: AT,
    stage: 'build',
    source: 'build',
    level: 'info',
    text: '\u001b[1mStep 1\u001b[0m\r50%\r100%',
  });
  assert.equal(row.text, '100%');
  assert.equal(row.source, 'build');
});
