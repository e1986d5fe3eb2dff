import { formatNumber, t } from '../l10n';
import { DeployError, LABEL, throwIfCancelled, toDeployError } from '../model';
import type { DockerEngine } from './engine';
import { abortReason } from './errors';
import { ImageCatalogue } from './imageCatalogue';
import { inspectStored } from './imageStore';
import { type ImageDetails, inspectImage, layerSizes, listImageSummaries, removeImage, tagImage } from './images';
import { ConnectionLostError, LoadRefusedError } from './load';
import { endOfPart, INCOMING, likelySpeed, sum } from './parts';
import { presentLayers } from './presentLayers';
import { findSameImage, hasSameContent } from './sameImage';
import { openSaved, readLayout, type SavedLayout, sourceFailure, UnknownLayerError } from './savedImage';
import { blobDigests, sendImage, type SentBytes } from './sendImage';

/** Milliseconds for taking temporary names away after a failure. */
const CLEAN_UP_MS = 15_000;
/** Lost connections in a row, without a layer more on the target, after which it is given up. */
const MAX_LOSSES = 5;

export interface TransferProgress {
  /** Bytes that the target took, after compression. */
  readonly bytes: number;
  /** What `bytes` will be in the end, supposing that the rest compresses as well as what went before. */
  readonly totalBytes: number | undefined;
  readonly layersSent: number;
  readonly layersSkipped: number;
  /** How bytes are compressed now: `zstd 3`, `gzip 6`, `uncompressed`. */
  readonly compression: string;
}

export interface TransferOptions {
  /** Name the image has on the target until it is proven to be complete. One for each transfer. */
  readonly temporaryTag: string;
  readonly finalTag: string;
  readonly onProgress: (progress: TransferProgress) => void;
  /** Sentences worth a line in the log. */
  readonly onNote: (text: string) => void;
  /** Bytes free on the target's disk, where that can be told. */
  readonly freeBytes?: (signal: AbortSignal) => Promise<number | undefined>;
  /** Makes a lost connection to the target anew. Without it a lost connection is the end. */
  readonly reconnect?: (signal: AbortSignal) => Promise<void>;
}

export interface TransferResult {
  /** Bytes of image data that the target took, after compression, tries that did not hold included. */
  readonly sentBytes: number;
  readonly sentLayers: number;
  readonly skippedLayers: number;
  /** True when no layer was left out. */
  readonly full: boolean;
  /** Why everything was sent although the host seemed to have a part of it. */
  readonly reason?: string;
}

/** Tells how many of an image's lowest layers the target has. */
export type LayerLookUp = typeof presentLayers;

/**
 * Brings an image from one engine to another, as the layers that the target lacks, without a file in between. The image
 * gets its final tag only when the target has shown that it is complete; a part that does not fit is followed by the
 * whole image, once. With `reconnect`, a lost connection is made anew and what had arrived by then is not sent again.
 * @throws DeployError 'transfer', or 'cancelled'. The target's tags are as before then.
 */
export async function transferImage(
  source: DockerEngine,
  target: DockerEngine,
  reference: string,
  options: TransferOptions,
  signal: AbortSignal,
  lookUp: LayerLookUp = presentLayers,
): Promise<TransferResult> {
  throwIfCancelled(signal);
  const image = await inspectImage(source, reference, signal);
  if (image === undefined) {
    throw new DeployError('transfer', t('The image {0} is not on {1}.', reference, source.description), {
      hint: t('Build it first.'),
    });
  }
  try {
    return await new Transfer(source, target, reference, image, options, signal, lookUp).run();
  } catch (error) {
    throw transferError(target, signal.aborted ? abortReason(signal, target.description) : error);
  }
}

function transferError(target: DockerEngine, error: unknown): DeployError {
  if (error instanceof DeployError) {
    return error;
  }
  const { message } = toDeployError(error);
  return new DeployError('transfer', t('The image could not be brought to {0}: {1}', target.description, message), {
    hint: t('Look at the log of Docker there, then try again.'),
    cause: error,
  });
}

/** What a broken transfer of this service's images left behind. Its lock must be held: nobody else sends meanwhile. */
export async function removeLeftovers(target: DockerEngine, service: string, signal: AbortSignal): Promise<void> {
  const filter = { labels: [`${LABEL.service}=${service}`], references: [`${INCOMING}:*`] };
  for (const { tags } of await listImageSummaries(target, filter, signal)) {
    for (const tag of tags.filter((name) => name.startsWith(`${INCOMING}:`))) {
      await removeImage(target, tag, signal);
    }
  }
}

/** The image was loaded, but it is not as it is at home. */
class IncompleteError extends Error {
  override readonly name = 'IncompleteError';
}

class Transfer {
  readonly #source: DockerEngine;
  readonly #target: DockerEngine;
  readonly #reference: string;
  readonly #image: ImageDetails;
  readonly #options: TransferOptions;
  readonly #signal: AbortSignal;
  readonly #lookUp: LayerLookUp;
  #layout: SavedLayout | undefined;
  /** Bytes of each layer before compression, where that is known. */
  #sizes: readonly number[] | undefined;
  /** Lowest layers that the target had before anything was sent. */
  #skipped: number | undefined;
  /** Lowest layers that the target has by now. */
  #have = 0;
  #sentBytes = 0;
  #sentRawBytes = 0;
  /** What the line carries, in bytes before compression: what may be supposed, then what the last part went at. */
  #bytesPerMs: number | undefined;
  /** Names of parts that are on the target, or may be. */
  readonly #parts: string[] = [];
  /** Something may be under the temporary tag. */
  #tagUsed = false;

  constructor(
    source: DockerEngine,
    target: DockerEngine,
    reference: string,
    image: ImageDetails,
    options: TransferOptions,
    signal: AbortSignal,
    lookUp: LayerLookUp,
  ) {
    this.#source = source;
    this.#target = target;
    this.#reference = reference;
    this.#image = image;
    this.#options = options;
    this.#signal = signal;
    this.#lookUp = lookUp;
  }

  /** When it returns, the image is complete on the target under its final tag. */
  async run(): Promise<TransferResult> {
    // containerd hands layers out as it keeps them, often compressed: only the table of contents tells which is which.
    if (this.#source.info.store === 'containerd') {
      await this.#readLayout();
    }
    try {
      const result = await this.#bringInSpiteOfLosses();
      await this.#removeNames(this.#parts);
      return result;
    } catch (error) {
      // What has arrived is of use to the next try, which takes these names away.
      await this.#removeNames(isLost(error) ? [] : this.#parts);
      throw error;
    }
  }

  async #bringInSpiteOfLosses(): Promise<TransferResult> {
    for (let losses = 1; ; losses++) {
      const before = this.#have;
      try {
        return await this.#bring();
      } catch (error) {
        losses = this.#have > before ? 1 : losses;
        await this.#reconnectAfter(error, losses);
      }
    }
  }

  async #reconnectAfter(error: unknown, losses: number): Promise<void> {
    const { reconnect, onNote } = this.#options;
    if (reconnect === undefined || !isLost(error) || losses > MAX_LOSSES || this.#signal.aborted) {
      throw error;
    }
    onNote(t('The connection to {0} was lost. Connecting again.', this.#target.description));
    // Whatever a line carries that breaks, it does not carry for long: the next part is a short one.
    this.#bytesPerMs = 0;
    await reconnect(this.#signal);
  }

  async #bring(): Promise<TransferResult> {
    const { finalTag, temporaryTag } = this.#options;
    const catalogue = new ImageCatalogue(this.#target, this.#signal);
    const present = await findSameImage(this.#target, this.#image, this.#signal, catalogue);
    if (present !== undefined && (await inspectStored(this.#target, present.id, this.#signal))?.complete === true) {
      await tagImage(this.#target, present.id, finalTag, this.#signal);
      this.#skipped ??= this.#image.layers.length;
      return this.#result();
    }
    const result = await this.#sendMissing(catalogue);
    await tagImage(this.#target, temporaryTag, finalTag, this.#signal);
    return result;
  }

  /** When it returns, the image is complete on the target under its temporary tag. */
  async #sendMissing(catalogue: ImageCatalogue): Promise<TransferResult> {
    const all = this.#image.layers.length;
    this.#sizes ??= this.#layout?.sizes ?? (await this.#readSizes());
    const wanted = {
      image: this.#image,
      digests: blobDigests(this.#image, this.#layout),
      sizes: this.#sizes,
      reference: this.#options.finalTag,
    };
    this.#have = await this.#lookUp(this.#target, wanted, catalogue, this.#signal);
    if (this.#skipped === undefined) {
      this.#skipped = this.#have;
      if (this.#sizes === undefined && all - this.#have > 1) {
        this.#sizes = (await this.#readLayout()).sizes;
      }
      await this.#refuseFullDisk();
    }
    try {
      for (;;) {
        const end = await this.#endOfPart();
        if (end >= all) {
          await this.#send(all, this.#options.temporaryTag);
          return this.#result();
        }
        const name = `${this.#options.temporaryTag}-${end}`;
        this.#parts.push(name);
        await this.#send(end, name);
        this.#have = end;
      }
    } catch (error) {
      const wasWhole = this.#have === 0 && this.#parts.length === 0;
      if (wasWhole || !(error instanceof LoadRefusedError || error instanceof IncompleteError)) {
        throw error;
      }
      const reason = error.message;
      this.#options.onNote(
        t('What was sent does not fit what {0} has. Sending the whole image.', this.#target.description),
      );
      await removeImage(this.#target, this.#options.temporaryTag, this.#signal);
      this.#have = 0;
      this.#skipped = 0;
      await this.#send(all, this.#options.temporaryTag);
      return { ...this.#result(), reason };
    }
  }

  /** How near the host is, is asked only where it makes a difference. */
  async #endOfPart(): Promise<number> {
    const end = endOfPart(this.#sizes, this.#have, this.#bytesPerMs ?? 0);
    if (this.#bytesPerMs !== undefined || end >= this.#image.layers.length) {
      return end;
    }
    this.#bytesPerMs = likelySpeed(await this.#target.ping(this.#signal));
    return endOfPart(this.#sizes, this.#have, this.#bytesPerMs);
  }

  #result(): TransferResult {
    const skippedLayers = this.#skipped ?? 0;
    return {
      sentBytes: this.#sentBytes,
      sentLayers: this.#image.layers.length - skippedLayers,
      skippedLayers,
      full: skippedLayers === 0,
    };
  }

  /** Sends what lies between the layers that the target has and these, and looks whether they are there then. */
  async #send(upTo: number, tag: string): Promise<void> {
    this.#tagUsed ||= tag === this.#options.temporaryTag;
    await this.#sendInAnyLayout(upTo, tag);
    const loaded = await inspectStored(this.#target, tag, this.#signal);
    const wanted = { ...this.#image, layers: this.#image.layers.slice(0, upTo) };
    if (loaded === undefined || !hasSameContent(loaded.image, wanted)) {
      throw new IncompleteError(t('The layers on the host were not those of the image.'));
    }
    if (!loaded.complete) {
      throw new IncompleteError(t('A part of the image was missing on the host.'));
    }
  }

  async #sendInAnyLayout(upTo: number, tag: string): Promise<void> {
    try {
      await this.#sendOnce(upTo, tag);
    } catch (error) {
      if (!(error instanceof UnknownLayerError) || this.#layout !== undefined) {
        throw error;
      }
      await this.#readLayout();
      await this.#sendOnce(upTo, tag);
    }
  }

  async #sendOnce(upTo: number, tag: string): Promise<void> {
    const before = { bytes: this.#sentBytes, rawBytes: this.#sentRawBytes };
    const begin = performance.now();
    const { rawBytes } = await sendImage(
      {
        source: this.#source,
        target: this.#target,
        reference: this.#reference,
        image: this.#image,
        layout: this.#layout,
        have: this.#have,
        upTo,
        tag,
        onProgress: (sent) => {
          this.#sentBytes = before.bytes + sent.bytes;
          this.#sentRawBytes = before.rawBytes + sent.rawBytes;
          this.#tellProgress(sent);
        },
      },
      this.#signal,
    );
    this.#bytesPerMs = rawBytes / Math.max(1, performance.now() - begin);
  }

  /** @param now bytes of the part under way. */
  #tellProgress(now: SentBytes): void {
    const skipped = this.#skipped ?? 0;
    const left = this.#sizes === undefined ? undefined : sum(this.#sizes.slice(this.#have)) - now.rawBytes;
    this.#options.onProgress({
      bytes: this.#sentBytes,
      totalBytes: estimate(this.#sentBytes, this.#sentRawBytes, left),
      // After a loss the target may have less than at the beginning.
      layersSent: Math.max(0, this.#have - skipped),
      layersSkipped: skipped,
      compression: now.compression,
    });
  }

  async #readLayout(): Promise<SavedLayout> {
    try {
      this.#layout = await readLayout(await openSaved(this.#source, this.#reference, this.#signal));
      return this.#layout;
    } catch (error) {
      throw sourceFailure(this.#source, error, this.#signal);
    }
  }

  async #readSizes(): Promise<readonly number[] | undefined> {
    try {
      return await layerSizes(this.#source, this.#reference, this.#image.layers.length, this.#signal);
    } catch (error) {
      throw sourceFailure(this.#source, error, this.#signal);
    }
  }

  /** The target unpacks what it has taken in, so that for a while it holds everything twice. */
  async #refuseFullDisk(): Promise<void> {
    const free = await this.#options.freeBytes?.(this.#signal);
    const needed = 2 * sum(this.#sizes?.slice(this.#have) ?? []);
    if (free !== undefined && free < needed) {
      throw new DeployError(
        'transfer',
        t(
          'The disk of {0} has {1} left, and this image takes {2} there.',
          this.#target.description,
          megabytes(free),
          megabytes(needed),
        ),
        {
          hint: t('Nothing was sent. Make room there, for example with `docker image prune`, then try again.'),
        },
      );
    }
  }

  /** Takes the temporary tag away, and these parts. */
  async #removeNames(parts: readonly string[]): Promise<void> {
    const limit = AbortSignal.timeout(CLEAN_UP_MS);
    try {
      for (const name of [...(this.#tagUsed ? [this.#options.temporaryTag] : []), ...parts]) {
        await removeImage(this.#target, name, limit);
      }
    } catch {
      this.#options.onNote(
        t('A temporary name was left on {0}. The next deployment removes it.', this.#target.description),
      );
    }
  }
}

/** The connection broke: what was sent is not what is wrong. */
function isLost(error: unknown): boolean {
  return (
    error instanceof ConnectionLostError ||
    (error instanceof DeployError && (error.code === 'host-unreachable' || error.code === 'docker-unreachable'))
  );
}

/** Below this share of the whole the rest cannot be told from it. */
const ENOUGH_TO_TELL = 0.02;

function estimate(bytes: number, rawBytes: number, rawLeft: number | undefined): number | undefined {
  const share = rawLeft === undefined ? 0 : rawBytes / Math.max(1, rawBytes + Math.max(0, rawLeft));
  return share < ENOUGH_TO_TELL ? undefined : Math.round(bytes / share);
}

function megabytes(bytes: number): string {
  return bytes < 1e9 ? t('{0} MB', formatNumber(bytes / 1e6)) : t('{0} GB', formatNumber(bytes / 1e9, 1));
}
