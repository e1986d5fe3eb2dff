import type { DockerEngine } from './engine';
import { inspectStored, type StoredImage } from './imageStore';
import { type ImageDetails, type ImageSummary, inspectImage, listImageSummaries } from './images';

/** The images of an engine at one moment. What has been asked is not asked again: the engine may be behind a slow line. */
export class ImageCatalogue {
  readonly #engine: DockerEngine;
  readonly #signal: AbortSignal;
  readonly #details = new Map<string, Promise<ImageDetails | undefined>>();
  readonly #stored = new Map<string, Promise<StoredImage | undefined>>();
  #list: Promise<readonly ImageSummary[]> | undefined;

  constructor(engine: DockerEngine, signal: AbortSignal) {
    this.#engine = engine;
    this.#signal = signal;
  }

  list(): Promise<readonly ImageSummary[]> {
    this.#list ??= listImageSummaries(this.#engine, {}, this.#signal);
    return this.#list;
  }

  /** Undefined for an image that has gone meanwhile. */
  inspect(id: string): Promise<ImageDetails | undefined> {
    const stored = this.#stored.get(id)?.then((it) => it?.image);
    const details = stored ?? this.#details.get(id) ?? inspectImage(this.#engine, id, this.#signal);
    this.#details.set(id, details);
    return details;
  }

  /** Bytes of so many lowest layers, as an image says it that has them, too. Nothing is asked for it. */
  async layerBytes(layers: readonly string[], count: number): Promise<readonly number[] | undefined> {
    return count === 0 ? [] : (await this.#fromHere(layers.slice(0, count)))?.layerBytes?.slice(0, count);
  }

  /** Whether an image that came from here uncompressed has these lowest layers and is complete: their very blobs are there. */
  async hasPlainBlobs(layers: readonly string[]): Promise<boolean> {
    const image = await this.#fromHere(layers);
    return image !== undefined && (await this.inspectStored(image.id))?.complete === true;
  }

  /** Of the images that have been asked about. */
  async #fromHere(layers: readonly string[]): Promise<ImageDetails | undefined> {
    const images = await Promise.all(this.#details.values());
    return images.find((it) => it?.layerBytes !== undefined && layers.every((layer, at) => layer === it.layers[at]));
  }

  /** As `inspect`, and whether the engine has all of it. */
  inspectStored(id: string): Promise<StoredImage | undefined> {
    const stored = this.#stored.get(id) ?? inspectStored(this.#engine, id, this.#signal);
    this.#stored.set(id, stored);
    return stored;
  }
}
