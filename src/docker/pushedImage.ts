import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer as readBuffer } from 'node:stream/consumers';
import type { DockerEngine } from './engine';
import { type ImageDetails, removeImage, tagImage } from './images';
import { array, type Json, number, object, text, texts } from './json';
import { onAbort } from './limits';
import { digestOf, LAYER_TYPE } from './ociLayout';
import { INCOMING } from './parts';
import { pushImage } from './registry';
import type { SavedLayer, SavedLayout } from './savedImage';

/** Milliseconds after which an engine that was told to push here, and did not come, cannot reach this machine's ports. */
const COMES_WITHIN_MS = 5_000;
/** Milliseconds for taking the name away again under which the image was pushed. */
const CLEAN_UP_MS = 15_000;

/** The engine cannot push to here, or what it pushed is not what was asked for. `docker save` has it all the same. */
export class NotPushedError extends Error {
  override readonly name = 'NotPushedError';
}

/**
 * Where things are in an image of an engine with containerd's store, without any of its layers: `docker save` would send
 * all of them first, and reads them as slowly as 70 MB/s. The image is pushed to this process, which says that it has
 * each blob; so only the manifests come.
 * @throws NotPushedError.
 */
export async function pushedLayout(
  engine: DockerEngine,
  reference: string,
  image: ImageDetails,
  signal: AbortSignal,
): Promise<SavedLayout> {
  const manifests = await receive(engine, reference, { wants: () => false, onBlob: () => Promise.resolve() }, signal);
  const byDigest = new Map(manifests.map((content) => [digestOf(content), parse(content)]));
  const top = byDigest.get(image.id) ?? {};
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
 * Has an engine push these layers of an image to here, and nothing else but the configuration, which is returned.
 * `onLayer` gets one layer after the other, in whatever order they come.
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
      } else {
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

interface Push {
  /** Whether a blob is to be pushed. */
  readonly wants: (digest: string) => boolean;
  /** Called for one blob after the other; reads `content` to its end. */
  readonly onBlob: (digest: string, size: number, content: AsyncIterable<Uint8Array>) => Promise<void>;
}

/**
 * Has the engine push an image to this process, as to a registry (OCI distribution specification). Returns all manifests.
 * The name is a secret between the two, so that no other program of this machine can take part.
 */
async function receive(engine: DockerEngine, reference: string, push: Push, signal: AbortSignal): Promise<Buffer[]> {
  const secret = randomBytes(16).toString('hex');
  const manifests: Buffer[] = [];
  const stop = new AbortController();
  let failure: Error | undefined;
  const fail = (error: unknown): void => {
    failure ??= error instanceof Error ? error : new Error(String(error));
    stop.abort();
  };
  const release = onAbort(signal, () => stop.abort(signal.reason));
  const late = setTimeout(() => fail(new NotPushedError()), COMES_WITHIN_MS);
  let turn = Promise.resolve();
  const server = http.createServer((request, response) => {
    clearTimeout(late);
    const onBlob: Push['onBlob'] = (...blob) => (turn = turn.then(() => push.onBlob(...blob)));
    answer(request, response, secret, { ...push, onBlob }, manifests).catch((error: unknown) => {
      fail(error);
      response.destroy();
    });
  });
  // A layer may wait its turn, and then for the line, for as long as it takes.
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const name = `127.0.0.1:${(server.address() as AddressInfo).port}/${INCOMING}/${secret}`;
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
    release();
    server.closeAllConnections();
    server.close();
  }
}

async function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  secret: string,
  push: Push,
  manifests: Buffer[],
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://registry');
  const [, name, kind, what = ''] = /^\/v2\/(.+)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
  const say = (status: number, headers: http.OutgoingHttpHeaders = {}): void => {
    response.writeHead(status, { 'Content-Length': 0, ...headers }).end();
  };
  if (kind === undefined) {
    say(url.pathname === '/v2/' ? 200 : 404);
  } else if (name !== `${INCOMING}/${secret}`) {
    say(403);
  } else if (request.method === 'HEAD') {
    say(kind === 'blobs' && !push.wants(what) ? 200 : 404);
  } else if (request.method === 'POST') {
    say(202, { Location: `${url.pathname.replace(/\/$/, '')}/${randomBytes(8).toString('hex')}` });
  } else if (request.method === 'PUT' && kind === 'manifests') {
    const content = await readBuffer(request);
    manifests.push(content);
    say(201, { 'Docker-Content-Digest': digestOf(content) });
  } else if (request.method === 'PUT') {
    const digest = url.searchParams.get('digest') ?? '';
    await push.onBlob(digest, Number(request.headers['content-length']), request as AsyncIterable<Uint8Array>);
    say(201, { 'Docker-Content-Digest': digest });
  } else {
    say(405);
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

function blobName(digest: string): string {
  return digest.replace(/^sha256:/, 'blobs/sha256/');
}

/** Docker has names of its own for the same things. */
function ociType(mediaType: string): string {
  const compression = /(gzip|zstd)$/.exec(mediaType)?.[1];
  return compression === undefined ? LAYER_TYPE : `${LAYER_TYPE}+${compression}`;
}
