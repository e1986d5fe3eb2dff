import type { ContainerDetails, PublishedPort } from '../docker/containers';
import type { DockerEngine } from '../docker/engine';
import type { DeployEvent, Emit, Plan, ServiceConfig, SlotName, Stage, StageStatus } from '../model';
import { NO_TRAFFIC, toDeployError } from '../model';
import type { ProxyView } from '../nginx/proxy';
import type { Host } from './host';
import type { Lock } from './lock';
import type { HostView, ServiceView } from './observe';
import { Patience } from './patience';

/** Limit for one short call that changes the host, in milliseconds. */
const CHANGE_LIMIT_MS = 60_000;

/** An event before its common fields are filled in. */
type Body<E> = E extends DeployEvent ? Omit<E, 'at' | 'deployment'> : never;
export type EventBody = Body<DeployEvent>;

/**
 * Takes back what one step did. Runs also after a cancel, with a time limit of its own. When it throws, the steps before
 * it stay as they are.
 */
export interface Undo {
  readonly what: string;
  run(signal: AbortSignal): Promise<void>;
}

/** What the stages of one run share, and what is known of it so far. */
export class Run {
  readonly undo: Undo[] = [];
  readonly durations: Partial<Record<Stage, number>> = {};
  stage: Stage | undefined;
  /** The slot that serves, as last seen or proven. */
  live: SlotName | undefined;
  traffic = NO_TRAFFIC;
  /** The run's lock, once it is taken. */
  lock: Lock | undefined;
  readonly #over = new AbortController();
  readonly #aside: Promise<void>[] = [];

  constructor(
    readonly deployment: string,
    /** What the run is about. A rollback learns it from the slot that it finds. */
    public service: ServiceConfig,
    readonly host: Host,
    private readonly sink: Emit,
    readonly signal: AbortSignal,
    readonly patience = new Patience(),
  ) {}

  get engine(): DockerEngine {
    return this.host.engine;
  }

  emit(event: EventBody): void {
    this.sink({ ...event, at: Date.now(), deployment: this.deployment });
  }

  /**
   * The signal for a short call that changes the host. Such a call runs to its end even when the person cancels: cut in
   * the middle, nobody would know whether the engine has done it. Look at `signal` after it.
   */
  unbroken(): AbortSignal {
    return AbortSignal.timeout(CHANGE_LIMIT_MS);
  }

  note(text: string, level: 'info' | 'warning' | 'error' = 'info'): void {
    this.emit({ type: 'log', stage: this.stage ?? 'plan', source: 'engine', level, text });
  }

  /** Begins work that no stage waits for. It ends with the run at the latest, and never rejects. */
  aside(work: (signal: AbortSignal) => Promise<void>): void {
    this.#aside.push(work(this.#over.signal));
  }

  /** Breaks off what was begun aside, and waits until it has cleared up. */
  async endAside(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#aside);
  }

  /** Throws `lock-lost` when another run may have begun meanwhile, as after a machine that slept wakes up. */
  async mustHoldLock(): Promise<void> {
    await this.lock?.confirm();
  }

  /** Runs one stage between its events, timed. `work` may return a sentence on how it went. */
  async during<T>(stage: Stage, work: () => Promise<T>, say?: (result: T) => string | undefined): Promise<T> {
    this.stage = stage;
    this.lock?.setStage(stage);
    this.emit({ type: 'stage', stage, status: 'running' });
    const begin = performance.now();
    const finish = (status: StageStatus, message?: string): void => {
      const ms = Math.round(performance.now() - begin);
      this.durations[stage] = ms;
      this.emit({ type: 'stage', stage, status, ms, ...(message !== undefined && { message }) });
    };
    try {
      await this.mustHoldLock();
      const result = await work();
      finish('done', say?.(result));
      return result;
    } catch (error) {
      const { code, message } = toDeployError(error);
      finish(code === 'cancelled' ? 'cancelled' : 'failed', message);
      throw error;
    }
  }

  skip(stage: Stage, message: string): void {
    this.emit({ type: 'stage', stage, status: 'skipped', message });
  }
}

/** What the plan stage found and decided. */
export interface Planned {
  readonly plan: Plan;
  readonly view: HostView;
  readonly service: ServiceView;
}

/** The running proxy as the stages after `proxy` use it. */
export interface ReadyProxy {
  readonly id: string;
  /** On the network of the services. */
  readonly address: string;
  readonly published: PublishedPort;
  readonly client: 'curl' | 'wget';
  /** What nginx served when it had become ready, the run's service among it. */
  readonly seen: ProxyView;
}

/** A slot's container that runs and is to become, or was, live. */
export interface FilledSlot {
  readonly slot: SlotName;
  readonly container: ContainerDetails;
  readonly port: number;
}
