/**
 * One deployment as it stands, folded from its events. Panel, tree, notification and terminal all read this, so that
 * they cannot disagree.
 */
import type {
  ConfChange,
  DeployEvent,
  DeployResult,
  Plan,
  ProbeAttempt,
  SlotName,
  Stage,
  StageStatus,
  TrafficCount,
  WaitingStage,
} from '../model';
import { STAGES } from '../model';

/** Log lines that are kept; older ones are dropped and counted. */
export const LOG_LIMIT = 20_000;
/** Milliseconds between two points of the traffic's course, and how many are kept: then every other one goes. */
const COURSE_EVERY_MS = 250;
const COURSE_LIMIT = 240;
/** Tries that are kept. */
const PROBE_LIMIT = 500;

export interface StageSnapshot {
  readonly stage: Stage;
  readonly status: StageStatus | 'waiting';
  readonly startedAt: number | undefined;
  readonly ms: number | undefined;
  readonly message: string | undefined;
  readonly progress:
    | {
        readonly done: number;
        readonly total: number | undefined;
        readonly unit: 'bytes' | 'steps';
        readonly rate: number | undefined;
      }
    | undefined;
}

/** Milliseconds that the rest takes at the present rate; undefined where that cannot be told. */
export function msLeft(
  progress: Pick<NonNullable<StageSnapshot['progress']>, 'done' | 'total' | 'rate'>,
): number | undefined {
  const { done, total, rate } = progress;
  return total === undefined || rate === undefined || rate <= 0 ? undefined : (Math.max(0, total - done) * 1000) / rate;
}

export interface LogEntry {
  readonly at: number;
  readonly stage: Stage;
  readonly source: 'build' | 'container' | 'nginx' | 'engine';
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
}

/** The counts at one moment. */
export interface TrafficPoint {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly sent: number;
  readonly failed: number;
}

export interface DeploymentSnapshot {
  readonly deployment: string;
  readonly startedAt: number;
  readonly plan: Plan | undefined;
  readonly stages: readonly StageSnapshot[];
  /** The stage that runs, or ran last. */
  readonly current: Stage | undefined;
  readonly probes: readonly (ProbeAttempt & { readonly at: number; readonly slot: SlotName })[];
  /** The files of nginx that were changed, the service's own first. */
  readonly confs: readonly ConfChange[];
  readonly traffic: TrafficCount | undefined;
  /** How the counts grew, oldest first. */
  readonly trafficCourse: readonly TrafficPoint[];
  readonly drain: { readonly connections: number; readonly oldWorkers: number } | undefined;
  /** The wait that was under way last, and what is left of it. */
  readonly wait: { readonly stage: WaitingStage; readonly left: number; readonly given: number } | undefined;
  readonly log: readonly LogEntry[];
  readonly droppedLogLines: number;
  readonly result: DeployResult | undefined;
}

/** Folds one event in. Returns a new snapshot; the old one stays as it was. */
export function foldEvent(snapshot: DeploymentSnapshot | undefined, event: DeployEvent): DeploymentSnapshot {
  const now = snapshot ?? emptySnapshot(event);
  switch (event.type) {
    case 'plan':
      return { ...now, plan: event.plan };
    case 'stage':
      return {
        ...now,
        current: event.status === 'running' ? event.stage : now.current,
        stages: changeStage(now.stages, event.stage, {
          status: event.status,
          // A stage may come again: after a plan that had to be made anew.
          ...(event.status === 'running' && { ...UNTOUCHED, startedAt: event.at }),
          ...(event.ms !== undefined && { ms: event.ms }),
          ...(event.message !== undefined && { message: event.message }),
        }),
      };
    case 'progress': {
      const { done, total, unit, rate, message } = event;
      return {
        ...now,
        stages: changeStage(now.stages, event.stage, {
          progress: { done, total, unit, rate },
          ...(message !== undefined && { message }),
        }),
      };
    }
    case 'log': {
      const { at, stage, source, level, text } = event;
      const log = [...now.log, { at, stage, source, level, text }];
      const tooMany = Math.max(0, log.length - LOG_LIMIT);
      return { ...now, log: log.slice(tooMany), droppedLogLines: now.droppedLogLines + tooMany };
    }
    case 'probe':
      return {
        ...now,
        probes: [...now.probes, { ...event.probe, at: event.at, slot: event.slot }].slice(-PROBE_LIMIT),
      };
    case 'conf': {
      const { path, before, after } = event;
      return { ...now, confs: [...now.confs.filter((conf) => conf.path !== path), { path, before, after }] };
    }
    case 'traffic':
      return {
        ...now,
        traffic: event.traffic,
        trafficCourse: extendCourse(now.trafficCourse, event.at, event.traffic),
      };
    case 'drain':
      return { ...now, drain: { connections: event.connections, oldWorkers: event.oldWorkers } };
    case 'wait':
      return { ...now, wait: { stage: event.stage, left: event.left, given: event.given } };
    case 'result':
      return { ...now, result: event.result };
  }
}

/** What is known of a stage that has not begun. */
const UNTOUCHED = { startedAt: undefined, ms: undefined, message: undefined, progress: undefined };

function emptySnapshot(event: DeployEvent): DeploymentSnapshot {
  return {
    deployment: event.deployment,
    startedAt: event.at,
    plan: undefined,
    stages: STAGES.map((stage) => ({ stage, status: 'waiting', ...UNTOUCHED })),
    current: undefined,
    probes: [],
    confs: [],
    traffic: undefined,
    trafficCourse: [],
    drain: undefined,
    wait: undefined,
    log: [],
    droppedLogLines: 0,
    result: undefined,
  };
}

function changeStage(
  stages: readonly StageSnapshot[],
  stage: Stage,
  change: Partial<StageSnapshot>,
): readonly StageSnapshot[] {
  return stages.map((it) => (it.stage === stage ? { ...it, ...change } : it));
}

/** The last point moves until it is far enough from the one before it. */
function extendCourse(course: readonly TrafficPoint[], at: number, { sent, failed }: TrafficCount): TrafficPoint[] {
  const beforeLast = course.at(-2);
  const moves = beforeLast !== undefined && (course.at(-1)?.at ?? 0) - beforeLast.at < COURSE_EVERY_MS;
  const next = [...(moves ? course.slice(0, -1) : course), { at, sent, failed }];
  return next.length > COURSE_LIMIT ? next.filter((_, index) => index % 2 === 1 || index === next.length - 1) : next;
}
