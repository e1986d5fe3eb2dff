/** Events of a deployment, as the engine emits them. */
import type { DeployEvent, DeployResult, Plan } from '../../../src/model';

export const PLAN: Plan = {
  deployment: 'd1',
  service: 'shop',
  host: 'prod',
  dockerfile: '/app/Dockerfile',
  context: '/app',
  release: '20261122-204501-1a2b3c4-9f3c',
  commit: '1a2b3c4',
  person: 'ann@desk',
  live: 'BLUE',
  slot: 'GREEN',
  proxy: 'use',
  publish: 80,
  files: [{ path: '/etc/nginx/conf.d/shop.conf', before: 'server BLUE;\n', after: 'server GREEN;\n' }],
  env: { added: [], changed: [], removed: [] },
  toSend: undefined,
  platform: 'linux/amd64',
  freeDiskBytes: 12_300_000_000,
  warnings: [],
};

export const RESULT: DeployResult = {
  ok: true,
  service: 'shop',
  host: 'prod',
  live: 'GREEN',
  release: PLAN.release,
  summary: 'shop is live on GREEN at prod.',
  bytesSent: 12_900,
  durations: { plan: 120, build: 3200, switch: 45 },
  requests: { sent: 1842, failed: 0, longestMs: 210 },
};

/** What an event has besides its time and its deployment. */
export type Told = DeployEvent extends infer E ? (E extends DeployEvent ? Omit<E, 'at' | 'deployment'> : never) : never;

/** Events one second apart, or `pause` milliseconds. */
export function timed(told: readonly (Told & { readonly pause?: number })[]): DeployEvent[] {
  let at = 1_000_000;
  return told.map(({ pause = 1000, ...event }) => {
    at += pause;
    return { ...event, at, deployment: 'd1' };
  });
}

function refused(attempt: number): Told {
  const probe = { attempt, ok: false, status: undefined, ms: 2, headers: {}, reason: 'Nothing listens on port 8080.' };
  return { type: 'probe', slot: 'GREEN', probe };
}

/** A deployment with something of everything. */
export const DEPLOYMENT: readonly DeployEvent[] = timed([
  { type: 'stage', stage: 'plan', status: 'running' },
  { type: 'stage', stage: 'plan', status: 'done', ms: 120 },
  { type: 'plan', plan: PLAN },
  { type: 'log', stage: 'plan', source: 'engine', level: 'warning', text: 'The disk is nearly full.' },
  { type: 'stage', stage: 'build', status: 'running' },
  { type: 'log', stage: 'build', source: 'build', level: 'info', text: '#5 [2/3] COPY . .\n10%\r50%\r100%\n' },
  { type: 'log', stage: 'build', source: 'build', level: 'info', text: '\u001b[2J\u001b[31mred\u001b[0m\u0007' },
  { type: 'stage', stage: 'build', status: 'done', ms: 3200, message: 'shop:20261122' },
  { type: 'stage', stage: 'transfer', status: 'running' },
  { type: 'progress', stage: 'transfer', done: 1_000_000, total: 84_000_000, unit: 'bytes', rate: 1_000_000 },
  {
    type: 'progress',
    stage: 'transfer',
    done: 12_000_000,
    total: 84_000_000,
    unit: 'bytes',
    rate: 1_000_000,
    pause: 11_000,
  },
  { type: 'progress', stage: 'transfer', done: 13_000_000, total: 84_000_000, unit: 'bytes', rate: 1_000_000 },
  { type: 'stage', stage: 'transfer', status: 'done', ms: 84_000, message: '1 layer sent, 7 already there' },
  { type: 'stage', stage: 'proxy', status: 'skipped', message: 'It runs.' },
  { type: 'stage', stage: 'probe', status: 'running' },
  refused(1),
  refused(2),
  refused(3),
  {
    type: 'probe',
    slot: 'GREEN',
    probe: { attempt: 4, ok: false, status: 500, ms: 12, headers: {}, reason: 'Status 500 is not accepted.' },
  },
  { type: 'probe', slot: 'GREEN', probe: { attempt: 5, ok: true, status: 200, ms: 9, headers: {}, reason: undefined } },
  { type: 'stage', stage: 'probe', status: 'done', ms: 5020, message: 'healthy after 5 tries' },
  ...PLAN.files.map((file) => ({ type: 'conf' as const, ...file })),
  { type: 'stage', stage: 'switch', status: 'done', ms: 45 },
  { type: 'traffic', traffic: { sent: 900, failed: 0, longestMs: 12 } },
  { type: 'stage', stage: 'drain', status: 'running' },
  { type: 'drain', connections: 1, oldWorkers: 2, pause: 15_000 },
  { type: 'stage', stage: 'drain', status: 'done', ms: 15_000 },
  { type: 'stage', stage: 'retire', status: 'failed', ms: 10 },
  { type: 'log', stage: 'retire', source: 'container', level: 'error', text: 'out of memory' },
  { type: 'result', result: RESULT },
]);
