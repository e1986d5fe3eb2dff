/**
 * The logs of several containers as one, followed through restarts. A slot that is replaced keeps its name, so names are
 * followed and not containers.
 */
import { inspectContainer } from '../docker/containers';
import { containerEvents } from '../docker/events';
import { onAbort } from '../docker/limits';
import { containerLogs } from '../docker/logs';
import { hostLabel } from '../hostNames';
import { language, t } from '../l10n';
import { DeployError } from '../model';
import type { Host } from './host';

export interface FollowedLine {
  readonly container: string;
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 with nine digits of the second, so that times can be compared as texts. */
  readonly time: string;
  readonly text: string;
}

/**
 * The last `tail` lines of the containers in the order of their time, then what they write from now on, in the order of
 * arrival. Ends with the signal only. Throws `not-found` when none of them is there, and what a broken connection throws.
 */
export async function* followLogs(
  host: Pick<Host, 'name' | 'engine'>,
  containers: readonly string[],
  tail: number,
  signal: AbortSignal,
): AsyncGenerator<FollowedLine> {
  const stop = new AbortController();
  const end = AbortSignal.any([signal, stop.signal]);
  const lines = new Queue<FollowedLine>();
  const last = new Map<string, string>();
  const starts = new Starts();
  try {
    // Before the first look, so that no start falls between the two.
    const events = containerEvents(host.engine, end);
    const listening = (async () => {
      for await (const { container, action } of events) {
        if (action === 'start') {
          starts.begun(container);
        }
      }
      throw new DeployError('host-unreachable', t('The connection to {0} ended.', hostLabel(host.name)));
    })();
    listening.catch((error: unknown) => lines.fail(error));
    // By the host's clock. Of a container without a backlog all is new from here on.
    const begin = new Date(await host.engine.now(end)).toISOString();
    for (const line of await backlog(host, containers, tail, end)) {
      last.set(line.container, line.time);
      yield line;
    }
    for (const container of containers) {
      const seen = last.get(container) ?? begin;
      follow(host, container, seen, starts, (line) => lines.push(line), end).catch((error: unknown) =>
        lines.fail(error),
      );
    }
    yield* lines.read(end);
  } finally {
    stop.abort();
  }
}

async function backlog(
  host: Pick<Host, 'name' | 'engine'>,
  containers: readonly string[],
  tail: number,
  signal: AbortSignal,
): Promise<FollowedLine[]> {
  const lines: FollowedLine[] = [];
  let found = 0;
  for (const container of containers) {
    const details = await inspectContainer(host.engine, container, signal);
    if (details !== undefined) {
      found += 1;
      for await (const line of containerLogs(host.engine, details.id, { tail, follow: false }, signal)) {
        lines.push({ container, ...line });
      }
    }
  }
  if (found === 0) {
    throw new DeployError(
      'not-found',
      t(
        'There is no {0} on {1}.',
        new Intl.ListFormat(language(), { type: 'disjunction' }).format(containers),
        hostLabel(host.name),
      ),
    );
  }
  return lines.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

/** One container's lines later than `seen`, for as long as it is wanted; it may stop, start and be replaced meanwhile. */
async function follow(
  host: Pick<Host, 'name' | 'engine'>,
  container: string,
  seen: string,
  starts: Starts,
  push: (line: FollowedLine) => void,
  signal: AbortSignal,
): Promise<void> {
  let last = seen;
  for (let count = starts.of(container); ; count = await starts.more(container, count, signal)) {
    const details = await inspectContainer(host.engine, container, signal);
    if (details?.running !== true) {
      continue;
    }
    const since = Date.parse(last);
    for await (const line of containerLogs(host.engine, details.id, { follow: true, since }, signal)) {
      // The engine takes a start in milliseconds, and gives lines of that millisecond again.
      if (line.time > last) {
        last = line.time;
        push({ container, ...line });
      }
    }
  }
}

/** Counts how often containers were started, and lets somebody wait for one more time. */
class Starts {
  private readonly counts = new Map<string, number>();
  private waiting: (() => void)[] = [];

  of(container: string): number {
    return this.counts.get(container) ?? 0;
  }

  begun(container: string): void {
    this.counts.set(container, this.of(container) + 1);
    this.waiting.splice(0).forEach((wake) => wake());
  }

  /** Waits until there are more than `count`; returns how many there are. Ends with the signal, and never by itself. */
  async more(container: string, count: number, signal: AbortSignal): Promise<number> {
    while (this.of(container) <= count) {
      await new Promise<void>((resolve, reject) => {
        const release = onAbort(signal, () => reject(signal.reason as Error));
        this.waiting.push(() => {
          release();
          resolve();
        });
      });
    }
    return this.of(container);
  }
}

/** Lines from several writers for one reader. */
class Queue<T> {
  private items: T[] = [];
  private failure: { readonly error: unknown } | undefined;
  private wake: (() => void) | undefined;

  push(item: T): void {
    this.items.push(item);
    this.wake?.();
  }

  fail(error: unknown): void {
    this.failure ??= { error };
    this.wake?.();
  }

  /** Yields what comes until a writer fails; the signal makes them fail. */
  async *read(signal: AbortSignal): AsyncGenerator<T> {
    for (;;) {
      yield* this.items.splice(0);
      if (this.failure !== undefined) {
        throw this.failure.error;
      }
      signal.throwIfAborted();
      if (this.items.length === 0) {
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
    }
  }
}
