import { Duplex } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { capital, unreachable } from './errors';
import { type Exit, exitOf } from './exit';
import { t } from '../l10n';

type Callback = (error?: Error | null) => void;

/** What a ChannelStream needs from the connection that carries it. */
export interface ChannelSource {
  /** Asks the host for the channel; calls back once, possibly after the stream was destroyed. */
  open(done: (error: Error | undefined, channel?: ClientChannel) => void): void;
  /** Calls back, at once or later, when the connection has handed on what it was given. Never, when it is lost. */
  whenHandedOn(done: () => void): void;
  /** What is being opened, for error texts: `/run/docker.sock on deploy@host:22`. */
  readonly label: string;
  /** True when a command's input and output are the stream: a failed command is then an error of the stream. */
  readonly command: boolean;
}

const STDERR_TAIL = 4096;
/**
 * Bytes taken in before a writer has to wait, and the most that is handed to the connection at a time: what other
 * channels send waits behind it. The kernel's own buffer is what keeps a fast link busy.
 */
const BUFFER = 64 * 1024;

/**
 * An SSH channel that behaves as a socket does, so that http.Agent and a nested SSH connection can use it. It is handed
 * out at once and connects in the background ('connect' when it did). It exists because a bare ssh2 channel
 * - appears only after a round trip, while http.Agent counts its sockets when they are created;
 * - never calls back a write that was under way when the other side closed, and ends cleanly when the link is lost;
 * - lacks the methods of net.Socket that http.Agent calls;
 * - takes what the host's window allows (2 MB) whether the line can carry it or not. On a slow one a heartbeat would wait
 *   behind it for a quarter of a minute; here a write is over when the line has taken it.
 * As with a client's socket, the end of what can be read also ends what can be written.
 */
export class ChannelStream extends Duplex {
  connecting = true;
  bytesRead = 0;
  bytesWritten = 0;
  #channel: ClientChannel | undefined;
  #waiting: (() => void) | undefined;
  #inFlight: { readonly write: boolean; readonly done: Callback } | undefined;
  #closedByHost = false;
  #stderr = '';
  readonly #source: ChannelSource;

  constructor(source: ChannelSource) {
    super({ allowHalfOpen: false, highWaterMark: BUFFER });
    this.#source = source;
    // The link may drop when nobody listens any more (an idle connection of an agent): that must not end the process.
    this.on('error', () => undefined);
    source.open((error, channel) => this.#opened(error, channel));
  }

  /* net.Socket's methods that have no meaning for a channel: limits are kept by abort signals, and the connection
     underneath has its own keep-alive. */
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  destroySoon(): void {
    if (this.writableFinished) {
      this.destroy();
    } else {
      this.once('finish', () => this.destroy());
      this.end();
    }
  }

  override _read(): void {
    this.#channel?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    const channel = this.#channel;
    if (channel === undefined) {
      this.#waiting = () => this._write(chunk, _encoding, callback);
      return;
    }
    if (this.#closedByHost) {
      callback(this.#broken());
      return;
    }
    this.#inFlight = { write: true, done: callback };
    channel.write(chunk, (error) => {
      this.bytesWritten += chunk.length;
      this.#source.whenHandedOn(() => this.#answer(error));
    });
  }

  /** What waits goes together: each piece would be a packet of its own, and HTTP wraps every chunk in three small ones. */
  override _writev(pieces: readonly { readonly chunk: Buffer }[], callback: Callback): void {
    this._write(Buffer.concat(pieces.map(({ chunk }) => chunk)), 'utf8', callback);
  }

  override _final(callback: Callback): void {
    const channel = this.#channel;
    if (channel === undefined) {
      this.#waiting = () => this._final(callback);
      return;
    }
    if (this.#closedByHost) {
      callback();
      return;
    }
    this.#inFlight = { write: false, done: callback };
    channel.end(() => this.#answer());
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.connecting = false;
    this.#waiting = undefined;
    this.#inFlight = undefined;
    const channel = this.#channel;
    this.#channel = undefined;
    if (channel !== undefined) {
      release(channel);
    }
    callback(error);
  }

  #opened(error: Error | undefined, channel: ClientChannel | undefined): void {
    if (this.destroyed) {
      if (channel !== undefined) {
        release(channel);
      }
      return;
    }
    if (channel === undefined) {
      const detail = error?.message ?? t('no channel');
      this.destroy(unreachable(t('{0} could not be opened.', capital(this.#source.label)), { detail, cause: error }));
      return;
    }
    this.#channel = channel;
    this.connecting = false;
    channel.on('data', (chunk: Buffer) => {
      this.bytesRead += chunk.length;
      if (!this.push(chunk)) {
        channel.pause();
      }
    });
    // An unread standard error would fill the channel's window and stop the stream.
    channel.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_TAIL);
    });
    channel.on('error', (cause: Error) => this.destroy(cause));
    channel.on('end', () => {
      // Whether a command failed is known when its channel closes, not yet at the end of its output.
      if (!this.#source.command) {
        this.push(null);
      }
    });
    channel.on('close', () => this.#closed(exitOf(channel)));
    this.emit('connect');
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  /** The host closed the channel: nothing more can be written, and ssh2 will never answer a write under way. */
  #closed(exit: Exit | undefined): void {
    this.#closedByHost = true;
    if (this.#source.command) {
      if (exit !== undefined && exit.code !== 0) {
        this.destroy(unreachable(endOf(capital(this.#source.label), exit), { detail: this.#stderr.trim() }));
        return;
      }
      this.push(null);
    }
    this.#answer(this.#inFlight?.write === true ? this.#broken() : undefined);
  }

  #broken(): Error {
    return Object.assign(new Error(t('{0} was closed by the host.', capital(this.#source.label))), { code: 'EPIPE' });
  }

  #answer(error?: Error | null): void {
    const inFlight = this.#inFlight;
    this.#inFlight = undefined;
    inFlight?.done(error);
  }
}

/** Closes a channel nobody uses any more, and lets what still arrives run into the sand. */
export function release(channel: ClientChannel): void {
  channel.removeAllListeners('data');
  channel.on('error', () => undefined);
  channel.stderr.resume();
  channel.resume();
  channel.destroy();
}

function endOf(label: string, { code, signal }: Exit): string {
  if (code !== null) {
    return t('{0} ended with code {1}.', label, code);
  }
  return signal === undefined ? t('{0} was ended by a signal.', label) : t('{0} was ended by {1}.', label, signal);
}
