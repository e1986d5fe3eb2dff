import { PackedPiece } from './compression';
import type { DockerEngine } from './engine';
import type { ImageDetails } from './images';
import type { Reading } from './imageSource';
import { onAbort } from './limits';
import { loadArchive } from './load';
import { type LayerBlob, LAYER_TYPE, layerType, LayoutWriter } from './ociLayout';
import type { LayerToSend } from './packedLayer';
import { configOfPart } from './parts';
import { NotPushedError } from './pushedImage';
import { type SavedLayout, sourceFailure, UnknownLayerError } from './savedImage';

export interface SendOrder extends Reading {
  readonly source: DockerEngine;
  readonly target: DockerEngine;
  readonly image: ImageDetails;
  /** Lowest layers that are left out, because the target has them. */
  readonly have: number;
  /** Lowest layers that the target has afterwards. Fewer than all: an image of them alone. */
  readonly upTo: number;
  /** Name on the target. */
  readonly tag: string;
  /**
   * When the target has what is left out. The end of the archive waits for it, as the target looks for those layers then;
   * whatever it rejects with ends this archive, too.
   */
  readonly before: Promise<void>;
  /** Called when all layers have been handed on: the source has time for something else. */
  readonly onRead: () => void;
  readonly onProgress: (sent: SentBytes) => void;
}

export interface SentBytes {
  /** Bytes that the target took, after compression. */
  readonly bytes: number;
  /** Bytes of layers that went into the archive, before compression. */
  readonly rawBytes: number;
  /** How they are compressed now: `gzip 6`. */
  readonly compression: string;
}

/**
 * Sends an image once, from `docker save` to `docker load`, and waits until the target has loaded it. Whether it is
 * complete there is for the caller to verify.
 * @throws UnknownLayerError, NotPushedError when the image has to be read in another way; otherwise as `loadArchive`.
 */
export async function sendImage(order: SendOrder, signal: AbortSignal): Promise<SentBytes> {
  const stop = new AbortController();
  const release = onAbort(signal, () => stop.abort(signal.reason));
  const writer = new LayoutWriter();
  const sent = { bytes: 0, rawBytes: 0, compression: '' };
  const onBytes = (bytes: number, compression: string): void => {
    sent.bytes = bytes;
    sent.compression = compression;
    order.onProgress({ ...sent });
  };
  const failures: unknown[] = [];
  const fail = (error: unknown): void => {
    failures.push(error);
    stop.abort(error);
    writer.fail(error as Error);
  };
  // The first of the two that fails is the reason. An archive that nobody takes any more is no failure of the source:
  // the answer of the target says what it was.
  let refused: unknown;
  await Promise.all([
    feed(order, writer, (bytes) => (sent.rawBytes += bytes), stop.signal).catch((error: unknown) => {
      if (writer.stream.destroyed) {
        refused = error;
      } else {
        fail(error);
      }
    }),
    loadArchive(order.target, writer.stream, onBytes, stop.signal, order.codec).catch(fail),
  ]);
  release();
  if (failures.length > 0 || refused !== undefined) {
    throw failures[0] ?? refused;
  }
  return sent;
}

/** The digest each layer's blob has on the way: the diff id, unless the source hands it out in another form. */
export function blobDigests(image: ImageDetails, layout: SavedLayout | undefined): string[] {
  return image.layers.map((diffId, index) => {
    const blob = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(layout?.layers[index] ?? '')?.[1];
    return blob === undefined ? diffId : `sha256:${blob}`;
  });
}

/** From the source's archive to the target's, leaving out what the target has and what is not yet its turn. */
async function feed(
  order: SendOrder,
  writer: LayoutWriter,
  onRawBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { source, image, layout, have, upTo, tag, before, onRead } = order;
  const { layers } = image;
  const digests = blobDigests(image, layout);
  const blobs = new Map<string, LayerBlob>();
  // The same layer may come again further up, where its chain is another one.
  const isWanted = (index: number): boolean =>
    layers.lastIndexOf(layers[index] ?? '') >= have && layers.indexOf(layers[index] ?? '') < upTo;
  const onLayer = async ({ index, size, content }: LayerToSend): Promise<void> => {
    const digest = digests[index] ?? '';
    const watched = new WatchedContent(content);
    if (isWanted(index)) {
      watched.onBytes = onRawBytes;
      await writer.layer(digest, size, watched);
    } else if (layout !== undefined) {
      // A layer that is kept as a layer is never compressed: there is nothing to find out.
      await watched.drain();
    }
    blobs.set(digest, { digest, size, mediaType: layerType(watched.beginning) });
  };
  let config: Buffer;
  try {
    config = await order.read(new Set([...layers.keys()].filter(isWanted)), onLayer, signal);
  } catch (error) {
    const mayRead = error instanceof UnknownLayerError || error instanceof NotPushedError;
    throw mayRead ? error : sourceFailure(source, error, signal);
  }
  onRead();
  const described = digests.map((digest, index) => {
    const [size = 0, mediaType = LAYER_TYPE] = [layout?.sizes[index], layout?.mediaTypes?.[index]];
    return blobs.get(digest) ?? { digest, size, mediaType };
  });
  await before;
  await writer.finish(tag, upTo < layers.length ? configOfPart(image, upTo) : config, described.slice(0, upTo));
}

/** Passes a layer's content on, and remembers how it begins. */
class WatchedContent implements AsyncIterable<Uint8Array | PackedPiece> {
  /** Of content that is not packed: a packed layer is the layer itself. */
  beginning: Uint8Array | undefined;
  onBytes: (bytes: number) => void = () => undefined;
  readonly #content: AsyncIterable<Uint8Array | PackedPiece>;

  constructor(content: AsyncIterable<Uint8Array | PackedPiece>) {
    this.#content = content;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array | PackedPiece> {
    for await (const chunk of this.#content) {
      if (!(chunk instanceof PackedPiece)) {
        this.beginning ??= chunk.subarray(0, 4);
      }
      this.onBytes(chunk.length);
      yield chunk;
    }
  }

  /** Reads content that goes nowhere. */
  async drain(): Promise<void> {
    const chunks = this[Symbol.asyncIterator]();
    while ((await chunks.next()).done !== true) {
      // Only its beginning is of interest.
    }
  }
}
