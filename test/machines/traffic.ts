import { setMaxListeners } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketClient } from './webSocketClient';

/** The kinds of clients there are. */
export type ClientKind = 'keepAlive' | 'fresh' | 'slow' | 'slower' | 'webSocket' | 'events' | 'download' | 'upload';

/** Who asks for what, and how often. A client sends its next request when the one before has been answered. */
export interface TrafficOptions {
  /** A machine of the lab, or loopback: `http://ADDRESS[:PORT]/PATH`. Others are refused. */
  readonly url: string;
  /** Clients that keep their connection. Default: 8. */
  readonly keepAlive?: number;
  /** Clients that connect anew for each request. Default: 4. */
  readonly fresh?: number;
  /** Clients that ask for something slow. Default: none. */
  readonly slow?: { readonly path: string; readonly clients: number };
  /** Clients that ask for something slower still, counted on their own. Default: none. */
  readonly slower?: { readonly path: string; readonly clients: number };
  /** Clients that hold a WebSocket open, for so many seconds or to the end, and expect an echo. Default: none. */
  readonly webSocket?: { readonly path: string; readonly clients: number; readonly seconds?: number };
  /** Clients that listen to server-sent events for so many seconds, and miss none. Default: none. */
  readonly events?: { readonly path: string; readonly clients: number; readonly seconds: number };
  /** Clients that take a long answer; one that is cut short is a failure. Default: none. */
  readonly download?: { readonly path: string; readonly clients: number };
  /** Clients that send a body of that many bytes over that many seconds. Default: none. */
  readonly upload?: {
    readonly path: string;
    readonly clients: number;
    readonly seconds: number;
    readonly bytes: number;
  };
  /** The Host header, where several services share the address. */
  readonly hostHeader?: string;
  /** Pause of a client between an answer and its next request. Default: 150. */
  readonly pauseMs?: number;
  /** An answer that takes longer is a failure. Default: 15 s (slow ones: a minute). */
  readonly answerLimitMs?: number;
  /** The traffic stops by itself after this time. Default: ten minutes. */
  readonly limitMs?: number;
  /** The traffic stops by itself after so many requests. Default: two million. */
  readonly limitRequests?: number;
}

/** How often something was seen, and when, in milliseconds after the start of the traffic. */
export interface Seen {
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** What became of the requests of one kind of client (or, for WebSockets, the messages). */
export interface Count {
  readonly sent: number;
  readonly failed: number;
  /** Why, and when: the first fifty different reasons. */
  readonly reasons: Readonly<Record<string, Seen>>;
  readonly slowestMs: number;
  /** WebSockets that the server closed properly and that were opened again. */
  readonly reopened: number;
}

export interface TrafficReport {
  readonly sent: number;
  readonly failed: number;
  readonly seconds: number;
  /** When the last of those that failed was sent, in seconds after the start of the traffic. */
  readonly lastFailedAt: number | undefined;
  readonly kinds: Readonly<Record<ClientKind, Count>>;
  /** Which versions answered (the X-Version header of the example service). */
  readonly versions: Readonly<Record<string, Seen>>;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
interface Tally extends Omit<Writable<Count>, 'reasons'> {
  reasons: Record<string, Writable<Seen>>;
}

const keptReasons = 50;
const slowAnswerLimitMs = 60_000;

/** Traffic on a service, counted: the ground truth of whether a deployment lost a request. */
export class Traffic {
  private readonly started = performance.now();
  private readonly kinds: Record<ClientKind, Tally> = {
    keepAlive: newTally(),
    fresh: newTally(),
    slow: newTally(),
    slower: newTally(),
    webSocket: newTally(),
    events: newTally(),
    download: newTally(),
    upload: newTally(),
  };
  private readonly versions: Record<string, Writable<Seen>> = {};
  private readonly clients: Promise<void>[] = [];
  private readonly stopping = new AbortController();
  private readonly url: URL;
  private sent = 0;
  private lastFailedAt: number | undefined;

  private constructor(private readonly options: TrafficOptions) {
    this.url = new URL(options.url);
    setMaxListeners(0, this.stopping.signal); // every client that pauses listens
    for (let i = 0; i < (options.keepAlive ?? 8); i += 1) this.clients.push(this.httpClient('keepAlive', this.url));
    for (let i = 0; i < (options.fresh ?? 4); i += 1) this.clients.push(this.httpClient('fresh', this.url));
    for (const kind of ['slow', 'slower', 'download'] as const)
      for (let i = 0; i < (options[kind]?.clients ?? 0); i += 1)
        this.clients.push(this.httpClient(kind, new URL(options[kind]?.path ?? '', this.url)));
    for (let i = 0; i < (options.webSocket?.clients ?? 0); i += 1)
      this.clients.push(this.webSocketClient(new URL(options.webSocket?.path ?? '', this.url)));
    for (let i = 0; i < (options.events?.clients ?? 0); i += 1)
      this.clients.push(this.repeatedly('events', () => this.listen(new URL(options.events?.path ?? '', this.url))));
    for (let i = 0; i < (options.upload?.clients ?? 0); i += 1)
      this.clients.push(this.repeatedly('upload', () => this.send(new URL(options.upload?.path ?? '', this.url))));
  }

  /** Starts the clients. */
  static start(options: TrafficOptions): Traffic {
    assertOwnMachine(new URL(options.url).hostname);
    return new Traffic(options);
  }

  /** What has been counted so far. Requests in progress are not in it. */
  report(): TrafficReport {
    return {
      sent: this.sent,
      failed: Object.values(this.kinds).reduce((sum, { failed }) => sum + failed, 0),
      seconds: this.now() / 1000,
      lastFailedAt: this.lastFailedAt,
      kinds: structuredClone(this.kinds),
      versions: structuredClone(this.versions),
    };
  }

  /** Waits until this many more requests have been answered, so that a test measures under real load. */
  async settle(requests = 100): Promise<void> {
    const goal = this.sent + requests;
    while (this.sent < goal && this.running()) await sleep(5);
  }

  /** Lets each client finish its request, and returns the final count. */
  async stop(): Promise<TrafficReport> {
    this.stopping.abort();
    await Promise.all(this.clients);
    return this.report();
  }

  private now(): number {
    return performance.now() - this.started;
  }

  private running(): boolean {
    const { limitMs = 600_000, limitRequests = 2_000_000 } = this.options;
    if (this.now() > limitMs || this.sent >= limitRequests) this.stopping.abort();
    return !this.stopping.signal.aborted;
  }

  private async pause(): Promise<void> {
    await sleep(this.options.pauseMs ?? 150, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }

  private async httpClient(kind: 'keepAlive' | 'fresh' | 'slow' | 'slower' | 'download', url: URL): Promise<void> {
    const agent = new Agent({ keepAlive: kind === 'keepAlive', maxSockets: 1 });
    const isLong = kind !== 'keepAlive' && kind !== 'fresh';
    const limitMs = isLong ? slowAnswerLimitMs : (this.options.answerLimitMs ?? 15_000);
    await this.repeatedly(kind, () => this.get(url, agent, limitMs));
    agent.destroy();
  }

  private async repeatedly(kind: ClientKind, ask: () => Promise<void>): Promise<void> {
    while (this.running()) {
      await this.counted(kind, ask);
      await this.pause();
    }
  }

  /** Takes events with the ids 1, 2, 3 …, and hangs up after its time. An end before that is a failure. */
  private async listen(url: URL): Promise<void> {
    const seconds = this.options.events?.seconds ?? 0;
    const response = await this.ask(url, {}, slowAnswerLimitMs);
    let text = '';
    response.on('data', (data: Buffer) => (text += data.toString()));
    response.on('error', () => undefined); // it closes then as well
    for (const until = this.now() + seconds * 1000; this.now() < until && !response.closed;) await sleep(50);
    const isCut = response.closed;
    response.destroy();
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
    if (isCut) throw new Error(`the events ended after ${String(ids.length)}`);
    if (ids.length < seconds || ids.some((id, index) => id !== index + 1))
      throw new Error(`${String(ids.length)} events in ${String(seconds)} s, or one missed`);
  }

  /** Sends a body bit by bit. The answer has to say how many bytes arrived. */
  private async send(url: URL): Promise<void> {
    const { seconds = 0, bytes = 0 } = this.options.upload ?? {};
    const steps = Math.max(1, seconds * 10);
    const response = await this.ask(url, { 'Content-Length': String(bytes) }, slowAnswerLimitMs, async (write) => {
      for (let step = 0; step < steps; step += 1) {
        write(Buffer.alloc(Math.floor((bytes * (step + 1)) / steps) - Math.floor((bytes * step) / steps), 'x'));
        await sleep((seconds * 1000) / steps);
      }
    });
    let text = '';
    for await (const data of response) text += String(data);
    if (!text.includes(`received ${String(bytes)}`)) throw new Error(`answered ${text.slice(0, 80)}`);
  }

  private async webSocketClient(url: URL): Promise<void> {
    const limitMs = this.options.answerLimitMs ?? 15_000;
    const tally = this.kinds.webSocket;
    let socket: WebSocketClient | undefined;
    let until = Infinity;
    for (let number = 1; this.running(); number += 1) {
      if (socket !== undefined && socket.end === undefined && this.now() > until) {
        socket.close();
        socket = undefined;
      }
      if (socket === undefined) {
        until = this.now() + (this.options.webSocket?.seconds ?? Infinity) * 1000;
        socket = await this.counted('webSocket', async () => {
          const opened = await WebSocketClient.open(url, limitMs);
          this.see(opened.headers['x-version']);
          return opened;
        });
      } else {
        const open = socket;
        // One that ended in a pause has had its messages answered: only how it ended is counted, below.
        if (open.end === undefined) await this.counted('webSocket', () => this.echo(open, String(number), limitMs));
        if (open.end !== undefined) {
          if (open.end.kind === 'closed') tally.reopened += 1;
          else this.fail(tally, open.end.reason);
          socket = undefined;
        }
      }
      await this.pause();
    }
    socket?.close();
  }

  /** An end before the answer is no failure of the message: it is counted as the end that it is. */
  private async echo(socket: WebSocketClient, text: string, limitMs: number): Promise<void> {
    let answer: string;
    try {
      answer = await socket.ask(text, limitMs);
    } catch (error) {
      if (socket.end !== undefined) return;
      throw error;
    }
    if (answer !== text) throw new Error(`the echo of ${text} was ${answer}`);
  }

  private async counted<T>(kind: ClientKind, ask: () => Promise<T>): Promise<T | undefined> {
    const tally = this.kinds[kind];
    const asked = performance.now();
    const askedAt = this.now() / 1000;
    try {
      return await ask();
    } catch (error) {
      this.lastFailedAt = Math.max(askedAt, this.lastFailedAt ?? 0);
      this.fail(tally, error instanceof Error ? error.message : String(error));
      return undefined;
    } finally {
      tally.sent += 1;
      this.sent += 1;
      tally.slowestMs = Math.max(tally.slowestMs, performance.now() - asked);
    }
  }

  private fail(tally: Tally, reason: string): void {
    tally.failed += 1;
    const isKept = reason in tally.reasons || Object.keys(tally.reasons).length < keptReasons;
    this.note(tally.reasons, isKept ? reason : 'others');
  }

  private see(version: string | string[] | undefined): void {
    if (typeof version === 'string') this.note(this.versions, version);
  }

  private note(book: Record<string, Writable<Seen>>, what: string): void {
    const atMs = Math.round(this.now());
    const seen = (book[what] ??= { count: 0, firstMs: atMs, lastMs: atMs });
    seen.count += 1;
    seen.lastMs = atMs;
  }

  private async get(url: URL, agent: Agent, limitMs: number): Promise<void> {
    // Reads to the end: a body that is cut short is an error as well.
    const response = await this.ask(url, {}, limitMs, undefined, agent);
    response.resume();
    await finished(response);
  }

  /** Sends a request, with a body where `write` brings one. Rejects on any answer but a good one. */
  private async ask(
    url: URL,
    headers: Readonly<Record<string, string>>,
    limitMs: number,
    write?: (chunk: (data: Buffer) => void) => Promise<void>,
    agent?: Agent,
  ): Promise<IncomingMessage> {
    const host = this.options.hostHeader === undefined ? {} : { Host: this.options.hostHeader };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const attempt = request(
        url,
        {
          agent: agent ?? false,
          method: write === undefined ? 'GET' : 'POST',
          headers: { ...headers, ...host },
          timeout: limitMs,
        },
        resolve,
      );
      attempt.on('timeout', () => attempt.destroy(new Error(`nothing for ${String(limitMs)} ms`)));
      attempt.on('error', reject);
      const body = write?.((data) => void attempt.write(data)) ?? Promise.resolve();
      body.then(() => attempt.end(), reject);
    });
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) {
      response.resume();
      throw new Error(`status ${String(status)}`);
    }
    this.see(response.headers['x-version']);
    return response;
  }
}

/** A report as a few lines for a person. */
export function describeTraffic(report: TrafficReport): string {
  const lines = [`${String(report.sent)} requests in ${report.seconds.toFixed(1)} s, ${String(report.failed)} failed`];
  for (const [kind, count] of Object.entries(report.kinds)) {
    if (count.sent === 0) continue;
    lines.push(
      `  ${kind}: ${String(count.sent)} sent, ${String(count.failed)} failed, slowest ${count.slowestMs.toFixed(0)} ms`,
    );
    for (const [reason, seen] of Object.entries(count.reasons)) {
      lines.push(`    ${String(seen.count)} × ${reason} (${String(seen.firstMs)}–${String(seen.lastMs)} ms)`);
    }
  }
  return lines.join('\n');
}

function newTally(): Tally {
  return { sent: 0, failed: 0, reasons: {}, slowestMs: 0, reopened: 0 };
}

/** Load goes to this machine and to its own container networks, never anywhere else. */
export function assertOwnMachine(hostname: string): void {
  const own = new BlockList();
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (!/^(lo|docker|br-)/.test(name)) continue;
    for (const { cidr, family } of addresses ?? []) {
      const [address = '', bits = ''] = cidr?.split('/') ?? [];
      if (cidr !== null) own.addSubnet(address, Number(bits), family === 'IPv6' ? 'ipv6' : 'ipv4');
    }
  }
  const literal = hostname === 'localhost' ? '127.0.0.1' : hostname.replace(/^\[|\]$/g, '');
  const version = isIP(literal);
  if (version === 0 || !own.check(literal, version === 6 ? 'ipv6' : 'ipv4')) {
    throw new Error(`Test traffic is for the lab's own machines and loopback, not for ${hostname}.`);
  }
}
