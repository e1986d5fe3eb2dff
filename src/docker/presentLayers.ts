import type { DockerEngine } from './engine';
import { ImageCatalogue } from './imageCatalogue';
import { inspectStored } from './imageStore';
import { type ImageDetails, type ImageSummary, splitReference } from './images';
import { loadArchive, LoadRefusedError } from './load';
import { type LayerBlob, LAYER_TYPE, LayoutWriter } from './ociLayout';
import { configOfPart, INCOMING, sum } from './parts';

/** Prefixes that are asked for on a containerd host before everything is sent. */
const MAX_PROBES = 2;
/** Bytes of layers that may as well be sent as asked about: the probe and its answers take about as many. */
const PROBE_BYTES = 8 * 1024;
/** Bytes of Docker's answer about one image. */
const ANSWER_BYTES = 2500;

/** What is known beforehand of an image that the target is to get. */
export interface Wanted {
  readonly image: ImageDetails;
  /** The layers' blobs as they would be sent, lowest first. */
  readonly digests: readonly string[];
  /** Bytes of each layer, where that is known. */
  readonly sizes: readonly number[] | undefined;
  /** The name that the image will have. */
  readonly reference: string;
  /** A name for an image of so many lowest layers, by which the target is asked for them. It is for the caller to remove. */
  readonly probe: (count: number) => string;
  /** Called when the target is about to be asked for so many layers, with time for something else until it answers. */
  readonly onProbe: (count: number) => void;
}

/**
 * How many of an image's lowest layers the target has, so that they need not be sent. It is what the target says of
 * itself; whoever relies on it verifies the result. No more is asked than what might be sent in vain.
 */
export async function presentLayers(
  target: DockerEngine,
  wanted: Wanted,
  catalogue: ImageCatalogue,
  signal: AbortSignal,
): Promise<number> {
  const { sizes } = wanted;
  const shared = await nearestPrefixes(wanted, catalogue);
  if (target.info.store === 'layers') {
    return shared[0] ?? 0;
  }
  for (const count of shared.slice(0, MAX_PROBES)) {
    if (bytesAbove(sizes, count) <= PROBE_BYTES) {
      return count;
    }
    wanted.onProbe(count);
    if ((await isFromHere(wanted, count, catalogue)) || (await hasBlobs(target, wanted, count, signal))) {
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
  const catalogue = new ImageCatalogue(target, signal);
  return prefixes(layers, await catalogue.list(), catalogue);
}

/**
 * As `sharedPrefixes`, of the newest of the image's own earlier releases and parts; of the older ones, and of all other
 * images, only where they may save more than the questions take.
 */
async function nearestPrefixes({ image, sizes, reference }: Wanted, catalogue: ImageCatalogue): Promise<number[]> {
  const all = await catalogue.list();
  const near = nearest(all, reference);
  let found: number[] = [];
  let asked = 0;
  for (const images of [near.slice(0, 1), near, all]) {
    if (bytesAbove(sizes, found[0] ?? 0) > (images.length - asked) * ANSWER_BYTES) {
      found = await prefixes(image.layers, images, catalogue);
      asked = images.length;
    }
  }
  return found;
}

/** Asks the target's engine what `presentLayers` will want to know first, while there is something else to wait for. */
export async function askAhead(reference: string, catalogue: ImageCatalogue): Promise<void> {
  const [first] = nearest(await catalogue.list(), reference);
  await (first && catalogue.inspect(first.id));
}

/** Earlier releases of an image, and parts that were sent, newest first. */
function nearest(images: readonly ImageSummary[], reference: string): ImageSummary[] {
  const repositories = [splitReference(reference).repository, INCOMING];
  return images
    .filter(({ tags }) => tags.some((tag) => repositories.includes(splitReference(tag).repository)))
    .sort((a, b) => b.createdSeconds - a.createdSeconds);
}

async function prefixes(
  layers: readonly string[],
  summaries: readonly ImageSummary[],
  catalogue: ImageCatalogue,
): Promise<number[]> {
  const images = await Promise.all(summaries.map(({ id }) => catalogue.inspect(id)));
  const counts = new Set(images.map((image) => commonPrefix(layers, image?.layers ?? [])));
  counts.delete(0);
  return [...counts].sort((a, b) => b - a);
}

/** Bytes of the layers that lie above so many lowest ones; without end where that is not known. */
function bytesAbove(sizes: readonly number[] | undefined, count: number): number {
  return sizes === undefined ? Infinity : sum(sizes.slice(count));
}

/** How many entries two lists share from their beginning on. */
export function commonPrefix(a: readonly string[], b: readonly string[]): number {
  let count = 0;
  while (count < a.length && a[count] === b[count]) {
    count++;
  }
  return count;
}

/** Whether the target got so many lowest layers from here in the form in which they would be sent. */
async function isFromHere({ image, digests }: Wanted, count: number, catalogue: ImageCatalogue): Promise<boolean> {
  const layers = image.layers.slice(0, count);
  return commonPrefix(layers, digests) === count && (await catalogue.hasPlainBlobs(layers));
}

/**
 * Asks a host with containerd's store whether it has these very blobs: it may know a layer in compressed form only. An
 * image of nothing but these layers, sent without any of them, is complete on the host if and only if they are there.
 */
async function hasBlobs(
  target: DockerEngine,
  { image, digests, probe }: Wanted,
  count: number,
  signal: AbortSignal,
): Promise<boolean> {
  const layers = image.layers.slice(0, count);
  const reference = probe(count);
  const blobs: LayerBlob[] = digests.slice(0, count).map((digest) => ({ digest, size: 0, mediaType: LAYER_TYPE }));
  const writer = new LayoutWriter();
  writer.finish(reference, configOfPart(image, count), blobs).catch((error: unknown) => writer.fail(error as Error));
  try {
    await loadArchive(target, writer.stream, () => undefined, signal);
    const loaded = await inspectStored(target, reference, signal);
    const found = loaded?.image.layers ?? [];
    return loaded?.complete === true && found.length === count && commonPrefix(found, layers) === count;
  } catch (error) {
    if (error instanceof LoadRefusedError) {
      return false;
    }
    throw error;
  }
}
