/** What is kept of a run when it is over: enough to show it again after the window was reloaded, and to repeat it. */
import type { DeploymentSnapshot } from '../engine/snapshot';
import { SLOT_NAMES, type SlotName } from '../model';

export const RUN_KINDS = ['deploy', 'rollback', 'switch', 'plan'] as const;
export type RunKind = (typeof RUN_KINDS)[number];

/** `asking`: the run waits until the person has read its plan. `earlier`: it is one of an earlier window, and over. */
export type RunPhase = 'running' | 'asking' | 'over' | 'earlier';

/** Where a run's configuration came from; read again when it is repeated. */
export interface Origin {
  /** The folder whose bluegreen.json (or Dockerfile) describes the service. */
  readonly folder: string;
  /** Set when the service came from a Dockerfile alone. */
  readonly dockerfile: string | undefined;
}

export interface KeptRun {
  readonly id: string;
  readonly kind: RunKind;
  readonly service: string;
  readonly host: string;
  readonly origin: Origin | undefined;
  /** The slot that a switch was to make live. */
  readonly to?: SlotName | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly snapshot: DeploymentSnapshot | undefined;
  /** False in a kept run: its window was closed while it was under way. */
  readonly over: boolean;
}

/** Lines, tries and characters kept of one run: twenty runs stay well below what VS Code wants in its storage. */
const KEPT_LINES = 100;
const KEPT_PROBES = 50;
const KEPT_CHARACTERS = 240;

/** Runs that are stored. */
const MAX_HISTORY = 20;

/**
 * Which runs are stored, of all that are known, newest first; and which are to be forgotten. The others stay in memory
 * as long as they are needed there.
 */
export function sortOut<R>(
  runs: readonly R[],
  isNeeded: (run: R) => boolean,
): { readonly stored: readonly R[]; readonly forgotten: readonly R[] } {
  return {
    stored: runs.slice(0, MAX_HISTORY),
    forgotten: runs.slice(MAX_HISTORY).filter((run) => !isNeeded(run)),
  };
}

/** The run without what is too long to keep. Values of environment variables are in none of its parts. */
export function forHistory(run: KeptRun): KeptRun {
  const { id, kind, service, host, origin, to, startedAt, snapshot, over } = run;
  return { id, kind, service, host, origin, to, startedAt, over, snapshot: snapshot && shorten(snapshot) };
}

function shorten(snapshot: DeploymentSnapshot): DeploymentSnapshot {
  const dropped = Math.max(0, snapshot.log.length - KEPT_LINES);
  return {
    ...snapshot,
    log: snapshot.log.slice(dropped).map((line) => ({ ...line, text: line.text.slice(0, KEPT_CHARACTERS) })),
    droppedLogLines: snapshot.droppedLogLines + dropped,
    probes: snapshot.probes.slice(-KEPT_PROBES),
  };
}

/** Guards against what an older version may have stored. */
export function isKeptRun(value: unknown): value is KeptRun {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const run = value as Partial<Record<keyof KeptRun, unknown>>;
  return (
    typeof run.id === 'string' &&
    RUN_KINDS.some((kind) => kind === run.kind) &&
    typeof run.service === 'string' &&
    typeof run.host === 'string' &&
    (run.to === undefined || SLOT_NAMES.some((slot) => slot === run.to)) &&
    typeof run.startedAt === 'number' &&
    typeof run.over === 'boolean' &&
    (run.snapshot === undefined || isSnapshot(run.snapshot))
  );
}

function isSnapshot(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const snapshot = value as Partial<Record<keyof DeploymentSnapshot, unknown>>;
  const { plan } = snapshot;
  return (
    Array.isArray(snapshot.stages) &&
    Array.isArray(snapshot.confs) &&
    (plan === undefined || (typeof plan === 'object' && plan !== null && 'files' in plan)) &&
    Array.isArray(snapshot.log) &&
    Array.isArray(snapshot.probes) &&
    Array.isArray(snapshot.trafficCourse)
  );
}
