import { setMaxListeners } from 'node:events';
import { abortReason, DockerError, explain } from './errors';
import { inSeconds, t } from '../l10n';

/** Calls `listener` when the signal is aborted, at once if it is. Returns the function that takes it back. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) {
    listener();
    return () => undefined;
  }
  // One signal stands for a whole deployment: many calls listen to it at once, which is no leak.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** As long as a timer of Node can wait: 24 days. */
export const NO_LIMIT_MS = 2_147_483_647;

export interface Limit {
  readonly signal: AbortSignal;
  readonly limitMs: number;
  /** Where the engine is, for messages. */
  readonly engine: string;
  /** The sentence when the limit passes. Made only then: hundreds of calls a deployment never need it. */
  readonly late?: () => string;
}

/**
 * Runs something under the caller's signal and a time limit. The signal it is given is aborted by either; it comes back
 * then even if `run` takes no notice.
 * @throws what `explain` makes of a failure.
 */
export async function withLimit<T>(run: (signal: AbortSignal) => Promise<T>, limit: Limit): Promise<T> {
  const { signal, limitMs, engine } = limit;
  const control = new AbortController();
  const late = limit.late ?? (() => t('Docker on {0} did not answer within {1}.', engine, inSeconds(limitMs)));
  const timer = setTimeout(() => control.abort(new DockerError(late())), limitMs);
  const release = onAbort(signal, () => control.abort(abortReason(signal, engine)));
  try {
    return await abortable(() => run(control.signal), control.signal);
  } catch (error) {
    throw explain(error, engine, control.signal);
  } finally {
    clearTimeout(timer);
    release();
  }
}

/** Not every call of dockerode takes a signal, and none of them answers when its connection never comes about. */
async function abortable<T>(run: () => Promise<T>, signal: AbortSignal): Promise<T> {
  let release = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    release = onAbort(signal, () => reject(signal.reason as Error));
  });
  try {
    return await Promise.race([aborted, signal.aborted ? aborted : run()]);
  } finally {
    release();
  }
}

/**
 * A limit for standing still: its signal is aborted when `alive` was not called for as long as the last call of it (or
 * the constructor) allowed, in milliseconds, or when the caller's signal is.
 */
export class StallLimit {
  readonly #control = new AbortController();
  readonly #error: () => Error;
  readonly #release: () => void;
  #limitMs: number;
  #timer: NodeJS.Timeout;

  constructor(signal: AbortSignal, limitMs: number, error: () => Error) {
    this.#error = error;
    this.#limitMs = limitMs;
    this.#timer = this.#start();
    this.#release = onAbort(signal, () => this.#control.abort(signal.reason));
  }

  get signal(): AbortSignal {
    return this.#control.signal;
  }

  /** Something moved. From now on it may stand still for `limitMs`, or as long as before. */
  alive(limitMs = this.#limitMs): void {
    if (limitMs === this.#limitMs) {
      this.#timer.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#limitMs = limitMs;
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#release();
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => this.#control.abort(this.#error()), this.#limitMs);
  }
}
