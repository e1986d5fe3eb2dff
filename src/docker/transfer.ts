import { formatNumber, t } from '../l10n';
import { DeployError, LABEL, throwIfCancelled, toDeployError } from '../model';
import type { DockerEngine } from './engine';
import { abortReason } from './errors';
import { ImageCatalogue } from './imageCatalogue';
import { inspectStored } from './imageStore';
import { type ImageDetails, inspectImage, listImageSummaries, removeImage, tagImage } from './images';
import { ImageSource } from './imageSource';
import { ConnectionLostError, LoadRefusedError } from './load';
import { endOfPart, INCOMING, likelySpeed, speedOf, sum } from './parts';
import { askAhead, presentLayers } from './presentLayers';
import { findSameImage, hasSameContent } from './sameImage';
import { blobDigests, sendImage, type SendOrder, type SentBytes } from './sendImage';

/** Milliseconds for taking temporary names away after a failure. */
const CLEAN_UP_MS = 15_000;
/** Bytes that find room on the target, or else are told by the target itself that they do not. */
const SURELY_FITS = 1024 * 1024;
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
  /** Called at the end with work for the time after the transfer, which makes the next one quicker. It never rejects. */
  readonly onSpareTime?: (work: (signal: AbortSignal) => Promise<void>) => void;
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
    const from = new ImageSource(source, reference, image, signal);
    return await new Transfer(from, target, image, options, lookUp, signal).run();
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

/**
 * Which layers are left out of an archive: those that the target says it has; those only that this transfer brought and
 * has seen there; none at all.
 */
type Trust = 'target' | 'own' | 'nothing';

type Archive = Pick<SendOrder, 'have' | 'upTo' | 'tag' | 'before' | 'onRead'>;

class Transfer {
  readonly #source: ImageSource;
  readonly #target: DockerEngine;
  readonly #image: ImageDetails;
  readonly #options: TransferOptions;
  readonly #lookUp: LayerLookUp;
  readonly #signal: AbortSignal;
  /** Lowest layers that the target had before anything was sent. */
  #skipped: number | undefined;
  /** Lowest layers that the target has by now. */
  #have = 0;
  /** After and before compression, tries that did not hold included. */
  #sent = { bytes: 0, rawBytes: 0 };
  /** What the line carries, in bytes before compression: what may be supposed, then what the last part went at. */
  #bytesPerMs: number | undefined;
  /** Names of parts and probes that are on the target, or may be. */
  readonly #names = new Set<string>();
  /** Something may be under the temporary tag. */
  #tagUsed = false;
  #trust: Trust = 'target';
  /** Where parts ended that were sent since `#trust` changed last: some may be there although no answer told it. */
  #ownParts: number[] = [];
  /** An archive that ends below the image's topmost layer was sent since `#trust` changed last. */
  #inParts = false;
  /** Why less is relied on than in the beginning. */
  #reason: string | undefined;
  /** Bytes free on the target's disk. */
  #freeBytes: Promise<number | undefined> | undefined;
  /** Bytes of the layers that the target has, where its images have to say it. */
  #bytesThere: readonly number[] | undefined;

  constructor(
    source: ImageSource,
    target: DockerEngine,
    image: ImageDetails,
    options: TransferOptions,
    lookUp: LayerLookUp,
    signal: AbortSignal,
  ) {
    this.#source = source;
    this.#target = target;
    this.#image = image;
    this.#options = options;
    this.#lookUp = lookUp;
    this.#signal = signal;
  }

  /** When it returns, the image is complete on the target under its final tag. */
  async run(): Promise<TransferResult> {
    try {
      const result = await this.#bringInSpiteOfLosses();
      await this.#removeNames(this.#names);
      const spareWork = await this.#source.close();
      if (spareWork !== undefined) {
        this.#options.onSpareTime?.(spareWork);
      }
      return result;
    } catch (error) {
      // What has arrived is of use to the next try, which takes these names away.
      await this.#removeNames(isLost(error) ? new Set() : this.#names);
      throw error;
    } finally {
      await this.#source.close();
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
    this.#freeBytes = undefined;
    const catalogue = new ImageCatalogue(this.#target, this.#signal);
    const prepared = this.#source.mayPush ? this.#source.prepare() : undefined;
    const present = await findSameImage(this.#target, this.#image, this.#signal, catalogue);
    if (present !== undefined) {
      await tagImage(this.#target, present.id, finalTag, this.#signal);
      this.#skipped ??= this.#image.layers.length;
      return this.#result();
    }
    await Promise.all([prepared ?? this.#source.prepare(), askAhead(finalTag, catalogue)]);
    await this.#sendMissing(catalogue);
    await tagImage(this.#target, temporaryTag, finalTag, this.#signal);
    return this.#result();
  }

  /** When it returns, the image is complete on the target under its temporary tag. */
  async #sendMissing(catalogue: ImageCatalogue): Promise<void> {
    for (;;) {
      this.#have = await this.#present(catalogue);
      this.#bytesThere = await catalogue.layerBytes(this.#image.layers, this.#have);
      const first = this.#skipped === undefined;
      this.#skipped ??= this.#have;
      if (this.#image.layers.length - this.#have > 1) {
        await this.#source.measure();
      }
      if (first) {
        await this.#refuseFullDisk();
      }
      const leftOut = this.#have > 0;
      try {
        await this.#sendParts();
        return;
      } catch (error) {
        if (!(error instanceof LoadRefusedError || error instanceof IncompleteError) || !this.#trustLess(leftOut)) {
          throw error;
        }
        this.#reason ??= error.message;
        this.#options.onNote(
          t('What was sent does not fit what {0} has. Sending the whole image.', this.#target.description),
        );
        await removeImage(this.#target, this.#options.temporaryTag, this.#signal);
      }
    }
  }

  /** Lowest layers that need not be sent. */
  async #present(catalogue: ImageCatalogue): Promise<number> {
    if (this.#trust === 'target') {
      const wanted = {
        image: this.#image,
        digests: blobDigests(this.#image, this.#source.layout),
        sizes: this.#source.sizes,
        reference: this.#options.finalTag,
        probe: (count: number) => this.#nameOf('probe', count),
        onProbe: (count: number) => this.#askFreeBytes(this.#roomFor(count)),
      };
      return this.#lookUp(this.#target, wanted, catalogue, this.#signal);
    }
    for (const end of this.#ownParts.toReversed()) {
      if (await this.#isThere(end, this.#nameOf(this.#trust, end))) {
        return end;
      }
    }
    return 0;
  }

  /** After the target refused what was sent. False when there is nothing that could be relied on less. */
  #trustLess(leftOut: boolean): boolean {
    if (this.#trust === 'nothing' || !(leftOut || this.#inParts)) {
      return false;
    }
    this.#trust = this.#trust === 'target' && leftOut ? 'own' : 'nothing';
    this.#ownParts = [];
    this.#skipped = 0;
    return true;
  }

  /** One archive after the other: the target unpacks one while the next is on its way, and no more than two are under way. */
  async #sendParts(): Promise<void> {
    const all = this.#image.layers.length;
    this.#inParts = false;
    let [have, before] = [this.#have, Promise.resolve()];
    do {
      const end = Math.min(await this.#endOfPart(have), all);
      const part = this.#startPart(have, end, before);
      await part.next;
      [have, before] = [end, part.there];
    } while (have < all);
    await before;
  }

  /**
   * Sends what lies between so many lowest layers and so many more. `there` settles when nothing of it is under way any
   * more, nor of what was sent before it, and rejects for the first of them that failed; `next` when another may be sent.
   */
  #startPart(have: number, end: number, before: Promise<void>): { there: Promise<void>; next: Promise<void> } {
    const isLast = end === this.#image.layers.length;
    const name = isLast ? this.#options.temporaryTag : this.#nameOf(this.#trust, end);
    if (!isLast) {
      this.#inParts = true;
      this.#ownParts.push(end);
    }
    let onRead = (): void => undefined;
    const read = new Promise<void>((resolve) => (onRead = resolve));
    const there = firstFailure([before, this.#send({ have, upTo: end, tag: name, before, onRead })]).then(() => {
      if (!isLast) {
        this.#have = end;
      }
    });
    const next = Promise.all([before, read]).then(() => undefined);
    return { there, next: Promise.race([next.catch(() => there), there]) };
  }

  /** A temporary name on the target, for a part that was sent in one kind of trust or for a probe. */
  #nameOf(what: Trust | 'probe', layers: number): string {
    const name = `${this.#options.temporaryTag}-${what}-${layers}`;
    this.#names.add(name);
    return name;
  }

  /** How near the host is, is asked only where it makes a difference. */
  async #endOfPart(have: number): Promise<number> {
    if (this.#trust === 'nothing') {
      return this.#image.layers.length;
    }
    const { sizes } = this.#source;
    const end = endOfPart(sizes, have, this.#bytesPerMs ?? 0);
    if (this.#bytesPerMs !== undefined || end >= this.#image.layers.length) {
      return end;
    }
    this.#bytesPerMs = likelySpeed(await this.#target.ping(this.#signal));
    return endOfPart(sizes, have, this.#bytesPerMs);
  }

  #result(): TransferResult {
    const skippedLayers = this.#skipped ?? 0;
    return {
      sentBytes: this.#sent.bytes,
      sentLayers: this.#image.layers.length - skippedLayers,
      skippedLayers,
      full: skippedLayers === 0,
      ...(this.#reason !== undefined && { reason: this.#reason }),
    };
  }

  /** Sends an archive, and looks whether all of the layers are there then. */
  async #send(archive: Archive): Promise<void> {
    const { upTo, tag } = archive;
    this.#tagUsed ||= tag === this.#options.temporaryTag;
    await this.#sendInAnyWay(archive);
    const loaded = await inspectStored(this.#target, tag, this.#signal);
    if (loaded === undefined || !this.#isPart(loaded.image, upTo)) {
      throw new IncompleteError(t('The layers on the host were not those of the image.'));
    }
    if (!loaded.complete) {
      throw new IncompleteError(t('A part of the image was missing on the host.'));
    }
  }

  /** True when the target has all of so many lowest layers as an image of this name. */
  async #isThere(upTo: number, tag: string): Promise<boolean> {
    const stored = await inspectStored(this.#target, tag, this.#signal);
    return stored?.complete === true && this.#isPart(stored.image, upTo);
  }

  #isPart(image: ImageDetails, upTo: number): boolean {
    return hasSameContent(image, { ...this.#image, layers: this.#image.layers.slice(0, upTo) });
  }

  async #sendInAnyWay(archive: Archive): Promise<void> {
    for (;;) {
      try {
        await this.#sendOnce(archive);
        return;
      } catch (error) {
        if (!(await this.#source.readOtherwise(error))) {
          throw error;
        }
      }
    }
  }

  async #sendOnce(archive: Archive): Promise<void> {
    const { have, upTo, onRead } = archive;
    const reading = await this.#source.reading({
      have,
      upTo,
      needsNoSizes: this.#target.info.store === 'layers',
      bytesThere: this.#bytesThere,
    });
    const begin = performance.now();
    let sent: SentBytes = { bytes: 0, rawBytes: 0, compression: '' };
    await sendImage(
      {
        ...archive,
        ...reading,
        source: this.#source.engine,
        target: this.#target,
        image: this.#image,
        onRead: () => {
          this.#bytesPerMs = speedOf(sent, performance.now() - begin);
          onRead();
        },
        onProgress: (now) => {
          this.#sent = {
            bytes: this.#sent.bytes + now.bytes - sent.bytes,
            rawBytes: this.#sent.rawBytes + now.rawBytes - sent.rawBytes,
          };
          sent = now;
          this.#tellProgress(have, sent);
        },
      },
      this.#signal,
    );
  }

  /** @param now bytes of the archive under way, which leaves out so many lowest layers. */
  #tellProgress(have: number, now: SentBytes): void {
    const skipped = this.#skipped ?? 0;
    const { sizes } = this.#source;
    const { bytes, rawBytes } = this.#sent;
    const left = sizes === undefined ? undefined : sum(sizes.slice(have)) - now.rawBytes;
    this.#options.onProgress({
      bytes,
      totalBytes: estimate(bytes, rawBytes, left),
      // After a loss the target may have less than at the beginning.
      layersSent: Math.max(0, this.#have - skipped),
      layersSkipped: skipped,
      compression: now.compression,
    });
  }

  /** Bytes that the target needs beside so many lowest layers. It unpacks what it takes in: for a while it holds it twice. */
  #roomFor(have: number): number {
    return 2 * sum(this.#source.sizes?.slice(have) ?? []);
  }

  #askFreeBytes(needed: number): void {
    if (needed >= SURELY_FITS) {
      this.#freeBytes ??= this.#options.freeBytes?.(this.#signal);
      // It may fail while nobody waits for it.
      this.#freeBytes?.catch(() => undefined);
    }
  }

  async #refuseFullDisk(): Promise<void> {
    const needed = this.#roomFor(this.#have);
    this.#askFreeBytes(needed);
    const free = needed < SURELY_FITS ? undefined : await this.#freeBytes;
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

  /** Takes the temporary tag away, and these names. */
  async #removeNames(others: ReadonlySet<string>): Promise<void> {
    const limit = AbortSignal.timeout(CLEAN_UP_MS);
    const names = [...(this.#tagUsed ? [this.#options.temporaryTag] : []), ...others];
    try {
      await Promise.all(names.map((name) => removeImage(this.#target, name, limit)));
    } catch {
      this.#options.onNote(
        t('A temporary name was left on {0}. The next deployment removes it.', this.#target.description),
      );
    }
  }
}

/** Waits for all of them, whatever becomes of any. */
async function firstFailure(all: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(all)) {
    if (result.status === 'rejected') {
      throw result.reason;
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
