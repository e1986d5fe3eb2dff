import { cancelledError, EXIT_CODES } from '../model';
import type { Output } from './output';

/** Signals that mean "stop": Ctrl-C, a CI job that is cancelled, a terminal that is closed. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The person's wish to stop. The first one cancels and waits for a named state, the second one ends the program. */
export class Interrupt {
  readonly #abort = new AbortController();
  readonly #output: Output;
  readonly #exit: (code: number) => void;
  readonly #announce: boolean;

  /** `announce`: say that it may take a moment. */
  constructor(output: Output, exit: (code: number) => void, announce: boolean) {
    this.#output = output;
    this.#exit = exit;
    this.#announce = announce;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Listens to the process. Returns how to stop listening. */
  listen(): () => void {
    const listener = (): void => this.trigger();
    SIGNALS.forEach((name) => process.on(name, listener));
    return () => SIGNALS.forEach((name) => process.off(name, listener));
  }

  readonly trigger = (): void => {
    if (this.#abort.signal.aborted) {
      this.#output.stopLive();
      this.#exit(EXIT_CODES.cancelled);
      return;
    }
    if (this.#announce) {
      this.#output.note('Cancelling… (once more to leave at once)');
    }
    this.#abort.abort(cancelledError());
  };
}
