import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { t } from '../l10n';
import { DeployError, type Questions, throwIfCancelled } from '../model';
import { connectSsh } from './connect';
import type { SshOptions } from './settings';
import type { ExecOptions, ExecResult, HostTransport } from './transport';

/** Milliseconds of waiting before each try to reach a lost host again: 31 seconds, and what the tries take. */
const PAUSES_MS = [0, 1000, 2000, 4000, 8000, 16_000];

type Connect = (signal: AbortSignal) => Promise<HostTransport>;

/**
 * A connection that can be made anew: verified, logged in and asked about as the first one. It is done only while
 * `outlast` runs; at any other time a lost connection is lost, and those who listen are told.
 */
export class LastingTransport implements HostTransport {
  readonly description: string;
  readonly #connect: Connect;
  readonly #pauses: readonly number[];
  readonly #listeners = new Set<(error: DeployError | undefined) => void>();
  #now: HostTransport;
  #outlasting = 0;
  #sentBefore = 0;
  #receivedBefore = 0;

  /** @param pauses milliseconds before each try to connect again. */
  constructor(connect: Connect, first: HostTransport, pauses: readonly number[] = PAUSES_MS) {
    this.#connect = connect;
    this.#pauses = pauses;
    this.#now = first;
    this.description = first.description;
    this.#watch();
  }

  /** @throws as `connectSsh`. */
  static async open(
    destination: string,
    options: SshOptions,
    questions: Questions,
    signal: AbortSignal,
  ): Promise<LastingTransport> {
    const connect: Connect = (attempt) => connectSsh(destination, options, remembered, attempt);
    const remembered = rememberPassphrases(questions);
    return new LastingTransport(connect, await connect(signal));
  }

  get bytesSent(): number {
    return this.#sentBefore + this.#now.bytesSent;
  }

  get bytesReceived(): number {
    return this.#receivedBefore + this.#now.bytesReceived;
  }

  get closed(): boolean {
    return this.#now.closed;
  }

  /** Returns the function that takes the listener back. */
  onClose(listener: (error: DeployError | undefined) => void): () => void {
    if (this.closed && this.#outlasting === 0) {
      this.#now.onClose(listener);
    } else {
      this.#listeners.add(listener);
    }
    return () => {
      this.#listeners.delete(listener);
    };
  }

  exec(command: string, options: ExecOptions): Promise<ExecResult> {
    return this.#now.exec(command, options);
  }

  openUnixSocket(path: string): Duplex {
    return this.#now.openUnixSocket(path);
  }

  openTcp(address: string, port: number): Duplex {
    return this.#now.openTcp(address, port);
  }

  shareTcp(port: number, connect: () => Duplex): Promise<() => void> {
    return this.#now.shareTcp(port, connect);
  }

  openCommand(command: string): Duplex {
    return this.#now.openCommand(command);
  }

  close(): void {
    this.#outlasting = 0;
    this.#now.close();
  }

  /**
   * Runs something that a lost connection does not end: what was under way fails, `again` connects anew, and `work`
   * goes on from there. When the connection is still lost at its end, those who listen are told then.
   */
  async outlast<T>(work: () => Promise<T>): Promise<T> {
    this.#outlasting++;
    try {
      return await work();
    } finally {
      this.#outlasting = Math.max(0, this.#outlasting - 1);
      if (this.closed && this.#outlasting === 0) {
        this.#now.onClose((error) => this.#tell(error));
      }
    }
  }

  /**
   * Returns when the connection stands; tries several times, with growing pauses, to make a lost one anew.
   * @throws DeployError 'host-unreachable' when the tries are used up; at once what no further try would change: a host
   * key that is another one now, a refused login, a cancel, a connection that was closed here.
   */
  async again(signal: AbortSignal): Promise<void> {
    for (const [index, pauseMs] of this.#pauses.entries()) {
      if (!this.closed) {
        return;
      }
      if (this.#outlasting === 0) {
        throw new DeployError('host-unreachable', t('The connection to {0} was closed.', this.description));
      }
      await sleep(pauseMs, undefined, { signal }).catch(() => throwIfCancelled(signal));
      try {
        const next = await this.#connect(signal);
        this.#sentBefore += this.#now.bytesSent;
        this.#receivedBefore += this.#now.bytesReceived;
        this.#now = next;
        this.#watch();
        return;
      } catch (error) {
        const mayPass = error instanceof DeployError && error.code === 'host-unreachable';
        if (!mayPass || index === this.#pauses.length - 1) {
          throw error;
        }
      }
    }
  }

  #watch(): void {
    this.#now.onClose((error) => {
      if (error === undefined || this.#outlasting === 0) {
        this.#tell(error);
      }
    });
  }

  #tell(error: DeployError | undefined): void {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) {
      listener(error);
    }
  }
}

/** A passphrase that was given is not asked for again as long as it is right. */
function rememberPassphrases(questions: Questions): Questions {
  const given = new Map<string, string>();
  return {
    trustHostKey: (question, signal) => questions.trustHostKey(question, signal),
    passphrase: async (keyFile, retry, signal) => {
      const known = retry ? undefined : given.get(keyFile);
      const answer = known ?? (await questions.passphrase(keyFile, retry, signal));
      if (answer !== undefined) {
        given.set(keyFile, answer);
      }
      return answer;
    },
    password: (host, prompt, signal) => questions.password(host, prompt, signal),
    confirm: (message, action, signal) => questions.confirm(message, action, signal),
  };
}
