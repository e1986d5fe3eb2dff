/** sshd's default MaxSessions: session channels (commands, not forwarded sockets) one connection may have at a time. */
const MAX_SESSIONS = 10;
/** Long-lived streams leave the rest to short commands, which would otherwise never get their turn. */
const MAX_STREAMS = 8;

export type SessionKind = 'exec' | 'stream';

interface Waiter {
  readonly kind: SessionKind;
  readonly go: () => void;
}

/** Hands out the sessions of one connection; who finds none free waits in line. */
export class SessionSlots {
  readonly #used: Record<SessionKind, number> = { exec: 0, stream: 0 };
  readonly #waiters: Waiter[] = [];
  #max = MAX_SESSIONS;

  /** Sessions in use. */
  get used(): number {
    return this.#used.exec + this.#used.stream;
  }

  /** The host refused one session more than the others in use: it allows fewer than usual. */
  shrink(): void {
    this.#max = Math.max(1, Math.min(this.#max, this.used) - 1);
  }

  /** Resolves with the function that gives the slot back. Rejects with the signal's reason when it is aborted first. */
  take(kind: SessionKind, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const waiter: Waiter = {
        kind,
        go: () => {
          signal.removeEventListener('abort', onAbort);
          this.#used[kind]++;
          let given = true;
          resolve(() => {
            if (given) {
              given = false;
              this.#used[kind]--;
              this.#next();
            }
          });
        },
      };
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#next();
    });
  }

  #next(): void {
    for (let i = 0; i < this.#waiters.length;) {
      const waiter = this.#waiters[i];
      if (waiter !== undefined && this.#free(waiter.kind)) {
        this.#waiters.splice(i, 1);
        waiter.go();
      } else {
        i++;
      }
    }
  }

  #free(kind: SessionKind): boolean {
    return this.used < this.#max && (kind === 'exec' || this.#used.stream < MAX_STREAMS);
  }
}
