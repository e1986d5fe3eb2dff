/** Snapshots for the tests, folded from events as in life. */
import { type DeploymentSnapshot, foldEvent } from '../../../src/engine/snapshot';
import type { DeployEvent, DeployResult, HostState, Plan, ServiceState, SlotState } from '../../../src/model';
import type { KeptRun } from '../../../src/editor/history';
import type { KnownHost } from '../../../src/editor/treeRows';

export const AT = Date.UTC(2026, 10, 22, 20, 45, 1);

type Body<E> = E extends DeployEvent ? Omit<E, 'at' | 'deployment'> : never;

export function fold(...events: Body<DeployEvent>[]): DeploymentSnapshot {
  let snapshot: DeploymentSnapshot | undefined;
  for (const event of events) {
    snapshot = foldEvent(snapshot, { ...event, at: AT, deployment: 'abcdef123456' });
  }
  if (snapshot === undefined) {
    throw new Error('no event given');
  }
  return snapshot;
}

export const plan: Plan = {
  deployment: 'abcdef123456',
  service: 'uptimer',
  host: 'prod',
  dockerfile: '/home/ann/uptimer/Dockerfile',
  context: '/home/ann/uptimer',
  release: '20261122-204501-1a2b3c4-9f3c',
  commit: '1a2b3c4',
  person: 'ada@laptop',
  live: 'BLUE',
  slot: 'GREEN',
  proxy: 'use',
  publish: 80,
  files: [
    {
      path: '/etc/nginx/conf.d/uptimer.conf',
      before: 'server {\n  set $slot uptimer_BLUE;\n}\n',
      after: 'server {\n  set $slot uptimer_GREEN;\n}\n',
    },
  ],
  env: { added: [], changed: [], removed: [] },
  toSend: undefined,
  platform: 'linux/amd64',
  freeDiskBytes: 12_300_000_000,
  warnings: [],
};

export const good: DeployResult = {
  ok: true,
  service: 'uptimer',
  host: 'prod',
  live: 'GREEN',
  release: plan.release,
  summary: 'uptimer is live on GREEN at prod. 312 requests, 0 failed, longest 41 ms.',
  bytesSent: 12_900,
  durations: { build: 2_100, transfer: 300 },
  requests: { sent: 312, failed: 0, longestMs: 41 },
};

export function failed(error: Partial<NonNullable<DeployResult['error']>>): DeployResult {
  return {
    ...good,
    ok: false,
    live: 'BLUE',
    release: undefined,
    summary: 'uptimer was not deployed. BLUE is live at prod.',
    error: {
      code: 'unhealthy',
      stage: 'probe',
      message: 'uptimer GREEN did not become healthy in 60 tries.',
      hint: undefined,
      detail: undefined,
      position: undefined,
      ...error,
    },
  };
}

export function run(change: Partial<KeptRun> = {}): KeptRun {
  return {
    id: 'run-1',
    kind: 'deploy',
    service: 'uptimer',
    host: 'prod',
    origin: { folder: '/home/ann/uptimer', dockerfile: '/home/ann/uptimer/Dockerfile' },
    startedAt: AT,
    snapshot: undefined,
    over: false,
    ...change,
  };
}

export function slot(change: Partial<SlotState> = {}): SlotState {
  return {
    name: 'BLUE',
    container: 'uptimer_BLUE',
    containerId: 'c1',
    state: 'running',
    health: undefined,
    image: 'uptimer:20261122-204501-1a2b3c4-9f3c',
    imageId: 'sha256:1',
    release: '20261122-204501-1a2b3c4-9f3c',
    commit: '1a2b3c4',
    person: 'ada@laptop',
    deployment: 'abcdef123456',
    createdAt: AT,
    live: true,
    ...change,
  };
}

export function service(change: Partial<ServiceState> = {}): ServiceState {
  return {
    name: 'uptimer',
    live: 'BLUE',
    slots: [slot(), slot({ name: 'GREEN', container: 'uptimer_GREEN', state: 'exited', live: false })],
    route: '*',
    findings: [],
    ...change,
  };
}

/** A host that was seen, with nothing on it but its proxy. */
export function seen(change: Partial<HostState> = {}): KnownHost {
  return {
    kind: 'seen',
    state: {
      host: 'prod',
      engineVersion: '28.5.2',
      imageStore: 'layers',
      platform: 'linux/amd64',
      proxy: { state: 'running', image: 'nginx:1.30-alpine', nginxVersion: '1.30.6', ports: [80] },
      services: [],
      findings: [],
      ...change,
    },
  };
}
