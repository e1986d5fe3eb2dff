import { pipeline, type Readable } from 'node:stream';
import { buffer as readBuffer } from 'node:stream/consumers';
import tar from 'tar-stream';
import { t } from '../l10n';
import { DeployError } from '../model';
import type { DockerEngine } from './engine';
import { imagePath } from './images';
import { DockerError } from './errors';
import { array, object, text, texts } from './json';
import { NO_LIMIT_MS, onAbort, StallLimit } from './limits';
import { Meter } from './meter';
import { chainIds, layerOfV1Folder } from './v1Layers';

/** A configuration or manifest is some kilobytes; what is larger is no such thing. */
const MAX_SMALL = 8 * 1024 * 1024;
/** Docker may write an image to its own disk before the first byte comes: milliseconds. */
const FIRST_BYTE_MS = 15 * 60_000;
/** Milliseconds without a byte, although somebody waits for it, after which Docker counts as stuck. */
const SILENCE_MS = 120_000;

/** One layer's content, as it comes out of the engine. */
export interface SavedLayer {
  /** Position in RootFS.Layers. */
  readonly index: number;
  /** Bytes of the content. */
  readonly size: number;
  /** Must be read to its end before the next one comes. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** Where things are in a saved image. */
export interface SavedLayout {
  /** By position in RootFS.Layers, the name of the layer's entry. */
  readonly layers: readonly string[];
  readonly config: string;
  /** Bytes of each layer's entry, as the archive has it. */
  readonly sizes: readonly number[];
  /** What each layer's entry is, as a manifest says it; where that is not told, its first bytes tell. */
  readonly mediaTypes?: readonly string[];
}

/** The archive holds a layer under a name that says nothing; its table of contents, at the end, has to be read first. */
export class UnknownLayerError extends Error {
  override readonly name = 'UnknownLayerError';
}

/** What went wrong while an image was read, as a failure of the transfer: the target has no part in it. */
export function sourceFailure(source: DockerEngine, error: unknown, signal: AbortSignal): Error {
  const cause = source.explain(error, signal);
  return cause instanceof DeployError && cause.code !== 'docker-unreachable' && cause.code !== 'host-unreachable'
    ? cause
    : new DeployError('transfer', t('The image could not be read from {0}: {1}', source.description, cause.message), {
        hint: t('Look whether Docker runs there, then try again.'),
        cause,
      });
}

/** The stream of `docker save`. It fails when the engine falls silent while it is read. */
export async function openSaved(engine: DockerEngine, reference: string, signal: AbortSignal): Promise<Readable> {
  const late = (): Error => new DockerError(t('Docker on {0} stopped in the middle of the image.', engine.description));
  const stall = new StallLimit(signal, FIRST_BYTE_MS, late);
  const meter = new Meter((it) => stall.alive(it.full ? NO_LIMIT_MS : SILENCE_MS));
  try {
    const request = { method: 'GET' as const, path: `/images/${imagePath(reference)}/get` };
    const saved = await engine.stream(request, stall.signal, FIRST_BYTE_MS);
    // Before the stream itself is broken off, which would only say that it was.
    onAbort(stall.signal, () => meter.destroy(stall.signal.reason as Error));
    return pipeline(saved, meter, () => stall.end());
  } catch (error) {
    stall.end();
    throw error;
  }
}

/**
 * The stream of `docker save`, asked for before anybody can read it: an engine that keeps layers writes the whole image to
 * its own disk before the first byte comes, and meanwhile the target can be asked what it has.
 */
export class SavedAhead {
  readonly #control = new AbortController();
  readonly #saved: Promise<Readable>;

  constructor(engine: DockerEngine, reference: string) {
    this.#saved = openSaved(engine, reference, this.#control.signal);
    // It may fail while nobody waits for it.
    this.#saved.catch(() => undefined);
  }

  /** As `openSaved`; from now on the signal ends it. */
  async take(signal: AbortSignal): Promise<Readable> {
    const release = onAbort(signal, () => this.#control.abort(signal.reason));
    try {
      const saved = await this.#saved;
      saved.once('close', release);
      return saved;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Nobody is going to read it. */
  drop(): void {
    this.#control.abort();
  }
}

interface Entry {
  readonly name: string;
  readonly size: number;
  readonly isFile: boolean;
  readonly content: AsyncIterable<Uint8Array>;
}

async function* entriesOf(saved: Readable): AsyncGenerator<Entry> {
  const extract = tar.extract();
  saved.on('error', (error) => extract.destroy(error));
  saved.pipe(extract);
  try {
    for await (const source of extract) {
      const { name, size, type } = source.header;
      yield {
        name: name.replace(/^\.\//, ''),
        size,
        isFile: type === 'file',
        content: source as AsyncIterable<Uint8Array>,
      };
      source.resume();
    }
  } finally {
    saved.destroy();
  }
}

/** Reads a saved image for its table of contents alone: `manifest.json`, the same in all of Docker's layouts. */
export async function readLayout(saved: Readable): Promise<SavedLayout> {
  const sizes = new Map<string, number>();
  let contents: Buffer | undefined;
  for await (const entry of entriesOf(saved)) {
    sizes.set(entry.name, entry.size);
    if (entry.name === 'manifest.json' && entry.size <= MAX_SMALL) {
      contents = await readBuffer(entry.content);
    }
  }
  if (contents === undefined) {
    throw new Error(t('The saved image has no table of contents.'));
  }
  const [image] = array(JSON.parse(contents.toString()));
  const layers = texts(object(image)['Layers']);
  return { layers, config: text(object(image)['Config']), sizes: layers.map((name) => sizes.get(name) ?? 0) };
}

/**
 * Reads a saved image in one pass. `onLayer` gets each layer once, in the order of the archive, and may leave its
 * content unread. Returns the image's configuration.
 * @param layers the image's RootFS.Layers.
 * @param layout where things are, if that is known; otherwise the entries' names must tell.
 * @throws UnknownLayerError when they do not. Nothing of an unknown layer was handed on then.
 */
export async function readSaved(
  saved: Readable,
  layers: readonly string[],
  configDigest: string,
  layout: SavedLayout | undefined,
  onLayer: (layer: SavedLayer) => Promise<void>,
): Promise<Buffer> {
  const finder = layout === undefined ? new NameFinder(layers, configDigest) : new LayoutFinder(layout);
  let config: Buffer | undefined;
  const seen = new Set<number>();
  for await (const entry of entriesOf(saved)) {
    if (!entry.isFile) {
      continue;
    }
    const place = finder.find(entry.name);
    if (typeof place === 'number') {
      seen.add(place);
      await onLayer({ index: place, size: entry.size, content: entry.content });
    } else if (place !== undefined && entry.size <= MAX_SMALL) {
      const content = await readBuffer(entry.content);
      if (place === 'config') {
        config = content;
      } else {
        finder.learn(entry.name, content);
      }
    }
  }
  const missing = layers.some((layer, index) => !seen.has(index) && !seen.has(layers.indexOf(layer)));
  if (config === undefined || missing) {
    throw new UnknownLayerError(t('The saved image is not in a layout that is known.'));
  }
  return config;
}

/** A position in RootFS.Layers, the configuration, a description to learn from, or nothing of interest. */
type Place = number | 'config' | 'description' | undefined;

interface Finder {
  find(name: string): Place;
  learn(name: string, content: Buffer): void;
}

class LayoutFinder implements Finder {
  readonly #layout: SavedLayout;

  constructor(layout: SavedLayout) {
    this.#layout = layout;
  }

  find(name: string): Place {
    const index = this.#layout.layers.indexOf(name);
    return index >= 0 ? index : name === this.#layout.config ? 'config' : undefined;
  }

  learn(): void {
    // The layout tells everything.
  }
}

/** Tells entries by their names: digests in newer layouts, ids that can be reckoned in Docker's old one. */
class NameFinder implements Finder {
  readonly #layers: readonly string[];
  readonly #config: string;
  readonly #chains: readonly string[];
  readonly #folders = new Map<string, number>();

  constructor(layers: readonly string[], configDigest: string) {
    this.#layers = layers;
    this.#config = configDigest;
    this.#chains = chainIds(layers);
  }

  find(name: string): Place {
    const digest = `sha256:${/^blobs\/sha256\/([0-9a-f]{64})$|^([0-9a-f]{64})\.json$/.exec(name)?.slice(1).join('') ?? ''}`;
    if (digest === this.#config) {
      return 'config';
    }
    const layer = this.#layers.indexOf(digest);
    if (layer >= 0) {
      return layer;
    }
    const [, folder, file] = /^([0-9a-f]{64})\/(json|layer\.tar)$/.exec(name) ?? [];
    if (file === 'json') {
      return 'description';
    }
    if (folder === undefined) {
      return undefined;
    }
    const index = this.#folders.get(folder);
    if (index === undefined) {
      throw new UnknownLayerError(t('The layer {0} is not known.', folder));
    }
    return index;
  }

  learn(name: string, content: Buffer): void {
    const folder = name.slice(0, 64);
    const index = layerOfV1Folder(folder, content.toString(), this.#chains);
    if (index !== undefined) {
      this.#folders.set(folder, index);
    }
  }
}
