/**
 * How long a run waits for what may never come: a slot that is not healthy yet, connections that stay open. Whoever
 * starts a run may hold on to this, and give the wait that is under way as much again as its configuration does, as
 * often as they like.
 */
export class Patience {
  private extend: (() => void) | undefined;

  /** Gives the wait that is under way as much again. Does nothing while nothing is waited for. */
  keepWaiting(): void {
    this.extend?.();
  }

  /** For the one who waits: `extend` is what is asked for while `wait` is under way. */
  async during<T>(extend: () => void, wait: () => Promise<T>): Promise<T> {
    this.extend = extend;
    try {
      return await wait();
    } finally {
      this.extend = undefined;
    }
  }
}
