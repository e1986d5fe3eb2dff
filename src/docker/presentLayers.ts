import { randomBytes } from 'node:crypto';
import type { DockerEngine } from './engine';
import { isAvailable } from './imageStore';
import { type ImageDetails, inspectImage, listImageSummaries, removeImage } from './images';
import { loadArchive, LoadRefusedError } from './load';
import { type LayerBlob, LAYER_TYPE, LayoutWriter } from './ociLayout';
import { configOfPart, INCOMING } from './parts';

/** Prefixes that are asked for on a containerd host before everything is sent. */
const MAX_PROBES = 2;
/** Milliseconds for taking a probe away again. */
const CLEAN_UP_MS = 15_000;

/**
 * How many of an image's lowest layers the target has, so that they need not be sent. It is what the target says of
 * itself; whoever relies on it verifies the result.
 * @param digests the layers' blobs as they would be sent, lowest first.
 */
export async function presentLayers(
  target: DockerEngine,
  image: ImageDetails,
  digests: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const shared = await sharedPrefixes(target, image.layers, signal);
  if (target.info.store === 'layers') {
    return shared[0] ?? 0;
  }
  for (const count of shared.slice(0, MAX_PROBES)) {
    if (await hasBlobs(target, image, digests.slice(0, count), signal)) {
      return count;
    }
  }
  return 0;
}

/**
 * Numbers of lowest layers that the image has in common with images of the target, largest first, each once. A layer
 * with the same layers below it is the same chain, and Docker keeps a chain once.
 */
export async function sharedPrefixes(
  target: DockerEngine,
  layers: readonly string[],
  signal: AbortSignal,
): Promise<number[]> {
  const summaries = await listImageSummaries(target, {}, signal);
  const images = await Promise.all(summaries.map(({ id }) => inspectImage(target, id, signal)));
  const counts = new Set(images.map((image) => commonPrefix(layers, image?.layers ?? [])));
  counts.delete(0);
  return [...counts].sort((a, b) => b - a);
}

export function commonPrefix(a: readonly string[], b: readonly string[]): number {
  let count = 0;
  while (count < a.length && a[count] === b[count]) {
    count++;
  }
  return count;
}

/**
 * Asks a host with containerd's store whether it has these very blobs: it may know a layer in compressed form only. An
 * image of nothing but these layers, sent without any of them, is complete on the host if and only if they are there.
 */
async function hasBlobs(
  target: DockerEngine,
  image: ImageDetails,
  digests: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const layers = image.layers.slice(0, digests.length);
  const config = configOfPart(image, layers.length);
  const reference = `${INCOMING}:probe-${randomBytes(8).toString('hex')}`;
  const blobs: LayerBlob[] = digests.map((digest) => ({ digest, size: 0, mediaType: LAYER_TYPE }));
  const writer = new LayoutWriter();
  writer.finish(reference, config, blobs).catch((error: unknown) => writer.fail(error as Error));
  try {
    await loadArchive(target, writer.stream, () => undefined, signal);
    const loaded = await inspectImage(target, reference, signal);
    const complete = loaded?.layers.length === layers.length && commonPrefix(loaded.layers, layers) === layers.length;
    return complete && (await isAvailable(target, reference, signal));
  } catch (error) {
    if (error instanceof LoadRefusedError) {
      return false;
    }
    throw error;
  } finally {
    await removeImage(target, reference, AbortSignal.timeout(CLEAN_UP_MS)).catch(() => undefined);
  }
}
