import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostRow, isBusy, rowsOfHost, rowsOfService } from '../../../src/editor/treeRows';
import { DeployError } from '../../../src/model';
import { AT, seen, service, slot } from './samples';

const NOW = AT + 3 * 3_600_000;

test('a host tells whether it was looked at, connects, or is offline and why', () => {
  assert.equal(hostRow('prod', { kind: 'unseen' }).context, 'host');
  assert.equal(hostRow('prod', { kind: 'connecting' }).description, 'connecting…');
  const error = new DeployError('host-unreachable', 'prod does not answer.', { hint: 'Is it on?' });
  const offline = hostRow('prod', { kind: 'offline', error });
  assert.deepEqual([offline.context, offline.description], ['host.offline', 'offline']);
  assert.match(offline.spoken, /prod does not answer/);
  assert.deepEqual(
    rowsOfHost('prod', { kind: 'offline', error }, []).map((row) => row.label),
    ['prod does not answer.', 'Is it on?'],
  );
});

test('a host shows its services, then the proxy', () => {
  const rows = rowsOfHost('prod', seen({ services: [service()] }), []);
  assert.deepEqual(
    rows.map((row) => `${row.label}: ${row.description}`),
    ['uptimer: BLUE is live', 'Proxy: nginx 1.30.6 · port 80'],
  );
  assert.equal(rows[0]?.context, 'service.live.previous');
});

test('a service offers a way back only when a slot is live and another is kept', () => {
  const contextOf = (change: Parameters<typeof service>[0]): string | undefined =>
    rowsOfHost('prod', seen({ services: [service(change)] }), [])[0]?.context;
  assert.equal(contextOf({ slots: [slot()] }), 'service.live');
  assert.equal(contextOf({ live: undefined, slots: [slot({ live: false })] }), 'service');
  assert.equal(
    contextOf({ slots: [slot()], findings: [{ code: 'both-up', text: 'Something is odd.', remedy: 'repair' }] }),
    'service.live.repairable',
  );
});

test('a repair is offered for what it ends; what only a person can end is warned of alone', () => {
  const findings = [{ code: 'tls-by-hand', text: 'TLS is served by hand.', remedy: 'person' }] as const;
  const [row] = rowsOfHost('prod', seen({ services: [service({ findings })] }), []);
  assert.deepEqual([row?.context, row?.icon.id], ['service.live.previous', 'warning']);
});

test('an empty host says so and still shows that there is no proxy', () => {
  const proxy = { state: 'absent', image: undefined, nginxVersion: undefined, ports: [] };
  const rows = rowsOfHost('prod', seen({ services: [], proxy }), []);
  assert.deepEqual(
    rows.map((row) => row.context),
    ['message.empty', 'proxy.absent'],
  );
});

test('slots: the live one is marked in words, the other says what it is kept for', () => {
  const rows = rowsOfService('prod', service(), NOW);
  assert.deepEqual(
    rows.map((row) => `${row.label} ${row.description} ${row.context}`),
    [
      'BLUE live · 3 hr. ago · 1a2b3c4 · ada@laptop slot.live.running.commit',
      'GREEN kept for rollback · 3 hr. ago · 1a2b3c4 · ada@laptop slot.idle.commit',
    ],
  );
  assert.match(rows[0]?.spoken ?? '', /^Slot BLUE, live/);
});

test('what is wrong with a slot is said, not only drawn', () => {
  const said = (change: Parameters<typeof slot>[0]): string => {
    const [row] = rowsOfService('prod', service({ slots: [slot(change)] }), NOW);
    assert.ok(
      row !== undefined && row.spoken.startsWith(`Slot BLUE, ${row.description.split(' · ')[0] ?? ''}, `),
      row?.spoken,
    );
    return `${row.icon.id}: ${row.description.split(' · ')[0] ?? ''}`;
  };
  assert.equal(said({ health: 'healthy' }), 'circle-filled: live, healthy');
  assert.equal(said({ state: 'restarting', health: 'starting' }), 'warning: live, restarting');
  assert.equal(said({ state: 'paused' }), 'warning: live, paused');
  assert.equal(said({ live: false, health: 'unhealthy' }), 'warning: idle, running, unhealthy');
  assert.equal(said({ live: false, health: 'starting' }), 'circle-outline: idle, running, not yet healthy');
  assert.equal(said({ live: false, state: 'dead' }), 'warning: dead');
  assert.equal(said({ live: false, state: 'created' }), 'circle-outline: kept for rollback');
});

test('notes on a service are rows of their own', () => {
  const rows = rowsOfService(
    'prod',
    service({ findings: [{ code: 'interrupted', text: 'A deployment was interrupted.', remedy: 'repair' }] }),
    NOW,
  );
  assert.equal(rows.at(-1)?.label, 'A deployment was interrupted.');
});

test('a run under way shows on its service, also before the service exists there', () => {
  const running = [
    { service: 'uptimer', text: 'Deploying: Probe' },
    { service: 'shop', text: 'Deploying: Build' },
  ];
  const rows = rowsOfHost('prod', seen({ services: [service()] }), running);
  assert.deepEqual(rows.map((row) => `${row.label}: ${row.description}`).slice(0, 2), [
    'uptimer: Deploying: Probe',
    'shop: Deploying: Build',
  ]);
  // By which the menus and a click find the run.
  const [, coming] = rows;
  assert.ok(coming?.kind === 'coming' && coming.service === 'shop');
  assert.equal(coming.context, 'coming.busy');
  assert.deepEqual(rows.map(isBusy), [true, true, false], 'the proxy is not');
});

test('what a run of this window has under its hands is no finding', () => {
  const findings = [
    { code: 'locked', text: 'Being deployed.', remedy: 'nobody' },
    { code: 'interrupted', text: 'A deployment was interrupted.', remedy: 'repair' },
  ] as const;
  const state = service({ findings });
  assert.deepEqual(
    rowsOfService('prod', state, NOW, true).map((row) => `${row.label} ${row.context}`),
    ['BLUE slot.live.running.commit.busy', 'GREEN slot.idle.commit.busy'],
  );
  const [row] = rowsOfHost('prod', seen({ services: [state] }), [{ service: 'uptimer', text: 'Deploying: Probe' }]);
  assert.equal(row?.spoken, 'Service uptimer, Deploying: Probe');
  assert.equal(row.context, 'service.live.previous.busy');
});

test('row ids are unique: VS Code refuses a tree that repeats one', () => {
  const state = seen({ services: [service(), service({ name: 'shop' })] });
  const rows = [hostRow('prod', state), ...rowsOfHost('prod', state, []), ...rowsOfService('prod', service(), NOW)];
  assert.equal(new Set(rows.map((row) => row.id)).size, rows.length);
});
