/**
 * The lock of a service on a host: a container that is created and never started. Its name makes taking it atomic for
 * every deployer (the engine refuses a second container of that name, 409), its labels name the owner, and a file inside
 * it is the owner's heartbeat. It needs no shell, no image from anywhere and no clock: whether an owner lives is seen by
 * whether the heartbeat moves.
 */
import { stageName } from '../stageNames';
import { isConflict, isNotFound, isRefusal } from '../docker/errors';
import {
  createContainer,
  inspectContainer,
  readFileInContainer,
  removeContainer,
  writeFileInContainer,
} from '../docker/containers';
import { loadEmptyImage } from '../docker/emptyImage';
import type { DockerEngine } from '../docker/engine';
import { LoadRefusedError } from '../docker/load';
import { inspectImage, removeImage } from '../docker/images';
import { t } from '../l10n';
import { DeployError, LABEL, type Stage, toDeployError } from '../model';
import { pause } from './wait';

/** Without any file in it. It is there as long as a lock is. */
export const LOCK_IMAGE = 'blue-green-lock:1';
const HEARTBEAT_FILE = '/heartbeat';
/** Milliseconds between two heartbeats. */
const BEAT_MS = 3_000;
/** Limit for one heartbeat, in milliseconds. */
const BEAT_LIMIT_MS = 6_000;
/** Milliseconds for which an owner that lives is silent at most. */
export const SILENT_AT_MOST_MS = BEAT_MS + BEAT_LIMIT_MS;
/** An owner whose heartbeat stands still for so long, in milliseconds, is dead. */
export const DEAD_AFTER_MS = 20_000;
/**
 * Heartbeats that may fail in a row before the owner counts its own lock as lost: on a slow line they wait behind an
 * image. That somebody else has taken the lock is seen by its absence, at the first heartbeat that gets through.
 */
const FAILED_BEATS = 10;

/** How often a lock that Docker refuses to create is tried again, each time with its image made anew. */
const CREATE_AGAIN = 10;
/** Limit for letting it go, in milliseconds. */
const RELEASE_LIMIT_MS = 30_000;
/** Limit for taking the lock once, in milliseconds. */
const TAKE_LIMIT_MS = 30_000;

export interface LockOwner {
  readonly deployment: string;
  readonly person: string;
}

/** A lock as anybody can see it. Times are of the host's clock, so that no two clocks are compared. */
export interface LockView {
  readonly container: string;
  /** Who holds it, as `user@machine`. */
  readonly person: string;
  readonly deployment: string;
  readonly stage: string | undefined;
  /** Milliseconds since it was taken. */
  readonly ageMs: number;
  /** Milliseconds since its owner's last sign of life. */
  readonly silentMs: number;
  /** True when its owner has been silent for longer than a living one ever is. */
  readonly dead: boolean;
}

export interface Lock {
  /** Aborted with a `lock-lost` error when somebody else took the lock, or the host is out of reach. */
  readonly lost: AbortSignal;
  /**
   * Throws `lock-lost` when the lock is not ours any more. Asked before every step that changes something: a machine
   * that slept wakes up in the middle of a step, and its heartbeat notices only later.
   */
  confirm(): Promise<void>;
  /** The next heartbeat says this stage. */
  setStage(stage: Stage): void;
  release(): Promise<void>;
}

export function lockContainer(service: string): string {
  return `${service}_LOCK`;
}

/**
 * Hears what is worth a line in the log. `looks`: whether a lock's owner is alive; `took-over`: a dead owner's lock;
 * `not-released`: the lock stays until somebody takes it over.
 */
export type OnLockNote = (text: string, what: 'looks' | 'took-over' | 'not-released') => void;

/**
 * Runs `work` while it holds the lock, and lets it go. `work` is given the lock, and has to stop when that is lost. That
 * it cannot be let go of is noted: what came of the work counts. Throws as {@link takeLock} does.
 */
export async function withLock<T>(
  engine: DockerEngine,
  service: string,
  owner: LockOwner,
  onNote: OnLockNote,
  signal: AbortSignal,
  work: (lock: Lock) => Promise<T>,
): Promise<T> {
  const lock = await takeLock(engine, service, owner, onNote, signal);
  try {
    return await work(lock);
  } finally {
    await lock.release().catch((error: unknown) => {
      onNote(t('The lock could not be released: {0}', toDeployError(error).message), 'not-released');
    });
  }
}

/**
 * Takes the lock. A living owner's lock throws `locked` and names the owner; a dead owner's is taken over after
 * {@link DEAD_AFTER_MS}, which `onNote` is told: first that it is looked at, then that it was taken over.
 */
export async function takeLock(
  engine: DockerEngine,
  service: string,
  owner: LockOwner,
  onNote: OnLockNote,
  signal: AbortSignal,
): Promise<Lock> {
  // What the host's clock is ahead of ours, so that everybody can tell how long ago a heartbeat was.
  const aheadMs = (await engine.now(signal)) - Date.now();
  for (;;) {
    // Not cut by a cancel: a lock that was taken without being noticed would stand in the way of the next deployment.
    const id = await tryCreate(engine, service, owner, AbortSignal.timeout(TAKE_LIMIT_MS));
    if (id !== undefined) {
      return HeldLock.hold(engine, id, aheadMs);
    }
    await waitForDeadOwner(engine, service, onNote, signal);
  }
}

/** The lock of a service as it stands; undefined when nobody holds it. */
export async function lookAtLock(
  engine: DockerEngine,
  service: string,
  signal: AbortSignal,
): Promise<LockView | undefined> {
  const holder = await inspectContainer(engine, lockContainer(service), signal);
  if (holder === undefined) {
    return undefined;
  }
  const [text, now] = await Promise.all([readHeartbeat(engine, holder.id, signal), engine.now(signal)]);
  if (text === undefined && (await stateOf(engine, holder.id, signal)) === 'gone') {
    return undefined;
  }
  const { stage, at } = parseHeartbeat(text ?? '');
  const silentMs = Math.max(0, now - (at ?? holder.createdAt));
  return {
    container: holder.name,
    person: holder.labels[LABEL.person] ?? t('someone'),
    deployment: holder.labels[LABEL.deployment] ?? '?',
    stage,
    ageMs: Math.max(0, now - holder.createdAt),
    silentMs,
    dead: silentMs > DEAD_AFTER_MS,
  };
}

/** `anna@laptop, for 2 min, stage drain` */
export function lockInWords({ person, ageMs, stage }: LockView): string {
  return stage === undefined
    ? t('{0}, for {1}', person, inWords(ageMs))
    : t('{0}, for {1}, stage {2}', person, inWords(ageMs), stageName(stage));
}

/** `12 s`, `3 min`, `2 h` */
export function inWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 120
    ? t('{0} s', seconds)
    : seconds < 7_200
      ? t('{0} min', Math.round(seconds / 60))
      : t('{0} h', Math.round(seconds / 3_600));
}

/** Creates the lock's container; undefined when there is one already. */
async function tryCreate(
  engine: DockerEngine,
  service: string,
  owner: LockOwner,
  signal: AbortSignal,
): Promise<string | undefined> {
  const spec = {
    name: lockContainer(service),
    image: LOCK_IMAGE,
    labels: {
      [LABEL.role]: 'lock',
      [LABEL.service]: service,
      [LABEL.deployment]: owner.deployment,
      [LABEL.person]: owner.person,
    },
    env: {},
    command: ['/never-started'],
    volumes: [],
    network: 'none',
    restart: 'no' as const,
  };
  // The image vanishes between load and use, or in the middle of either, when somebody else lets a lock go at that moment.
  // Each of Docker's image stores has words of its own for that, and not all of them say "not found".
  for (let attempt = 0; ; attempt += 1) {
    try {
      if (attempt > 0) {
        await loadEmptyImage(engine, LOCK_IMAGE, signal);
      }
      return await createContainer(engine, spec, signal);
    } catch (error) {
      if (isConflict(error)) {
        return undefined;
      }
      const mayPass = isRefusal(error) || error instanceof LoadRefusedError;
      if (!mayPass || attempt >= CREATE_AGAIN) {
        throw error;
      }
    }
  }
}

/** Returns once the present owner is gone or dead (then removed); throws `locked` as soon as it is seen alive. */
async function waitForDeadOwner(
  engine: DockerEngine,
  service: string,
  onNote: OnLockNote,
  signal: AbortSignal,
): Promise<void> {
  const holder = await inspectContainer(engine, lockContainer(service), signal);
  if (holder === undefined) {
    return;
  }
  const first = await readHeartbeat(engine, holder.id, signal);
  onNote(
    t(
      '{0} is locked by {1}. Looking whether that deployment is alive.',
      service,
      holder.labels[LABEL.person] ?? t('someone'),
    ),
    'looks',
  );
  let lookedAt = performance.now();
  for (let watchedMs = 0; watchedMs < DEAD_AFTER_MS;) {
    await pause(500, signal);
    const before = lookedAt;
    lookedAt = performance.now();
    // A machine that slept meanwhile has not watched for so long.
    watchedMs += Math.min(lookedAt - before, 1_000);
    const now = await inspectContainer(engine, lockContainer(service), signal);
    if (now?.id !== holder.id) {
      return;
    }
    const beat = await readHeartbeat(engine, holder.id, signal);
    if (beat !== undefined && beat !== first) {
      const lock = await lookAtLock(engine, service, signal);
      if (lock === undefined) {
        // Not moved but gone: its owner has just come to its end.
        return;
      }
      throw new DeployError('locked', t('{0} is being deployed by somebody else: {1}.', service, lockInWords(lock)), {
        hint: t('Wait until that deployment has ended, then try again.'),
      });
    }
  }
  // Removed by id: whoever else comes to the same conclusion cannot remove a newer lock of the same name.
  await removeContainer(engine, holder.id, { force: true }, signal);
  const person = holder.labels[LABEL.person] ?? t('someone');
  const deployment = holder.labels[LABEL.deployment] ?? '?';
  onNote(
    t('Took over the lock of a deployment that no longer runs ({0}, deployment {1}).', person, deployment),
    'took-over',
  );
}

/**
 * What the owner last wrote; undefined as long as it has written nothing, and once the lock is let go of: of a container
 * that is being removed Docker has an error of its own to tell.
 */
async function readHeartbeat(engine: DockerEngine, id: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await readFileInContainer(engine, id, HEARTBEAT_FILE, signal);
  } catch (error) {
    if ((await stateOf(engine, id, signal)) === 'there') {
      throw error;
    }
    return undefined;
  }
}

/** `dead`: Docker could not remove it to the end, and its name is taken still. */
async function stateOf(engine: DockerEngine, id: string, signal: AbortSignal): Promise<'there' | 'gone' | 'dead'> {
  const holder = await inspectContainer(engine, id, signal);
  return holder === undefined || holder.state === 'removing' ? 'gone' : holder.state === 'dead' ? 'dead' : 'there';
}

/** A lock that is ours: its heart beats until it is let go of, or lost. */
class HeldLock implements Lock {
  #stage: Stage = 'plan';
  #beats = 0;
  /** Heartbeats in a row that did not get through. */
  #failures = 0;
  #released = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #lost = new AbortController();

  private constructor(
    private readonly engine: DockerEngine,
    private readonly id: string,
    private readonly aheadMs: number,
  ) {}

  /**
   * Begins with the first heartbeat; without that one the lock is let go of.
   * @param id of its container.
   * @param aheadMs what the host's clock is ahead of ours.
   */
  static async hold(engine: DockerEngine, id: string, aheadMs: number): Promise<HeldLock> {
    const lock = new HeldLock(engine, id, aheadMs);
    try {
      lock.#beatLater();
      await lock.#beat();
      return lock;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  setStage(stage: Stage): void {
    this.#stage = stage;
  }

  async confirm(): Promise<void> {
    if ((await inspectContainer(this.engine, this.id, AbortSignal.timeout(TAKE_LIMIT_MS))) === undefined) {
      const error = lockLost(undefined);
      this.#lost.abort(error);
      throw error;
    }
  }

  async release(): Promise<void> {
    if (this.#released) {
      return;
    }
    this.#released = true;
    clearTimeout(this.#timer);
    const signal = AbortSignal.timeout(RELEASE_LIMIT_MS);
    const container = await inspectContainer(this.engine, this.id, signal);
    await removeContainer(this.engine, this.id, { force: true }, signal);
    await removeImage(this.engine, LOCK_IMAGE, signal);
    // Docker takes the name first, and may see then that a lock has just come to need the image: to that one it is known
    // by its id alone.
    const image = container && (await inspectImage(this.engine, container.imageId, signal));
    if (image?.tags.length === 0) {
      await removeImage(this.engine, image.id, signal);
    }
  }

  #beatLater(): void {
    this.#timer = setTimeout(() => {
      this.#beat().then(
        () => this.#after(undefined),
        (error: unknown) => this.#after(error),
      );
    }, BEAT_MS);
  }

  async #beat(): Promise<void> {
    this.#beats += 1;
    const heartbeat = { beats: this.#beats, stage: this.#stage, at: Date.now() + this.aheadMs };
    const limit = AbortSignal.timeout(BEAT_LIMIT_MS);
    await writeFileInContainer(this.engine, this.id, HEARTBEAT_FILE, JSON.stringify(heartbeat), limit);
  }

  /** @param error of the heartbeat before; undefined when it got through. */
  #after(error: unknown): void {
    // A refusal (a full disk) says that the host is there, and that the lock still is. The connection is watched by the
    // run itself, which may make it anew; then the next heartbeat tells.
    const isCounted = !isRefusal(error) && toDeployError(error).code !== 'host-unreachable';
    this.#failures = error === undefined ? 0 : this.#failures + Number(isCounted);
    if (isNotFound(error) || this.#failures >= FAILED_BEATS) {
      this.#lost.abort(lockLost(error));
    } else if (!this.#released) {
      this.#beatLater();
    }
  }
}

function lockLost(cause: unknown): DeployError {
  return new DeployError(
    'lock-lost',
    t('The lock of this deployment is gone: another one took it, or the host is out of reach.'),
    {
      hint: t('Look at the status before you deploy again.'),
      cause,
    },
  );
}

function parseHeartbeat(text: string): { readonly stage: string | undefined; readonly at: number | undefined } {
  try {
    const value = JSON.parse(text) as { stage?: unknown; at?: unknown } | null;
    return {
      stage: typeof value?.stage === 'string' ? value.stage : undefined,
      at: typeof value?.at === 'number' ? value.at : undefined,
    };
  } catch {
    return { stage: undefined, at: undefined };
  }
}
