/**
 * Small steady traffic through nginx, as proof: requests of our own, from before the switch until after the drain, each
 * one counted.
 */
import http from 'node:http';
import type { Duplex } from 'node:stream';
import { formatNumber, t } from '../l10n';
import type { TrafficCount } from '../model';

/** Milliseconds between two requests. */
const EVERY_MS = 50;
/** Requests that may be under way at once; a slow service is asked less often. */
const MAX_OPEN = 10;
/** Requests one keep-alive connection carries before it is closed: clients that stay long would hold the drain up. */
const REQUESTS_A_CONNECTION = 10;
/** Limit for one request, in milliseconds. */
const REQUEST_LIMIT_MS = 30_000;

export interface TrafficTarget {
  /** Opens a connection to nginx. A failure is an `error` on the stream. */
  connect(): Duplex;
  /** `Host` header. */
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether an answer with this status counts as one. */
  isGood(status: number): boolean;
  /** Whether connections survive a reload of nginx while they are idle. Where they do not, each request has its own. */
  readonly keepsConnections: boolean;
}

/** `1,842 requests, 0 failed, longest 210 ms` */
export function describeTraffic({ sent, failed, longestMs }: TrafficCount): string {
  const [failures, longest] = [formatNumber(failed), formatNumber(longestMs)];
  return sent === 1
    ? t('1 request, {0} failed, longest {1} ms', failures, longest)
    : t('{0} requests, {1} failed, longest {2} ms', formatNumber(sent), failures, longest);
}

export interface Traffic {
  /** A copy of the counts so far. `failed`: no answer, a broken connection, or an answer that is not good. */
  count(): TrafficCount;
  /** The first failures in words. */
  failures(): readonly string[];
  /** Why no request could be sent at all, where the connection to the host carries none; undefined as long as one was. */
  unavailable(): string | undefined;
  /** Sends no more, waits for answers still out, at most until the limit of a request. */
  stop(): Promise<void>;
  /** Ends all requests at once; those that are still out are not counted. */
  drop(): void;
}

/** Starts sending at once. `onCount` is called after each answer. */
export function startTraffic(target: TrafficTarget, onCount: (count: TrafficCount) => void): Traffic {
  let sent = 0;
  let failed = 0;
  let longestMs = 0;
  let tunnelError: string | undefined;
  const failures: string[] = [];
  const open = new Set<Promise<void>>();
  const dropped = new AbortController();
  // Before a connection has stood it is not the service that fails: it has never been reached.
  let hasStood = false;
  const watched = { ...target, connect: () => target.connect().once('connect', () => (hasStood = true)) };
  const fresh = new FreshLane(watched, dropped.signal);
  const lanes: readonly Lane[] = target.keepsConnections
    ? [new KeepAliveLane(watched, dropped.signal), fresh]
    : [fresh];
  let turn = 0;

  const one = async (): Promise<void> => {
    const lane = lanes[turn++ % lanes.length] as Lane;
    const begin = performance.now();
    const outcome = await lane.request();
    if (dropped.signal.aborted) {
      return;
    }
    if (outcome.kind === 'tunnel' || (outcome.kind === 'failed' && !hasStood)) {
      tunnelError = outcome.reason;
      return;
    }
    sent += 1;
    longestMs = Math.max(longestMs, Math.round(performance.now() - begin));
    if (outcome.kind === 'failed') {
      failed += 1;
      if (failures.length < 10) {
        failures.push(outcome.reason);
      }
    }
    onCount(count());
  };
  const count = (): TrafficCount => ({ sent, failed, longestMs });
  const timer = setInterval(() => {
    if (open.size >= MAX_OPEN) {
      return;
    }
    const request = one().finally(() => open.delete(request));
    open.add(request);
  }, EVERY_MS);
  const end = (): void => {
    clearInterval(timer);
    for (const lane of lanes) {
      lane.close();
    }
  };
  return {
    count,
    failures: () => failures,
    unavailable: () => (sent === 0 ? tunnelError : undefined),
    stop: async () => {
      clearInterval(timer);
      await Promise.allSettled(open);
      end();
    },
    drop: () => {
      dropped.abort();
      end();
    },
  };
}

type Outcome =
  | { readonly kind: 'ok' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** The way to the host failed, not the service: such a request never reached nginx and says nothing about it. */
  | { readonly kind: 'tunnel'; readonly reason: string };

interface Lane {
  request(): Promise<Outcome>;
  close(): void;
}

/** A new connection for every request. */
class FreshLane implements Lane {
  constructor(
    private readonly target: TrafficTarget,
    private readonly dropped: AbortSignal,
  ) {}

  request(): Promise<Outcome> {
    return send(this.target, agentFor(this.target, false), 'close', this.dropped);
  }

  close(): void {
    // Its connections end with their requests.
  }
}

/** Requests on a connection that is kept, as browsers and API clients do. */
class KeepAliveLane implements Lane {
  private readonly agent: http.Agent;
  private used = 0;

  constructor(
    private readonly target: TrafficTarget,
    private readonly dropped: AbortSignal,
  ) {
    this.agent = agentFor(target, true);
  }

  request(): Promise<Outcome> {
    this.used += 1;
    const lastOfItsConnection = this.used % REQUESTS_A_CONNECTION === 0;
    return send(this.target, this.agent, lastOfItsConnection ? 'close' : 'keep-alive', this.dropped);
  }

  close(): void {
    this.agent.destroy();
  }
}

/** An agent whose connections lead to nginx through the host's connection. */
function agentFor(target: TrafficTarget, keepAlive: boolean): http.Agent {
  const agent = new http.Agent(keepAlive ? { keepAlive, maxSockets: 1 } : {});
  return Object.assign(agent, { createConnection: () => target.connect() });
}

function send(
  target: TrafficTarget,
  agent: http.Agent,
  connection: 'close' | 'keep-alive',
  dropped: AbortSignal,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const request = http.request({
      agent,
      method: target.method,
      path: target.path,
      headers: { host: target.host, 'user-agent': 'blue-green', ...target.headers, connection },
      signal: dropped,
      timeout: REQUEST_LIMIT_MS,
    });
    request.once('timeout', () => request.destroy(new Error(t('no answer in {0} s', REQUEST_LIMIT_MS / 1000))));
    request.once('error', (error) =>
      resolve({ kind: isTunnelError(error) ? 'tunnel' : 'failed', reason: error.message }),
    );
    request.once('response', (response) => {
      const status = response.statusCode ?? 0;
      response.resume();
      response.once('error', (error) =>
        resolve({ kind: isTunnelError(error) ? 'tunnel' : 'failed', reason: error.message }),
      );
      response.once('end', () =>
        resolve(target.isGood(status) ? { kind: 'ok' } : { kind: 'failed', reason: t('answered {0}', status) }),
      );
    });
    request.end();
  });
}

function isTunnelError(error: Error): boolean {
  return error.name === 'DeployError' || /channel open failure|not connected/i.test(error.message);
}
