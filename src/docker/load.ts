import { pipeline, type Readable } from 'node:stream';
import { t } from '../l10n';
import { DeployError } from '../model';
import { AdaptiveCompressor, codecFor } from './compression';
import type { DockerEngine } from './engine';
import { isBroken, sentence } from './errors';
import { jsonLines, lineError, text } from './json';
import { NO_LIMIT_MS, StallLimit } from './limits';
import { Meter } from './meter';

/** Milliseconds in which the host takes none of the bytes that wait for it, after which an upload counts as stuck. */
const STALL_MS = 60_000;
/** Milliseconds Docker may unpack without a word after the last byte. */
const UNPACK_MS = 10 * 60_000;

/** The engine took the archive and refuses what is in it. Its words are the message. */
export class LoadRefusedError extends Error {
  override readonly name = 'LoadRefusedError';
}

/**
 * Sends an archive, of bytes or packed pieces, to `docker load`, compressed, and reads every line of the answer: Docker
 * reports failures with status 200. `codec` is what packed pieces are made with. `onBytes` gets the number of bytes sent so
 * far, after compression, and how they are compressed now.
 * @throws LoadRefusedError when Docker cannot load it; DeployError 'transfer' for a full disk, a stall or a lost
 * connection.
 */
export async function loadArchive(
  target: DockerEngine,
  archive: Readable,
  onBytes: (bytes: number, compression: string) => void,
  signal: AbortSignal,
  codec = codecFor(target),
): Promise<void> {
  // As long as there is nothing to be taken, it is the archive that is slow: its source has limits of its own.
  const stall = new StallLimit(signal, NO_LIMIT_MS, () => stalledError(target));
  const compressor = new AdaptiveCompressor(codec);
  const meter = new Meter((it) => {
    stall.alive(it.full ? STALL_MS : NO_LIMIT_MS);
    compressor.onTaken(it);
    onBytes(it.bytes, compressor.name);
  });
  meter.once('end', () => stall.alive(UNPACK_MS));
  meter.on('error', () => undefined);
  // Whatever breaks one of the streams ends all of them; the answer below says what it was.
  pipeline(archive, compressor.stream, meter, () => undefined);
  try {
    // The answer begins when everything has been sent, and that takes its time.
    const answer = await target.stream(
      { method: 'POST', path: '/images/load', body: meter },
      stall.signal,
      NO_LIMIT_MS,
    );
    for await (const line of jsonLines(answer)) {
      stall.alive(UNPACK_MS);
      const refusal = lineError(line) ?? unpackError(text(line['stream']));
      if (refusal !== undefined) {
        throw refused(target, refusal);
      }
    }
  } catch (error) {
    throw transferFailure(target, error, stall.signal);
  } finally {
    stall.end();
    meter.destroy();
  }
}

/** containerd's store says "Loaded image" first and this afterwards, as if it were a message like any other. */
function unpackError(line: string): string | undefined {
  return /^(?:Error unpacking image|Error |Failed )/i.test(line.trim()) ? line.trim() : undefined;
}

function refused(target: DockerEngine, message: string): Error {
  return /no space left on device/i.test(message) ? diskFull(target, message) : new LoadRefusedError(sentence(message));
}

function diskFull(target: DockerEngine, detail: string): DeployError {
  return new DeployError('transfer', t('The disk of {0} is full.', target.description), {
    hint: t('Make room there, for example with `docker image prune`, then try again.'),
    detail,
  });
}

function stalledError(target: DockerEngine): DeployError {
  return new DeployError(
    'transfer',
    t('{0} took no byte of the image for {1} seconds.', target.description, STALL_MS / 1000),
    {
      hint: t('Check the network and the load of the host, then try again.'),
    },
  );
}

function transferFailure(target: DockerEngine, error: unknown, signal: AbortSignal): Error {
  if (error instanceof LoadRefusedError) {
    return error;
  }
  const cause = target.explain(error, signal);
  if (cause instanceof DeployError) {
    const lost = cause.code === 'docker-unreachable' || cause.code === 'host-unreachable';
    return lost ? new ConnectionLostError(target, cause) : cause;
  }
  if (/no space left on device/i.test(cause.message)) {
    return diskFull(target, cause.message);
  }
  return isBroken(cause) ? new ConnectionLostError(target, cause) : new LoadRefusedError(cause.message, { cause });
}

/** The connection broke while an archive was being sent. The same archive may well go through another time. */
export class ConnectionLostError extends DeployError {
  constructor(target: DockerEngine, cause: Error) {
    super('transfer', t('The connection to {0} was lost while the image was being sent.', target.description), {
      hint: t('Check the network, then try again. The images on the host are as before.'),
      detail: cause.message,
      cause,
    });
  }
}
