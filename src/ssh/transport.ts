import { type Duplex, Transform } from 'node:stream';
import { constants } from 'node:os';
import type { Client, ClientChannel } from 'ssh2';
import { inSeconds, t } from '../l10n';
import { cancelledError, DeployError, throwIfCancelled, toDeployError } from '../model';
import { ChannelStream, release, type ChannelSource } from './channelStream';
import { capital, unreachable } from './errors';
import { exitOf, watchExit } from './exit';
import type { Line } from './line';
import { SessionSlots, type SessionKind } from './sessionSlots';

export interface ExecResult {
  /** As a shell says it: 128 + the signal's number when a signal ended the command. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  /** Written to the command's standard input, which is then closed. */
  readonly stdin?: string;
  /** Milliseconds, waiting for a free session included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** One verified connection to a host. A second transport (the system's ssh) fits behind the same interface. */
export interface HostTransport {
  /** `deploy@203.0.113.5:22` */
  readonly description: string;
  /**
   * Runs a command in the login shell of the host. Quoting is the caller's job (`shellQuote`). A command that fails is
   * a result, not an error.
   * @throws DeployError 'host-unreachable' when the connection is lost, the host refuses, or the limit passes;
   * 'cancelled' by the signal. The command itself may run on in both cases.
   */
  exec(command: string, options: ExecOptions): Promise<ExecResult>;
  /** A stream to a Unix socket of the host. Returns at once; a failure is an 'error' on the stream. */
  openUnixSocket(path: string): Duplex;
  /** A stream to an address as the host sees it (direct-tcpip). */
  openTcp(address: string, port: number): Duplex;
  /**
   * Lets the host reach something through this connection: what connects to `port` on its own 127.0.0.1 is joined with a
   * stream of `connect`. Returns the function that ends it.
   * @throws DeployError 'host-unreachable' when the host refuses, or the port is taken there.
   */
  shareTcp(port: number, connect: () => Duplex): Promise<() => void>;
  /** A command's standard input and output as a stream; an exit code other than 0 is an 'error' on the stream. */
  openCommand(command: string): Duplex;
  /**
   * Bytes that went over the wire, encryption and protocol included. Through a jump host or a ProxyCommand: bytes of
   * the inner SSH connection, without what the outer one adds.
   */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly closed: boolean;
  /** Called once, with the reason when the connection was lost, with undefined after `close()`. At once if it is closed. */
  onClose(listener: (error: DeployError | undefined) => void): void;
  close(): void;
}

/** How often a refused session is asked for again at once before it counts as refused. */
const QUICK_TRIES = 3;

/** A command that runs in a session of its own, until `free` gives the session back. */
interface Session {
  readonly channel: ClientChannel;
  readonly free: () => void;
}

/** The host opened no session: it may have too many. */
class SessionRefused extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

/** Output of one command beyond this many bytes is a mistake, not a result. */
const MAX_OUTPUT = 32 * 1024 * 1024;

/** Life signs a link may miss before it counts as dead. */
export interface KeepAlive {
  readonly intervalMs: number;
  readonly count: number;
}

export interface TransportParts {
  readonly client: Client;
  readonly line: Line;
  readonly description: string;
  readonly keepAlive: KeepAlive;
  /** Called once when the transport is closed: ends the connection to a jump host. */
  readonly release: () => void;
}

/** A HostTransport over one ssh2 client that is logged in already. */
export class Ssh2Transport implements HostTransport {
  readonly description: string;
  readonly #client: Client;
  readonly #line: Line;
  readonly #release: () => void;
  readonly #slots = new SessionSlots();
  readonly #streams = new Set<ChannelStream>();
  readonly #commands = new Set<(error: DeployError) => void>();
  /** Those who wait until the line has handed on what it was given. */
  readonly #writers: (() => void)[] = [];
  readonly #listeners = new Set<(error: DeployError | undefined) => void>();
  readonly #watch: NodeJS.Timeout;
  #lastError: Error | undefined;
  #closed = false;
  #reason: DeployError | undefined;

  constructor(parts: TransportParts) {
    this.description = parts.description;
    this.#client = parts.client;
    this.#line = parts.line;
    this.#release = parts.release;
    this.#client.on('error', (error) => {
      this.#lastError = error;
      // ssh2 ends its side and waits for the other, which may be gone.
      this.#line.stream.destroy();
    });
    this.#client.on('close', () => this.#lost());
    this.#line.stream.on('drain', () => this.#writers.splice(0).forEach((go) => go()));
    this.#watch = this.#watchLife(parts.keepAlive);
  }

  get bytesSent(): number {
    return this.#line.sent();
  }

  get bytesReceived(): number {
    return this.#line.received();
  }

  get closed(): boolean {
    return this.#closed;
  }

  onClose(listener: (error: DeployError | undefined) => void): void {
    if (this.#closed) {
      listener(this.#reason);
    } else {
      this.#listeners.add(listener);
    }
  }

  close(): void {
    if (this.#closed) {
      return;
    }
    const { stream } = this.#line;
    this.#finish(undefined);
    this.#client.end();
    // Let the farewell out, but never wait for the host's.
    const force = setTimeout(() => stream.destroy(), 1000);
    force.unref();
    stream.once('close', () => clearTimeout(force));
    stream.once('finish', () => stream.destroy());
  }

  openUnixSocket(path: string): Duplex {
    return this.#stream({
      label: t('{0} on {1}', path, this.description),
      command: false,
      open: (done) => this.#client.openssh_forwardOutStreamLocal(path, done),
    });
  }

  openTcp(address: string, port: number): Duplex {
    return this.#stream({
      label: t('{0}:{1} as seen from {2}', address, port, this.description),
      command: false,
      open: (done) => this.#client.forwardOut('127.0.0.1', 0, address, port, done),
    });
  }

  shareTcp(port: number, connect: () => Duplex): Promise<() => void> {
    const client = this.#client;
    const onConnection = (
      { destPort }: { destPort: number },
      accept: () => ClientChannel,
      refuse: () => void,
    ): void => {
      if (destPort !== port) {
        refuse();
        return;
      }
      const far = accept();
      const near = connect();
      far.on('error', () => near.destroy());
      // A lost connection closes the far side without an end.
      far.on('close', () => near.end());
      near.on('error', () => release(far));
      // As in a ChannelStream: the far side would take more than the line can carry.
      const paced = new Transform({
        transform: (chunk: Buffer, _encoding, done) => this.#whenHandedOn(() => done(null, chunk)),
      });
      near.pipe(paced).pipe(far).pipe(near);
    };
    return new Promise((resolve, reject) => {
      const done = (error: Error | undefined): void => {
        if (error !== undefined) {
          reject(
            unreachable(t('{0} does not let port {1} be used there.', capital(this.description), port), {
              hint: t(
                'Check that nothing else uses it on the host, and that its sshd allows forwarding (AllowTcpForwarding).',
              ),
              detail: error.message,
              cause: error,
            }),
          );
          return;
        }
        client.on('tcp connection', onConnection);
        resolve(() => {
          client.removeListener('tcp connection', onConnection);
          this.#ask(
            () => client.unforwardIn('127.0.0.1', port),
            () => undefined,
          );
        });
      };
      this.#ask(() => client.forwardIn('127.0.0.1', port, done), done);
    });
  }

  openCommand(command: string): Duplex {
    const gone = new AbortController();
    let free = (): void => undefined;
    const stream = this.#stream({
      label: t('the command on {0}', this.description),
      command: true,
      open: (done) => {
        this.#openSession('stream', command, gone.signal).then(
          (session) => {
            ({ free } = session);
            done(undefined, session.channel);
          },
          (error: unknown) => done(toDeployError(error)),
        );
      },
    });
    stream.once('close', () => {
      gone.abort(cancelledError());
      free();
    });
    return stream;
  }

  async exec(command: string, options: ExecOptions): Promise<ExecResult> {
    throwIfCancelled(options.signal);
    if (this.#closed) {
      throw this.#gone();
    }
    const limit = new AbortController();
    const stop = (error: DeployError): void => limit.abort(error);
    const timer = setTimeout(() => stop(this.#tooSlow(options.timeoutMs)), options.timeoutMs);
    const onAbort = (): void => stop(cancelledError());
    options.signal?.addEventListener('abort', onAbort, { once: true });
    this.#commands.add(stop);
    let session: Session | undefined;
    try {
      session = await this.#openSession('exec', command, limit.signal);
      return await this.#finishCommand(session.channel, options.stdin ?? '', limit.signal);
    } finally {
      session?.free();
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      this.#commands.delete(stop);
    }
  }

  /**
   * Starts a command in a session of its own. sshd counts a session that has just been closed until it has worked
   * through its input, and may allow fewer than usual (MaxSessions): a refusal is final only when nothing else runs.
   */
  async #openSession(kind: SessionKind, command: string, signal: AbortSignal): Promise<Session> {
    for (let tries = 1; ; tries++) {
      const free = await this.#slots.take(kind, signal);
      try {
        return { channel: await this.#execChannel(command, signal), free };
      } catch (error) {
        const isFinal = !(error instanceof SessionRefused) || (tries >= QUICK_TRIES && this.#slots.used === 1);
        if (!isFinal && tries >= QUICK_TRIES) {
          this.#slots.shrink();
        }
        free();
        if (isFinal) {
          throw error instanceof SessionRefused ? this.#commandRefused(error) : error;
        }
      }
    }
  }

  #execChannel(command: string, signal: AbortSignal): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as DeployError);
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      const opened = (error: Error | undefined, channel?: ClientChannel): void => {
        signal.removeEventListener('abort', onAbort);
        if (channel !== undefined) {
          watchExit(channel);
        }
        if (channel === undefined) {
          const reason = error ?? new Error(t('no channel'));
          // Only a channel that could not be opened has a reason; without one, the command itself was refused.
          const limited = !this.#closed && 'reason' in reason;
          reject(limited ? new SessionRefused(reason) : this.#closed ? this.#gone() : this.#commandRefused(reason));
        } else if (signal.aborted) {
          release(channel);
        } else {
          resolve(channel);
        }
      };
      this.#ask(() => this.#client.exec(command, opened), opened);
    });
  }

  #commandRefused(cause: Error): DeployError {
    return unreachable(t('{0} refused to run a command.', capital(this.description)), {
      hint: t('The account may not be allowed to run commands, or the host allows no more sessions.'),
      detail: cause.message,
      cause,
    });
  }

  #finishCommand(channel: ClientChannel, stdin: string, signal: AbortSignal): Promise<ExecResult> {
    return new Promise<ExecResult>((resolve, reject) => {
      const end = (settle: () => void): void => {
        signal.removeEventListener('abort', onAbort);
        settle();
      };
      const fail = (error: DeployError): void => {
        release(channel);
        end(() => reject(error));
      };
      const onAbort = (): void => fail(signal.reason as DeployError);
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      collect(channel, this.description, fail, (result) => end(() => resolve(result)));
      // A command that ends without reading its input is no error: what it says counts.
      channel.end(stdin);
    });
  }

  #stream(source: Omit<ChannelSource, 'whenHandedOn'>): ChannelStream {
    const stream = new ChannelStream({
      ...source,
      open: (done) => this.#ask(() => source.open(done), done),
      whenHandedOn: (done) => this.#whenHandedOn(done),
    });
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    return stream;
  }

  #whenHandedOn(done: () => void): void {
    if (this.#line.stream.writableNeedDrain) {
      this.#writers.push(done);
    } else {
      done();
    }
  }

  /** ssh2 throws when its socket is gone already, and calls back otherwise: here it always calls back, and later. */
  #ask(request: () => void, done: (error: Error) => void): void {
    try {
      if (this.#closed) {
        throw this.#gone();
      }
      request();
    } catch (error) {
      process.nextTick(done, this.#closed ? this.#gone() : error);
    }
  }

  /**
   * Any byte that arrives is a life sign: ssh2 sends the pings, but its own verdict would call a slow link dead while
   * a ping waits its turn behind what the line has taken of an image. Ticks are counted, not time, so that a computer
   * that slept gives its link a full round first.
   */
  #watchLife({ intervalMs, count }: KeepAlive): NodeJS.Timeout {
    let seen = -1;
    let missed = 0;
    const timer = setInterval(() => {
      const received = this.#line.received();
      missed = received === seen ? missed + 1 : 0;
      seen = received;
      if (missed > count) {
        this.#lastError ??= new Error(t('No life sign for {0}.', inSeconds(intervalMs * (count + 1))));
        this.#line.stream.destroy();
        this.#lost();
      }
    }, intervalMs);
    timer.unref();
    return timer;
  }

  #lost(): void {
    if (!this.#closed) {
      const detail = this.#lastError?.message;
      this.#finish(
        unreachable(t('The connection to {0} was lost.', this.description), {
          hint: t('Check the network and the host, then try again.'),
          ...(detail === undefined ? {} : { detail }),
          cause: this.#lastError,
        }),
      );
    }
  }

  #finish(reason: DeployError | undefined): void {
    this.#closed = true;
    this.#reason = reason;
    clearInterval(this.#watch);
    const error = this.#gone();
    for (const stop of [...this.#commands]) {
      stop(error);
    }
    for (const stream of [...this.#streams]) {
      stream.destroy(error);
    }
    this.#release();
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) {
      listener(reason);
    }
  }

  #gone(): DeployError {
    return this.#reason ?? unreachable(t('The connection to {0} was closed.', this.description));
  }

  #tooSlow(timeoutMs: number): DeployError {
    return unreachable(t('A command on {0} did not end within {1}.', this.description, inSeconds(timeoutMs)), {
      hint: t('The host may be overloaded. Try again, or look at it with ssh.'),
    });
  }
}

/** Gathers a command's output until its channel closes. */
function collect(
  channel: ClientChannel,
  host: string,
  fail: (error: DeployError) => void,
  succeed: (result: ExecResult) => void,
): void {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let size = 0;
  const into = (chunks: Buffer[]) => (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_OUTPUT) {
      fail(new DeployError('internal', t('A command on {0} wrote more than {1} MB.', host, MAX_OUTPUT / 1024 / 1024)));
      return;
    }
    chunks.push(chunk);
  };
  channel.on('data', into(stdout));
  channel.stderr.on('data', into(stderr));
  channel.on('error', (error: Error) => fail(unreachable(t('A command on {0} was cut off.', host), detailOf(error))));
  channel.on('close', () => {
    const exit = exitOf(channel);
    if (exit === undefined) {
      fail(unreachable(t('A command on {0} was cut off: the host did not say how it ended.', host)));
    } else {
      const exitCode = exit.code ?? 128 + signalNumber(exit.signal);
      succeed({ exitCode, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    }
  });
}

function signalNumber(name: string | undefined): number {
  return (constants.signals as Readonly<Record<string, number>>)[name ?? ''] ?? 0;
}

function detailOf(error: Error | undefined): { detail?: string; cause?: unknown } {
  return error === undefined ? {} : { detail: error.message, cause: error };
}
