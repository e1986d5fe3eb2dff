import { cancelledError } from '../model';
import { loadEngine } from './engineLoader';
import type { HostStore } from './hostStore';

/** Milliseconds without a change before a host is looked at: a deployment changes many things at once. */
const SETTLE_MS = 300;
/** Milliseconds after which it is looked at although it still changes. */
const AT_LATEST_MS = 2_000;

/** A watch that ends sooner, in milliseconds, would end again and again: the host is then looked at on demand only. */
const WORTH_ANOTHER_MS = 5_000;

/**
 * Keeps what is known of the open hosts up to date while somebody can see it. The engines say themselves when something
 * changes; a host whose connection breaks is looked at once more, and then shown as it is.
 */
export class HostWatches {
  /** Hosts whose rows are open, each with its watch while the view can be seen. */
  private readonly open = new Map<string, AbortController | undefined>();
  private visible = false;

  constructor(private readonly hosts: HostStore) {}

  /** The rows of a host are shown. `anew`: what is known of it has to be looked up first. */
  begin(host: string, anew = false): void {
    if (!this.open.has(host)) {
      this.open.set(host, undefined);
    }
    if (anew) {
      // The row may be closed again meanwhile.
      void this.hosts.observe(host).then(() => this.watch(host));
    } else {
      this.watch(host);
    }
  }

  /** A host's row was opened. VS Code keeps the rows of one that was closed: what happened meanwhile is not known. */
  reopen(host: string): void {
    if (!this.open.has(host)) {
      this.begin(host, true);
    }
  }

  /** The rows of a host are no longer shown. */
  end(host: string): void {
    this.open.get(host)?.abort(cancelledError());
    this.open.delete(host);
  }

  setVisible(visible: boolean): void {
    if (visible === this.visible) {
      return;
    }
    this.visible = visible;
    for (const [host, watch] of this.open) {
      if (visible) {
        // What happened while nobody looked is not known.
        void this.hosts.observe(host).then(() => this.watch(host));
      } else {
        this.open.set(host, undefined);
        watch?.abort(cancelledError());
      }
    }
  }

  dispose(): void {
    this.visible = false;
    for (const host of [...this.open.keys()]) {
      this.end(host);
    }
  }

  private watch(host: string): void {
    const wanted = this.visible && this.open.has(host) && this.open.get(host) === undefined;
    if (!wanted || this.hosts.view(host).kind !== 'seen') {
      return;
    }
    const watch = new AbortController();
    this.open.set(host, watch);
    const begin = Date.now();
    void this.follow(host, watch.signal).then(async () => {
      if (this.open.get(host) !== watch) {
        return;
      }
      this.open.set(host, undefined);
      // The connection broke: say whether the host is still there, and go on if it is.
      await this.hosts.observe(host, true);
      if (Date.now() - begin > WORTH_ANOTHER_MS) {
        this.watch(host);
      }
    });
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
