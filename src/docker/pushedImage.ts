import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer as readBuffer } from 'node:stream/consumers';
import type { DockerEngine } from './engine';
import { type ImageDetails, removeImage, tagImage } from './images';
import { array, type Json, number, object, text, texts } from './json';
import { onAbort } from './limits';
import { blobName, digestOf, LAYER_TYPE, layerType } from './ociLayout';
import { type LayerToSend, PackedLayer } from './packedLayer';
import { INCOMING } from './parts';
import { pushImage } from './registry';
import type { SavedLayer, SavedLayout } from './savedImage';

/** Milliseconds after which an engine that was told to push here, and did not come, cannot reach this machine's ports. */
const COMES_WITHIN_MS = 5_000;
/** The same for an engine that needs a second or two for the first byte of its archive. One that is refused says so at once. */
const COMES_SOON_MS = 3_000;
/** Limit for giving the image the name under which it is pushed, in milliseconds. */
const TAG_LIMIT_MS = 15_000;
/** Milliseconds for taking the name away again under which the image was pushed. */
const CLEAN_UP_MS = 15_000;
/** Compressed bytes of layers that are held in memory. */
const MAX_HELD = 32 * 1024 * 1024;
/** Bytes that layers have at the most, so that it is worth while to have them compressed and held. */
export const MAX_UNPACKED = 64 * 1024 * 1024;

/** The engine cannot push to here, or what it pushed is not what was asked for. `docker save` has it all the same. */
export class NotPushedError extends Error {
  override readonly name: string = 'NotPushedError';
}

/** An engine that keeps layers does not know yet what some of them are when compressed. */
export class NotLearnedError extends NotPushedError {
  override readonly name = 'NotLearnedError';
}

/**
 * Where things are in an image of an engine with containerd's store, without any of its layers. The image is pushed to this
 * process, which says that it has each blob; so only the manifests come. `docker save` would send all layers first, and
 * reads them as slowly as 70 MB/s.
 * @throws NotPushedError
 */
export async function pushedLayout(
  engine: DockerEngine,
  reference: string,
  image: ImageDetails,
  signal: AbortSignal,
): Promise<SavedLayout> {
  return layoutOf(await receive(engine, reference, wantsNothing, signal), image);
}

/**
 * Has an engine with containerd's store push these layers of an image to here, and nothing else but the configuration,
 * which is returned. `onLayer` gets one layer after the other, in whatever order they come.
 * @throws NotPushedError; whatever `onLayer` throws.
 */
export async function readPushed(
  engine: DockerEngine,
  reference: string,
  image: ImageDetails,
  layout: SavedLayout,
  wanted: ReadonlySet<number>,
  onLayer: (layer: SavedLayer) => Promise<void>,
  signal: AbortSignal,
): Promise<Buffer> {
  const missing = new Set([...wanted].map((index) => layout.layers[index] ?? '').concat(layout.config));
  let config: Buffer | undefined;
  const push: Push = {
    ...wantsNothing,
    wants: (digest) => missing.has(blobName(digest)),
    onBlob: async (digest, { size, content }) => {
      const name = blobName(digest);
      if (name === layout.config) {
        config = await readBuffer(content);
      } else if (missing.has(name)) {
        await onLayer({ index: layout.layers.indexOf(name), size, content });
      }
      missing.delete(name);
    },
  };
  await receive(engine, reference, push, signal);
  const layers = config && texts(object(parse(config)['rootfs'])['diff_ids']);
  const whole = missing.size === 0 && layers?.join() === image.layers.join();
  if (config === undefined || !whole || blobName(digestOf(config)) !== layout.config) {
    throw new NotPushedError();
  }
  return config;
}

/** What an engine that keeps layers has pushed of an image: its table of contents, and blobs. */
interface HeldImage {
  readonly layout: SavedLayout;
  readonly config: Buffer;
  /** By name, as in the layout. */
  readonly blobs: ReadonlyMap<string, readonly Buffer[]>;
}

/**
 * A push by an engine that keeps layers, begun before it is known which of them are needed. Those that it has never pushed
 * nor pulled it compresses, as it cannot tell their digests otherwise: they come, and are held. Of those that it knows it
 * tells the digests; `read` has it push them, where they are needed. They are unpacked, or go into the archive as they are
 * in the place of what they unpack to: so a host gets each layer as the same blob whichever way it was read here.
 */
export class PushedAhead {
  readonly #engine: DockerEngine;
  readonly #reference: string;
  readonly #image: ImageDetails;
  readonly #control = new AbortController();
  readonly #release: () => void;
  readonly #held: Promise<HeldImage>;
  #maxBytes = MAX_HELD;

  constructor(engine: DockerEngine, reference: string, image: ImageDetails, signal: AbortSignal) {
    this.#engine = engine;
    this.#reference = reference;
    this.#image = image;
    this.#release = onAbort(signal, () => this.#control.abort(signal.reason));
    this.#held = this.#hold(new Set());
    // It may fail while nobody waits for it.
    this.#held.catch(() => undefined);
  }

  /** Waits for the end of the push. False when there were more compressed bytes than these, or when it failed. */
  async endsWithin(maxBytes: number): Promise<boolean> {
    this.#maxBytes = Math.min(this.#maxBytes, maxBytes);
    return this.#held.then(
      () => true,
      () => false,
    );
  }

  /** Hands over these layers, one after the other, and returns the image's configuration. */
  read(wanted: ReadonlySet<number>, onLayer: (layer: LayerToSend) => Promise<void>): Promise<Buffer> {
    return this.#read(wanted, async (layer, index) => {
      const content = await layer.unpack().catch((cause: unknown) => {
        throw new NotPushedError(undefined, { cause });
      });
      await onLayer({ index, size: content.length, content: Readable.from([content]) });
    });
  }

  /** As `read`, packed with gzip. */
  readPacked(wanted: ReadonlySet<number>, onLayer: (layer: LayerToSend) => Promise<void>): Promise<Buffer> {
    return this.#read(wanted, (layer, index) =>
      onLayer({ index, size: layer.bytes, content: Readable.from(layer.pieces()) }),
    );
  }

  async #read(
    wanted: ReadonlySet<number>,
    onLayer: (layer: PackedLayer, index: number) => Promise<void>,
  ): Promise<Buffer> {
    const { layout, config, blobs } = await this.#held;
    const names = new Map([...wanted].map((index) => [index, layout.layers[index] ?? '']));
    const missing = new Set([...names.values()].filter((name) => !blobs.has(name)));
    const more = missing.size === 0 ? undefined : await this.#hold(missing);
    for (const [index, name] of names) {
      const held = blobs.get(name) ?? more?.blobs.get(name);
      const layer = new PackedLayer(held ?? []);
      if (held === undefined || layerType(held[0]) !== `${LAYER_TYPE}+gzip` || layer.bytes > 2 * MAX_UNPACKED) {
        throw new NotPushedError();
      }
      await onLayer(layer, index);
    }
    return config;
  }

  /** Nobody is going to read it. True when the engine would push more readily once it has compressed all layers. */
  async drop(): Promise<boolean> {
    this.#control.abort();
    this.#release();
    try {
      await this.#held;
      return false;
    } catch (error) {
      return error instanceof NotLearnedError || !(error instanceof NotPushedError);
    }
  }

  /** @param wanted names of layers, beside those that the engine does not know. */
  async #hold(wanted: ReadonlySet<string>): Promise<HeldImage> {
    const blobs = new Map<string, Buffer[]>();
    const configName = blobName(this.#image.id);
    const push: Push = {
      wants: (digest) => {
        const name = blobName(digest);
        return (name === configName || wanted.has(name)) && !blobs.has(name);
      },
      holds: (bytes) => bytes <= this.#maxBytes,
      onBlob: async (digest, { content }) => {
        const chunks: Buffer[] = [];
        for await (const chunk of content) {
          chunks.push(chunk);
        }
        blobs.set(blobName(digest), chunks);
      },
      comesWithinMs: COMES_SOON_MS,
    };
    const manifests = await receive(this.#engine, this.#reference, push, this.#control.signal);
    const config = Buffer.concat(blobs.get(configName) ?? []);
    if (digestOf(config) !== this.#image.id) {
      throw new NotPushedError();
    }
    return { layout: layoutOf(manifests, this.#image), config, blobs };
  }
}

/**
 * Has an engine that keeps layers compress those that it has never pushed nor pulled, so that it knows their digests from
 * now on. What comes of it goes nowhere. It remembers each layer that was finished before the signal ended the rest.
 */
export async function learnLayers(engine: DockerEngine, reference: string, signal: AbortSignal): Promise<void> {
  try {
    await receive(engine, reference, wantsNothing, signal);
  } catch {
    // The next deployment is no slower than this one was.
  }
}

/** @throws NotPushedError when none of the manifests is that of the image. */
function layoutOf(manifests: readonly Buffer[], image: ImageDetails): SavedLayout {
  const byDigest = new Map(manifests.map((content) => [digestOf(content), parse(content)]));
  const ofConfig = [...byDigest.values()].find((it) => text(object(it['config'])['digest']) === image.id);
  const top = byDigest.get(image.id) ?? ofConfig ?? {};
  const listed = array(top['manifests']).map(object);
  const found =
    listed.length === 0 ? [top] : listed.filter((it) => isFor(it, image)).map((it) => byDigest.get(text(it['digest'])));
  const manifest = found.find((it) => it !== undefined && array(it['layers']).length === image.layers.length);
  if (manifest === undefined) {
    throw new NotPushedError();
  }
  const layers = array(manifest['layers']).map(object);
  return {
    layers: layers.map((layer) => blobName(text(layer['digest']))),
    config: blobName(text(object(manifest['config'])['digest'])),
    sizes: layers.map((layer) => number(layer['size'])),
    mediaTypes: layers.map((layer) => ociType(text(layer['mediaType']))),
  };
}

interface PushedBlob {
  readonly size: number;
  readonly content: AsyncIterable<Buffer>;
}

interface Push {
  /** Whether a blob is to be pushed. */
  readonly wants: (digest: string) => boolean;
  /** Called for one blob after the other; reads `content` to its end. */
  readonly onBlob: (digest: string, blob: PushedBlob) => Promise<void>;
  /**
   * Whether so many bytes of blobs are held that come before their digests are told; false gives the push up. Without it
   * they go nowhere.
   */
  readonly holds?: (bytes: number) => boolean;
  /** Milliseconds in which the engine has to come. */
  readonly comesWithinMs: number;
}

const wantsNothing: Push = {
  wants: () => false,
  onBlob: () => Promise.resolve(),
  comesWithinMs: COMES_WITHIN_MS,
};

/**
 * Where an engine pushes to: a port, and a name on it that is a secret between the two, so that no other program of this
 * machine can take part. Who may ask the engine for its id may ask it for everything. Always the same, because an engine
 * notes at each layer and blob where it was pushed to: the last fifty names, or all.
 */
function meetingPlace(engine: DockerEngine): { readonly port: number; readonly path: string } {
  const id = engine.info.id || randomBytes(16).toString('hex');
  const hash = createHash('sha256').update(`${INCOMING} ${id}`).digest();
  // Below those that a system gives to whoever asks for any.
  return { port: 20_000 + (hash.readUInt16BE(0) % 12_000), path: `${INCOMING}/${hash.toString('hex', 2, 18)}` };
}

/** Whether an image has this name for a push to here. A process that is killed in the middle of one leaves it behind. */
export function isPushName(name: string): boolean {
  return /^127\.0\.0\.1:\d+\//.test(name) && name.includes(`/${INCOMING}/`);
}

/** Listens on 127.0.0.1: on this port, or on another one where it is taken. Returns the port. */
async function listen(server: http.Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  return (server.address() as AddressInfo).port;
}

/** Has the engine push an image to this process, as to a registry (OCI distribution specification). Returns all manifests. */
async function receive(engine: DockerEngine, reference: string, push: Push, signal: AbortSignal): Promise<Buffer[]> {
  const { port, path } = meetingPlace(engine);
  const manifests: Buffer[] = [];
  const uploads = new Uploads(push);
  const stop = new AbortController();
  let failure: Error | undefined;
  const fail = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(String(error));
    stop.abort();
  };
  const release = onAbort(signal, () => stop.abort(signal.reason));
  const late = setTimeout(() => fail(new NotPushedError()), push.comesWithinMs);
  let turn = Promise.resolve();
  const server = http.createServer((request, response) => {
    clearTimeout(late);
    const onBlob: Push['onBlob'] = (...blob) => (turn = turn.then(() => push.onBlob(...blob)));
    answer(request, response, path, { ...push, onBlob }, uploads, manifests).catch((error: unknown) => {
      fail(error);
      response.destroy();
    });
  });
  // A layer may wait its turn, and then for the line, for as long as it takes.
  server.requestTimeout = 0;
  try {
    const name = `127.0.0.1:${await listen(server, port)}/${path}`;
    try {
      // Not cut by a cancel: the engine might give the name after it was taken away.
      await tagImage(engine, reference, name, AbortSignal.timeout(TAG_LIMIT_MS));
      await pushImage(engine, name, undefined, () => undefined, stop.signal);
    } finally {
      await removeImage(engine, name, AbortSignal.timeout(CLEAN_UP_MS)).catch(() => undefined);
    }
    if (failure !== undefined) {
      throw failure;
    }
    return manifests;
  } catch (error) {
    throw failure ?? (signal.aborted ? error : new NotPushedError(undefined, { cause: error }));
  } finally {
    clearTimeout(late);
    release();
    server.closeAllConnections();
    server.close();
  }
}

async function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  path: string,
  push: Push,
  uploads: Uploads,
  manifests: Buffer[],
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://registry');
  const [, name, kind, what = ''] = /^\/v2\/(.+)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
  const say = (status: number, headers: http.OutgoingHttpHeaders = {}): void => {
    response.writeHead(status, { 'Content-Length': 0, ...headers }).end();
  };
  if (kind === undefined) {
    say(url.pathname === '/v2/' ? 200 : 404);
  } else if (name !== path) {
    say(403);
  } else if (request.method === 'HEAD') {
    say(kind === 'blobs' && !push.wants(what) ? 200 : 404);
  } else if (request.method === 'POST') {
    say(202, { Location: `${url.pathname.replace(/\/$/, '')}/${randomBytes(8).toString('hex')}` });
  } else if (request.method === 'PUT' && kind === 'manifests') {
    const content = await readBuffer(request);
    manifests.push(content);
    say(201, { 'Docker-Content-Digest': digestOf(content) });
  } else if (request.method === 'PATCH') {
    const bytes = await uploads.take(url.pathname, request as AsyncIterable<Buffer>);
    say(202, { Location: url.pathname, Range: `0-${bytes - 1}` });
  } else if (request.method === 'PUT') {
    const digest = url.searchParams.get('digest') ?? '';
    const size = Number(request.headers['content-length']);
    const coming = { size, content: request as AsyncIterable<Buffer> };
    await push.onBlob(digest, uploads.taken(url.pathname) ?? coming);
    say(201, { 'Docker-Content-Digest': digest });
  } else {
    say(405);
  }
}

/** Blobs whose digests are told when they have come: an engine that keeps layers compresses them for the push. */
class Uploads {
  readonly #push: Push;
  readonly #held = new Map<string, PushedBlob>();
  #bytes = 0;

  constructor(push: Push) {
    this.#push = push;
  }

  /** Returns how many bytes there were. */
  async take(place: string, content: AsyncIterable<Buffer>): Promise<number> {
    const { holds } = this.#push;
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of content) {
        size += chunk.length;
        this.#bytes += chunk.length;
        if (holds?.(this.#bytes) === false) {
          throw new NotLearnedError();
        }
        if (holds !== undefined) {
          chunks.push(chunk);
        }
      }
      this.#held.set(place, { size, content: Readable.from(chunks) });
    } catch (cause) {
      throw cause instanceof NotPushedError ? cause : new NotPushedError(undefined, { cause });
    }
    return size;
  }

  /** What was held of one of them. It is not kept any longer. */
  taken(place: string): PushedBlob | undefined {
    const held = this.#held.get(place);
    this.#held.delete(place);
    return held;
  }
}

function parse(content: Buffer): Json {
  try {
    return object(JSON.parse(content.toString()));
  } catch {
    return {};
  }
}

function isFor(descriptor: Json, image: ImageDetails): boolean {
  const { os, architecture } = object(descriptor['platform']);
  return os === image.os && architecture === image.architecture;
}

/** Docker has names of its own for the same things. */
function ociType(mediaType: string): string {
  const compression = /(gzip|zstd)$/.exec(mediaType)?.[1];
  return compression === undefined ? LAYER_TYPE : `${LAYER_TYPE}+${compression}`;
}
