import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer as readBuffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { DockerEngine } from './engine';
import { type ImageDetails, removeImage, tagImage } from './images';
import { array, type Json, number, object, text, texts } from './json';
import { onAbort } from './limits';
import { blobName, digestOf, LAYER_TYPE } from './ociLayout';
import { INCOMING } from './parts';
import { pushImage } from './registry';
import type { SavedLayer, SavedLayout } from './savedImage';

/** Milliseconds after which an engine that was told to push here, and did not come, cannot reach this machine's ports. */
const COMES_WITHIN_MS = 5_000;
/** Milliseconds for taking the name away again under which the image was pushed. */
const CLEAN_UP_MS = 15_000;

/**
 * Milliseconds in which an engine that keeps layers has pushed an image whose layers it knows. Until then nothing is asked
 * of `docker save`, which takes about as long for its first byte.
 */
const SOON_MS = 1_000;
/** Compressed bytes of layers that such an engine does not know: fewer than that are no reason to look further. */
const FEW_BYTES = 1024 * 1024;
/** Bytes of layers, uncompressed, that are held in memory. */
export const MAX_HELD = 4 * 1024 * 1024;

/** The engine cannot push to here, or what it pushed is not what was asked for. `docker save` has it all the same. */
export class NotPushedError extends Error {
  override readonly name: string = 'NotPushedError';
}

/** An engine that keeps layers does not know yet what some of them are when compressed. */
export class NotLearnedError extends NotPushedError {
  override readonly name = 'NotLearnedError';
}

/**
 * Where things are in an image, without any of its layers. The image is pushed to this process, which says that it has
 * each blob; so only the manifests come. `docker save` of an engine with containerd's store would send all layers first,
 * and reads them as slowly as 70 MB/s; an engine that keeps layers writes them all to its disk first.
 * @throws NotPushedError; NotLearnedError when an engine that keeps layers would have to compress much for it.
 */
export async function pushedLayout(
  engine: DockerEngine,
  reference: string,
  image: ImageDetails,
  signal: AbortSignal,
): Promise<SavedLayout> {
  const nothing: Push = { wants: () => false, onBlob: () => Promise.resolve() };
  const push = engine.info.store === 'layers' ? { ...nothing, maxBytes: FEW_BYTES, limitMs: SOON_MS } : nothing;
  const manifests = await receive(engine, reference, push, signal);
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

/**
 * Has an engine that keeps layers compress those that it has never pushed nor pulled, so that it knows their digests from
 * now on. What comes of it goes nowhere. It remembers each layer that was finished before the signal ended the rest.
 */
export async function learnLayers(engine: DockerEngine, reference: string, signal: AbortSignal): Promise<void> {
  try {
    await receive(engine, reference, { wants: () => false, onBlob: () => Promise.resolve() }, signal);
  } catch {
    // The next deployment is no slower than this one was.
  }
}

/**
 * Has an engine push these layers of an image to here, and nothing else but the configuration, which is returned.
 * `onLayer` gets one layer after the other, in whatever order they come. What an engine that keeps layers has compressed
 * for the push comes as the engine keeps it.
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
    wants: (digest) => missing.has(blobName(digest)),
    onBlob: async (digest, size, content) => {
      const name = blobName(digest);
      if (name === layout.config) {
        config = await readBuffer(content);
      } else if (missing.has(name)) {
        const layer = { index: layout.layers.indexOf(name), size, content };
        await onLayer(engine.info.store === 'layers' ? await unpacked(layer, image) : layer);
      }
      missing.delete(name);
    },
    ...(engine.info.store === 'layers' && { holds: true, maxBytes: MAX_HELD }),
  };
  await receive(engine, reference, push, signal);
  const layers = config && texts(object(parse(config)['rootfs'])['diff_ids']);
  const whole = missing.size === 0 && layers?.join() === image.layers.join();
  if (config === undefined || !whole || blobName(digestOf(config)) !== layout.config) {
    throw new NotPushedError();
  }
  return config;
}

/** @throws NotPushedError when it is not that layer of the image. */
async function unpacked({ index, content }: SavedLayer, image: ImageDetails): Promise<SavedLayer> {
  const packed = await readBuffer(content);
  const layer = await promisify(gunzip)(packed, { maxOutputLength: 2 * MAX_HELD }).catch((cause: unknown) => {
    throw new NotPushedError(undefined, { cause });
  });
  if (digestOf(layer) !== image.layers[index]) {
    throw new NotPushedError();
  }
  return { index, size: layer.length, content: Readable.from([layer]) };
}

interface Push {
  /** Whether a blob is to be pushed. */
  readonly wants: (digest: string) => boolean;
  /** Called for one blob after the other; reads `content` to its end. */
  readonly onBlob: (digest: string, size: number, content: AsyncIterable<Uint8Array>) => Promise<void>;
  /** Blobs that come before their digests are told are held until then; otherwise they go nowhere. */
  readonly holds?: boolean;
  /** Bytes of such blobs after which it is given up. */
  readonly maxBytes?: number;
  /** Milliseconds after which it is given up. */
  readonly limitMs?: number;
}

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
  const late = setTimeout(() => fail(new NotPushedError()), COMES_WITHIN_MS);
  const tooLate = push.limitMs === undefined ? undefined : setTimeout(() => fail(new NotLearnedError()), push.limitMs);
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
    await tagImage(engine, reference, name, stop.signal);
    try {
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
    clearTimeout(tooLate);
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
    const held = uploads.taken(url.pathname);
    const size = held?.length ?? Number(request.headers['content-length']);
    const content = held === undefined ? (request as AsyncIterable<Uint8Array>) : Readable.from([held]);
    await push.onBlob(digest, size, content);
    say(201, { 'Docker-Content-Digest': digest });
  } else {
    say(405);
  }
}

/** Blobs whose digests are told when they have come: an engine that keeps layers compresses them for the push. */
class Uploads {
  readonly #push: Push;
  readonly #held = new Map<string, Buffer>();
  #bytes = 0;

  constructor(push: Push) {
    this.#push = push;
  }

  /** Returns how many bytes there were. */
  async take(place: string, content: AsyncIterable<Buffer>): Promise<number> {
    const { holds = false, maxBytes = Infinity } = this.#push;
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of content) {
        bytes += chunk.length;
        this.#bytes += chunk.length;
        if (this.#bytes > maxBytes) {
          throw new NotLearnedError();
        }
        if (holds) {
          chunks.push(chunk);
        }
      }
    } catch (cause) {
      throw cause instanceof NotPushedError ? cause : new NotPushedError(undefined, { cause });
    }
    this.#held.set(place, Buffer.concat(chunks));
    return bytes;
  }

  taken(place: string): Buffer | undefined {
    return this.#held.get(place);
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
