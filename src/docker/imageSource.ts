import type { Readable } from 'node:stream';
import { type Codec, GZIP } from './compression';
import type { DockerEngine } from './engine';
import { type ImageDetails, layerSizes } from './images';
import { onAbort } from './limits';
import { blobName } from './ociLayout';
import { sum } from './parts';
import type { LayerToSend } from './packedLayer';
import { learnLayers, MAX_UNPACKED, NotPushedError, PushedAhead, pushedLayout, readPushed } from './pushedImage';
import {
  openSaved,
  readLayout,
  readSaved,
  SavedAhead,
  type SavedLayout,
  sourceFailure,
  UnknownLayerError,
} from './savedImage';

/** Bytes of layers that are had sooner by a push than by an archive, whatever else the image holds. */
const LITTLE = 4 * 1024 * 1024;
/** What layers are when compressed, at the most: those that do not shrink have an archive's headers beside their files. */
const AT_MOST = 1.1;
/** So many times as fast as it compresses layers for a push an engine writes them to its disk for an archive. */
const ARCHIVE_IS_FASTER = 4;

/** Which layers are read, and for whom. */
export interface Range {
  /** Lowest layers that the target has. */
  readonly have: number;
  /** Lowest layers that it has afterwards. */
  readonly upTo: number;
  /** Whether the target takes a layer as one of its own without being told its size. */
  readonly needsNoSizes: boolean;
  /** Bytes of the layers that it has, where they are known. */
  readonly bytesThere: readonly number[] | undefined;
}

/** One way to read a range of layers. */
export interface Reading {
  /** Where things are in the archive that is made of it, where that is known beforehand. */
  readonly layout: SavedLayout | undefined;
  /** What packed pieces among them are made with, so that the whole archive has to be. Undefined when there are none. */
  readonly codec?: Codec;
  /** Hands over layers, the wanted ones at least, one after the other, and returns the image's configuration. */
  readonly read: (
    wanted: ReadonlySet<number>,
    onLayer: (layer: LayerToSend) => Promise<void>,
    signal: AbortSignal,
  ) => Promise<Buffer>;
}

/**
 * An image of an engine, and the way in which its layers are read. An engine of this machine pushes single layers to this
 * process (`pushedImage.ts`); everything else, and whatever a push would be slower for, is read from the archive of
 * `docker save`.
 */
export class ImageSource {
  readonly engine: DockerEngine;
  readonly #reference: string;
  readonly #image: ImageDetails;
  readonly #control = new AbortController();
  readonly #signal = this.#control.signal;
  readonly #release: () => void;
  #preparing: Promise<void> | undefined;
  #layout: SavedLayout | undefined;
  #sizes: readonly number[] | undefined;
  #mayPush: boolean;
  /** By an engine that keeps layers. */
  #push: PushedAhead | undefined;
  #archive: SavedAhead | undefined;

  constructor(engine: DockerEngine, reference: string, image: ImageDetails, signal: AbortSignal) {
    this.engine = engine;
    this.#reference = reference;
    this.#image = image;
    this.#release = onAbort(signal, () => this.#control.abort(signal.reason));
    this.#mayPush = engine.isHere;
  }

  /** Whether a push is worth a try. It weighs so little that it may be begun in vain, which an archive does not. */
  get mayPush(): boolean {
    return this.#mayPush;
  }

  /** Where things are in what is read, as far as one layout holds for all of it. */
  get layout(): SavedLayout | undefined {
    return this.#layout;
  }

  /** Bytes of each layer before compression, where that is known. */
  get sizes(): readonly number[] | undefined {
    return this.#sizes;
  }

  /**
   * Begins what takes its time before it is known which layers are needed, and learns what can be told of them. It may
   * fail while nobody waits for it.
   */
  prepare(): Promise<void> {
    this.#preparing = this.#prepare();
    this.#preparing.catch(() => undefined);
    return this.#preparing;
  }

  async #prepare(): Promise<void> {
    if (this.#keepsBlobs) {
      // It hands layers out as it keeps them, often compressed: only the table of contents tells which is which.
      this.#layout ??= await this.#findLayout();
    } else if (this.#mayPush) {
      this.#push ??= new PushedAhead(this.engine, this.#reference, this.#image, this.#signal);
    } else {
      this.#readAhead();
    }
    this.#sizes ??= this.#layout?.sizes ?? (await this.#askForSizes());
  }

  /** As `prepare` where the engine itself could not tell the sizes: reads the archive for them. */
  async measure(): Promise<void> {
    if (this.#sizes === undefined) {
      this.#layout = await this.#findLayout();
      this.#sizes = this.#layout.sizes;
    }
  }

  /** The best way to read these layers. */
  async reading(range: Range): Promise<Reading> {
    const layout = this.#layout;
    if (this.#keepsBlobs && this.#mayPush && layout !== undefined) {
      return { layout, read: (...to) => readPushed(this.engine, this.#reference, this.#image, layout, ...to) };
    }
    return (await this.#readingOfPush(range)) ?? { layout, read: (...to) => this.#readArchive(range, ...to) };
  }

  /** After a failed reading: whether there is another way. */
  async readOtherwise(error: unknown): Promise<boolean> {
    const isUnknown = error instanceof UnknownLayerError && this.#layout === undefined;
    if (!(error instanceof NotPushedError || isUnknown)) {
      return false;
    }
    this.#giveUpPush();
    if (isUnknown || this.#keepsBlobs) {
      this.#layout = await this.#findLayout();
    }
    return true;
  }

  /**
   * Nothing more is read. When it returns, the engine is left as it was; what it returns is work for the time after the
   * transfer, which lets the engine push next time, and which never rejects.
   */
  async close(): Promise<((signal: AbortSignal) => Promise<void>) | undefined> {
    this.#release();
    this.#control.abort();
    this.#archive?.drop();
    await this.#preparing?.catch(() => undefined);
    const mayLearn = await this.#push?.drop();
    return mayLearn === true ? (signal) => learnLayers(this.engine, this.#reference, signal) : undefined;
  }

  get #keepsBlobs(): boolean {
    return this.engine.info.store === 'containerd';
  }

  /** By an engine that keeps layers; undefined where the archive is the better way. */
  async #readingOfPush({ have, needsNoSizes, bytesThere }: Range): Promise<Reading | undefined> {
    const push = this.#push;
    if (push === undefined || !this.#mayPush) {
      return undefined;
    }
    const bytes = sum(this.#sizes?.slice(have) ?? [Infinity]);
    const isLittle = bytes < LITTLE || (bytes < MAX_UNPACKED && bytes * ARCHIVE_IS_FASTER < sum(this.#sizes ?? []));
    // containerd's store goes by the sizes that it is told, and hands nothing on whose size is another.
    const sizes = needsNoSizes ? [] : bytesThere;
    const isDescribed = needsNoSizes || sizes?.length === have;
    // More than that, and it compresses layers that nobody needs.
    if (!isLittle || !isDescribed || !(await push.endsWithin(Math.max(LITTLE, bytes * AT_MOST)))) {
      this.#giveUpPush();
      return undefined;
    }
    this.#archive?.drop();
    this.#archive = undefined;
    const layers = this.#image.layers.map(blobName);
    return {
      layout: { layers, config: blobName(this.#image.id), sizes: sizes ?? [] },
      // Little is smaller when it is compressed with all the rest of the archive.
      ...(bytes < LITTLE
        ? { read: (wanted, onLayer) => push.read(wanted, onLayer) }
        : { codec: GZIP, read: (wanted, onLayer) => push.readPacked(wanted, onLayer) }),
    };
  }

  #giveUpPush(): void {
    this.#mayPush = false;
    this.#readAhead();
    void this.#push?.drop();
  }

  /** Asks for the archive that is needed next. An engine with containerd's store has it at hand at any time. */
  #readAhead(): void {
    if (!this.#keepsBlobs) {
      this.#archive ??= new SavedAhead(this.engine, this.#reference);
    }
  }

  async #readArchive(range: Range, ...[, onLayer, signal]: Parameters<Reading['read']>): Promise<Buffer> {
    const saved = await this.#openArchive(signal);
    if (range.upTo < this.#image.layers.length) {
      // The engine is done with writing this one out, and has time for the next.
      this.#readAhead();
    }
    return readSaved(saved, this.#image.layers, this.#image.id, this.#layout, onLayer);
  }

  async #openArchive(signal: AbortSignal): Promise<Readable> {
    const archive = this.#archive;
    this.#archive = undefined;
    try {
      if (archive !== undefined) {
        return await archive.take(signal);
      }
    } catch (error) {
      // There may have been too little room for two archives at once.
      if (signal.aborted) {
        throw error;
      }
    }
    return openSaved(this.engine, this.#reference, signal);
  }

  async #findLayout(): Promise<SavedLayout> {
    if (this.#mayPush && this.#keepsBlobs) {
      try {
        return await pushedLayout(this.engine, this.#reference, this.#image, this.#signal);
      } catch (error) {
        if (!(error instanceof NotPushedError)) {
          throw error;
        }
        this.#mayPush = false;
      }
    }
    try {
      return await readLayout(await this.#openArchive(this.#signal));
    } catch (error) {
      throw sourceFailure(this.engine, error, this.#signal);
    }
  }

  async #askForSizes(): Promise<readonly number[] | undefined> {
    try {
      return await layerSizes(this.engine, this.#reference, this.#image.layers.length, this.#signal);
    } catch (error) {
      throw sourceFailure(this.engine, error, this.#signal);
    }
  }
}
