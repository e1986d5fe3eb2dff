import { setTimeout as delay } from 'node:timers/promises';
import { cancelledError } from '../model';
import { loadEngine } from './engineLoader';
import type { HostStore } from './hostStore';
import { wantsPerson } from './passing';

/** Milliseconds without a change before a host is looked at: a deployment changes many things at once. */
const SETTLE_MS = 300;
/** Milliseconds after which it is looked at although it still changes. */
const AT_LATEST_MS = 2_000;

/** A watch that ends sooner, in milliseconds, would end again and again: the host is then looked at on demand only. */
const WORTH_ANOTHER_MS = 5_000;

/** Milliseconds between two tries to reach a lost host: the first pause, and the longest. */
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;

interface Watch {
  readonly abort: AbortController;
  /** True between two tries to reach a lost host. */
  isPausing: boolean;
}

/**
 * Keeps what is known of the open hosts up to date while somebody can see it. The engines say themselves when something
 * changes; a host that is lost is looked for, less and less often.
 */
export class HostWatches {
  /** Hosts whose rows are open, each with its watch while the view can be seen. */
  private readonly open = new Map<string, Watch | undefined>();
  private visible = false;

  constructor(private readonly hosts: HostStore) {}

  /** The rows of a host are shown. `anew`: what is known of it has to be looked up first. */
  begin(host: string, anew = false): void {
    const watch = this.open.get(host);
    // Somebody else may have reached a host that is looked for.
    const isBack = watch?.isPausing === true && this.hosts.view(host).kind === 'seen';
    if (anew || watch === undefined || isBack) {
      this.watch(host, anew);
    }
  }

  /** A host's row was opened. VS Code keeps the rows of one that was closed: what happened meanwhile is not known. */
  reopen(host: string): void {
    if (!this.open.has(host)) {
      this.watch(host, true);
    }
  }

  /** The rows of a host are no longer shown. */
  end(host: string): void {
    this.open.get(host)?.abort.abort(cancelledError());
    this.open.delete(host);
  }

  setVisible(visible: boolean): void {
    if (visible === this.visible) {
      return;
    }
    this.visible = visible;
    for (const host of this.open.keys()) {
      // What happened while nobody looked is not known.
      this.watch(host, !wantsPerson(this.hosts.view(host)));
    }
  }

  dispose(): void {
    this.visible = false;
    for (const host of [...this.open.keys()]) {
      this.end(host);
    }
  }

  /** Begins a watch in the place of the one there is, or none while the view is hidden. */
  private watch(host: string, anew: boolean): void {
    this.open.get(host)?.abort.abort(cancelledError());
    const watch = this.visible ? { abort: new AbortController(), isPausing: false } : undefined;
    this.open.set(host, watch);
    if (watch !== undefined) {
      void this.keepUp(host, anew, watch).then(() => {
        if (this.open.get(host) === watch) {
          this.open.set(host, undefined);
        }
      });
    }
  }

  /** Ends when it is aborted, or with a host that only a person can bring back. Never throws. */
  private async keepUp(host: string, anew: boolean, watch: Watch): Promise<void> {
    const { signal } = watch.abort;
    const isOver = (): boolean => signal.aborted;
    if (anew) {
      await this.hosts.observe(host);
    }
    for (let pause = FIRST_PAUSE_MS; !signal.aborted;) {
      const view = this.hosts.view(host);
      if (view.kind === 'seen') {
        const begin = Date.now();
        await this.follow(host, signal);
        if (isOver()) {
          return;
        }
        // The connection broke: say whether the host is still there, and go on if it is.
        const { kind } = await this.hosts.observe(host, true);
        if (Date.now() - begin > WORTH_ANOTHER_MS) {
          pause = FIRST_PAUSE_MS;
        } else if (kind === 'seen') {
          return;
        }
      } else if (view.kind === 'offline' && !wantsPerson(view)) {
        watch.isPausing = true;
        await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
        watch.isPausing = false;
        pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
        if (!isOver()) {
          await this.hosts.lookFor(host);
        }
      } else {
        return;
      }
    }
  }

  /** Ends with the signal or the connection. Never throws. */
  private async follow(host: string, signal: AbortSignal): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let waitingSince = 0;
    const look = (): void => {
      timer = undefined;
      void this.hosts.observe(host, true);
    };
    try {
      const { watchHost } = await loadEngine();
      await this.hosts.use(host, signal, async (open) => {
        const changed = (): void => {
          const now = Date.now();
          waitingSince = timer === undefined ? now : waitingSince;
          clearTimeout(timer);
          timer = setTimeout(look, Math.max(0, Math.min(SETTLE_MS, waitingSince + AT_LATEST_MS - now)));
        };
        await watchHost(open, changed, signal, this.hosts.lastSeenAt(host));
      });
    } catch {
      // Whatever it was, the look that follows says it in the tree.
    } finally {
      clearTimeout(timer);
    }
  }
}
