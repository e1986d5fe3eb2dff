import type { DockerEngine } from '../../docker/engine';
import { removeImage } from '../../docker/images';
import { INCOMING } from '../../docker/parts';
import { removeLeftovers, transferImage, type TransferResult } from '../../docker/transfer';
import { t } from '../../l10n';
import { toDeployError } from '../../model';
import type { Run } from '../context';
import { freeDiskBytes } from '../disk';
import { pause } from '../wait';
import type { BuiltImage } from './build';
import { throughRegistry } from './registry';

/** Milliseconds between two progress events. */
const PROGRESS_EVERY_MS = 100;
/** Milliseconds that Docker on the host may take to answer again after the connection was made anew. */
const ENGINE_BACK_MS = 60_000;

/** Brings the built image to the host in the way that the service asks for: verified there, then tagged. */
export async function transferStage(run: Run, source: DockerEngine, built: BuiltImage): Promise<TransferResult> {
  const { reference, image } = built;
  const { host, engine, service, signal } = run;
  const { transport } = host;
  // The name is of this release alone, so that taking it back is right whether or not it was given already.
  run.undo.push({ what: t('the sent image'), run: (undoSignal) => removeImage(engine, reference, undoSignal) });
  const { transfer: how } = service;
  if (how.way === 'registry') {
    return throughRegistry(run, source, image, reference, how.repository);
  }
  if (transport === undefined) {
    return transfer(run, source, reference);
  }
  return transport.outlast(async () => {
    const result = await transfer(run, source, reference, async (again) => {
      await transport.again(again);
      await waitForEngine(engine, again);
    });
    await removeLeftovers(engine, service.name, signal);
    return result;
  });
}

async function transfer(
  run: Run,
  source: DockerEngine,
  reference: string,
  reconnect?: (signal: AbortSignal) => Promise<void>,
): Promise<TransferResult> {
  const begin = performance.now();
  let last = 0;
  return transferImage(
    source,
    run.engine,
    reference,
    {
      temporaryTag: `${INCOMING}:${run.deployment}`,
      finalTag: reference,
      freeBytes: (signal) => freeDiskBytes(run.host, signal),
      ...(reconnect !== undefined && { reconnect }),
      onNote: (text) => run.note(text),
      onSpareTime: (work) => run.aside(work),
      onProgress: ({ bytes, totalBytes, layersSent, layersSkipped, compression }) => {
        const now = performance.now();
        if (now - last < PROGRESS_EVERY_MS) {
          return;
        }
        last = now;
        run.emit({
          type: 'progress',
          stage: 'transfer',
          done: bytes,
          ...(totalBytes !== undefined && { total: totalBytes }),
          unit: 'bytes',
          rate: Math.round((bytes * 1000) / Math.max(1, now - begin)),
          message: [layersText(layersSent, layersSkipped), compression].join(', '),
        });
      },
    },
    run.signal,
  );
}

/** `1 layer sent, 7 already there` */
export function layersText(sent: number, skipped: number): string {
  return sent === 1
    ? t('1 layer sent, {0} already there', skipped)
    : t('{0} layers sent, {1} already there', sent, skipped);
}

/** The connection may have broken because the host's Docker was restarted. */
async function waitForEngine(engine: DockerEngine, signal: AbortSignal): Promise<void> {
  for (const deadline = Date.now() + ENGINE_BACK_MS; ;) {
    try {
      await engine.ping(signal);
      return;
    } catch (error) {
      if (Date.now() > deadline || toDeployError(error).code === 'cancelled') {
        throw error;
      }
      await pause(500, signal);
    }
  }
}
