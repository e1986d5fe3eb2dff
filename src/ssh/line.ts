import { spawn } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { isIP, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { t } from '../l10n';
import { cancelledError, toDeployError } from '../model';
import { dialError, noAnswer, unreachable, type Place, type SystemError } from './errors';
import { STARTED } from './program';
import type { HostSettings } from './settings';

/** The bytes below an SSH connection: a TCP socket, a channel of a jump host, or a ProxyCommand. */
export interface Line {
  readonly stream: Duplex;
  sent(): number;
  received(): number;
}

/**
 * Has all that is written in one turn of the event loop go together. ssh2 hands each of its packets on in three pieces,
 * and each would be a system call and a TCP segment of its own.
 */
export function inWholePackets(stream: Duplex): Duplex {
  const write = stream.write.bind(stream) as (...written: unknown[]) => boolean;
  stream.write = (...written: unknown[]) => {
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => stream.uncork());
    }
    return write(...written);
  };
  return stream;
}

/** Opens a TCP connection, trying a name's addresses one after the other within the limit, as ssh does. */
export async function dialTcp(
  settings: HostSettings,
  place: Place,
  limitMs: number,
  signal: AbortSignal,
): Promise<Line> {
  const tried: string[] = [];
  const deadline = Date.now() + limitMs;
  const addresses = await within(findAddresses(settings), limitMs, signal, () => noAnswer(place, limitMs)).catch(
    (error: unknown) => {
      throw isSystemError(error) ? dialError(place, error, [], limitMs) : error;
    },
  );
  let last: Error = new Error(t('no address'));
  for (const [index, address] of addresses.entries()) {
    const left = Math.max(deadline - Date.now(), 1);
    // A silent address must leave time for the others.
    const share = Math.ceil(left / (addresses.length - index));
    const socket = new Socket();
    try {
      await connectSocket(socket, address, settings, share, signal);
      // Otherwise every small request waits some 40 ms for the acknowledgement of the one before.
      socket.setNoDelay(true);
      return { stream: socket, sent: () => socket.bytesWritten, received: () => socket.bytesRead };
    } catch (error) {
      socket.destroy();
      if (signal.aborted) {
        throw cancelledError();
      }
      last = error as Error;
      tried.push(`${address}: ${last.message}`);
    }
  }
  throw dialError(place, last, tried, limitMs);
}

async function findAddresses({ hostname, addressFamily }: HostSettings): Promise<readonly string[]> {
  if (isIP(hostname.replace(/%.*$/, '')) !== 0) {
    return [hostname];
  }
  const found = await lookup(hostname, { all: true, family: addressFamily });
  return [...new Set(found.map(({ address }) => address))];
}

function connectSocket(
  socket: Socket,
  host: string,
  { port, bindAddress }: HostSettings,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
    socket.connect({ host, port, ...(bindAddress === undefined ? {} : { localAddress: bindAddress }) });
  });
  const late = (): Error => Object.assign(new Error(t('no answer in time')), { code: 'ETIMEDOUT' });
  return within(connected, limitMs, signal, late).finally(() => {
    socket.removeAllListeners();
    socket.on('error', () => undefined);
  });
}

/** A channel that a jump host opens to the next host. Its counters see the inner connection's bytes. */
export async function dialThrough(
  open: () => Duplex & { bytesWritten?: number; bytesRead?: number },
  place: Place,
  limitMs: number,
  signal: AbortSignal,
): Promise<Line> {
  const stream = open();
  try {
    const connected = new Promise<void>((resolve, reject) => {
      stream.once('connect', resolve);
      stream.once('error', reject);
    });
    await within(connected, limitMs, signal, () => noAnswer(place, limitMs));
  } catch (error) {
    stream.destroy();
    if (signal.aborted) {
      throw cancelledError();
    }
    const { message, detail } = toDeployError(error);
    throw unreachable(t('The jump host could not reach {0} ({1}).', place.label, place.address), {
      hint: t(
        'Check the address as the jump host sees it, and that the jump host allows forwarding (AllowTcpForwarding).',
      ),
      detail: detail ?? message,
      cause: error,
    });
  }
  return { stream, sent: () => stream.bytesWritten ?? 0, received: () => stream.bytesRead ?? 0 };
}

const STDERR_TAIL = 2048;

/**
 * Runs the user's own ProxyCommand as ssh does: by their shell, its standard input and output being the line. What it
 * says on standard error goes into the error's detail; the command itself does not, it may hold a secret.
 */
export function dialCommand(command: string, place: Place): Line {
  const child =
    process.platform === 'win32'
      ? spawn(command, { ...STARTED, shell: true })
      : spawn(process.env.SHELL ?? '/bin/sh', ['-c', `exec ${command}`]);
  let stderr = '';
  let sent = 0;
  let received = 0;
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-STDERR_TAIL);
  });
  const stream = new Duplex({
    allowHalfOpen: false,
    read: () => child.stdout.resume(),
    write: (chunk: Buffer, _encoding, callback) => {
      sent += chunk.length;
      // A command that no longer reads is about to end, and its end says more than the broken pipe.
      child.stdin.write(chunk, () => callback());
    },
    final: (callback) => {
      child.stdin.end(() => callback());
    },
    destroy: (error, callback) => {
      child.stdin.destroy();
      child.stdout.destroy();
      child.kill('SIGHUP');
      callback(error);
    },
  });
  const failed = (detail: string): void => {
    stream.destroy(
      unreachable(t('The ProxyCommand for {0} failed.', place.label), {
        hint: t('Run ssh with this host in a terminal: it uses the same command.'),
        detail: [detail, stderr.trim()].filter((part) => part !== '').join('\n'),
      }),
    );
  };
  child.stdin.on('error', () => undefined);
  child.stdout.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (!stream.push(chunk)) {
      child.stdout.pause();
    }
  });
  child.once('error', (error) => failed(error.message));
  // 'close' comes after the last output, so that the reason is complete.
  child.once('close', (code) => {
    if (code === 0 || code === null) {
      stream.push(null);
    } else {
      failed(t('It ended with code {0}.', code));
    }
  });
  return { stream, sent: () => sent, received: () => received };
}

/** A promise with a time limit and a signal; the underlying work is the caller's to stop. */
async function within<T>(work: Promise<T>, limitMs: number, signal: AbortSignal, late: () => Error): Promise<T> {
  let stop = (): void => undefined;
  const ended = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(late()), limitMs);
    const onAbort = (): void => reject(cancelledError());
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) {
      onAbort();
    }
    stop = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
  });
  // Whichever loses the race may still reject later: that is nobody's error any more.
  ended.catch(() => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, ended]);
  } finally {
    stop();
  }
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'syscall' in error;
}
