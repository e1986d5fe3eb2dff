import type { DockerEngine } from './engine';
import { readExposedPorts } from './containers';
import { isConflict, isNotFound } from './errors';
import { array, type Json, number, object, text, textRecord, texts, time } from './json';

/** How often images are listed again when that fails because one of them was removed meanwhile. */
const LIST_AGAIN = 10;

/** Annotation of an image whose layers came here uncompressed: the bytes of each, lowest first. */
export const LAYER_BYTES = 'blue-green.layer-bytes';

export interface ImageDetails {
  /** Digest of the configuration, or with containerd's store of the manifest or index. */
  readonly id: string;
  readonly tags: readonly string[];
  /** RootFS.Layers: the diff ids of the layers, lowest first. */
  readonly layers: readonly string[];
  /** Bytes of each layer's archive, where containerd's store has an image that came from here (API 1.48 and newer). */
  readonly layerBytes?: readonly number[];
  readonly architecture: string;
  readonly os: string;
  /** TCP ports, ascending. */
  readonly exposedPorts: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Bytes, as the engine counts them. */
  readonly size: number;
  /** What containers of the image are made with (Docker's `Config` object), for comparing two images. */
  readonly config: Json;
}

export interface ImageSummary {
  readonly id: string;
  readonly tags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Seconds since the epoch, as Docker lists it. */
  readonly createdSeconds: number;
}

/** Everything about one image; undefined when there is none of that name or id. */
export async function inspectImage(
  engine: DockerEngine,
  reference: string,
  signal: AbortSignal,
): Promise<ImageDetails | undefined> {
  const answer = await askForImage(engine, reference, {}, signal);
  return answer && readImage(answer);
}

/** `linux/amd64`: what an image's programs are made for, as `EngineInfo.platform` says it of a machine. */
export function platformOf({ os, architecture }: ImageDetails): string {
  return `${os}/${architecture}`;
}

/** What Docker answers about one image; undefined when there is none of that name or id. */
export async function askForImage(
  engine: DockerEngine,
  reference: string,
  query: { readonly manifests?: boolean },
  signal: AbortSignal,
): Promise<Json | undefined> {
  try {
    return object(await engine.get(`/images/${imagePath(reference)}/json`, query, signal));
  } catch (error) {
    if (isNotFound(error)) {
      return undefined;
    }
    throw error;
  }
}

/** Images that carry all the labels (`key` or `key=value`) and match one of the references (`name`, `name:tag`, `*`). */
export async function listImages(
  engine: DockerEngine,
  filter: { readonly labels?: readonly string[]; readonly references?: readonly string[] },
  signal: AbortSignal,
): Promise<ImageDetails[]> {
  const found = await listImageSummaries(engine, filter, signal);
  // An image may be removed between the two questions.
  const details = await Promise.all(found.map(({ id }) => inspectImage(engine, id, signal)));
  return details.filter((image) => image !== undefined);
}

/** As `listImages`, with one request however many images there are. */
export async function listImageSummaries(
  engine: DockerEngine,
  filter: { readonly labels?: readonly string[]; readonly references?: readonly string[] },
  signal: AbortSignal,
): Promise<ImageSummary[]> {
  const filters = JSON.stringify({
    ...(filter.labels !== undefined && { label: filter.labels }),
    ...(filter.references !== undefined && { reference: filter.references }),
  });
  const answer = await listWhileOthersRemove(() =>
    engine.call<unknown>((docker, abortSignal) => docker.listImages({ filters, abortSignal }), signal, 60_000),
  );
  return array(answer).map((item) => {
    const value = object(item);
    return {
      id: text(value['Id']),
      tags: realTags(value['RepoTags']),
      labels: textRecord(value['Labels']),
      createdSeconds: number(value['Created']),
    };
  });
}

/** containerd's store finds no list at all when an image is removed while it makes it. The next one is without that image. */
async function listWhileOthersRemove(list: () => Promise<unknown>): Promise<unknown> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await list();
    } catch (error) {
      if (!isNotFound(error) || attempt >= LIST_AGAIN) {
        throw error;
      }
    }
  }
}

/** Instructions that make a layer even when there is nothing in it, as BuildKit and the builder of old write them. */
const MAKES_LAYER = /^(?:RUN|COPY|ADD|WORKDIR)\b|#\(nop\)\s+(?:COPY|ADD|WORKDIR)\b|^\S*sh -c (?!#\(nop\))/;

interface Step {
  /** Bytes, uncompressed and without what an archive adds. */
  readonly size: number;
  /** Whether there is a layer of it, as far as can be told: the history names steps, and not each of them makes one. */
  readonly isLayer: boolean;
}

/** The steps that an image was built by, the last one first. */
async function stepsOf(engine: DockerEngine, reference: string, signal: AbortSignal): Promise<Step[]> {
  const answer: unknown = await engine.call((docker) => docker.getImage(imagePath(reference)).history(), signal);
  return array(answer)
    .map(object)
    .map((step) => ({ size: number(step['Size']), by: text(step['CreatedBy']) }))
    .map(({ size, by }) => ({ size, isLayer: size > 0 || MAKES_LAYER.test(by) }));
}

/** Bytes of each layer, lowest first, uncompressed and without what an archive adds. Undefined when it cannot be told. */
export async function layerSizes(
  engine: DockerEngine,
  reference: string,
  layerCount: number,
  signal: AbortSignal,
): Promise<number[] | undefined> {
  const steps = (await stepsOf(engine, reference, signal)).reverse();
  const filled = steps.filter(({ size }) => size > 0);
  const made = steps.filter(({ isLayer }) => isLayer);
  return [filled, made].find(({ length }) => length === layerCount)?.map(({ size }) => size);
}

/** About the bytes of an image's uppermost layers, uncompressed. */
export async function sizeOfTopLayers(
  engine: DockerEngine,
  reference: string,
  count: number,
  signal: AbortSignal,
): Promise<number> {
  const layers = (await stepsOf(engine, reference, signal)).filter(({ isLayer }) => isLayer);
  return layers.slice(0, count).reduce((sum, { size }) => sum + size, 0);
}

/** Gives an image one more name. A name that another image had moves. */
export async function tagImage(
  engine: DockerEngine,
  reference: string,
  newReference: string,
  signal: AbortSignal,
): Promise<void> {
  const { repository, tag } = splitReference(newReference);
  await engine.call(
    (docker, abortSignal) => docker.getImage(imagePath(reference)).tag({ repo: repository, tag, abortSignal }),
    signal,
  );
}

/** Takes a name from an image, and removes the image with its last name. One that is in use or gone is fine. */
export async function removeImage(engine: DockerEngine, reference: string, signal: AbortSignal): Promise<void> {
  try {
    await engine.call(
      (docker, abortSignal) => docker.getImage(imagePath(reference)).remove({ abortSignal }),
      signal,
      120_000,
    );
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) {
      throw error;
    }
  }
}

/** `registry:5000/team/app:1` → repository and tag; `latest` when there is none. */
export function splitReference(reference: string): { repository: string; tag: string } {
  const at = reference.indexOf('@');
  if (at >= 0) {
    return { repository: reference.slice(0, at), tag: reference.slice(at + 1) };
  }
  const colon = reference.lastIndexOf(':');
  return colon > reference.lastIndexOf('/')
    ? { repository: reference.slice(0, colon), tag: reference.slice(colon + 1) }
    : { repository: reference, tag: 'latest' };
}

/** The name in full, as registries and containerd know it: `nginx` is `docker.io/library/nginx:latest`. */
export function fullReference(reference: string): string {
  const [name = ''] = reference.split('@');
  const complete =
    reference.includes('@') || name.lastIndexOf(':') > name.lastIndexOf('/') ? reference : `${reference}:latest`;
  const { registry, rest } = splitRegistry(complete);
  return registry === 'docker.io' && !rest.includes('/') ? `docker.io/library/${rest}` : `${registry}/${rest}`;
}

/** The registry of a name, and the rest of it. Docker Hub is `docker.io`, as Docker itself calls it. */
export function splitRegistry(reference: string): { registry: string; rest: string } {
  const [first = '', ...rest] = reference.split('/');
  if (rest.length === 0 || !/[.:]|^localhost$/.test(first)) {
    return { registry: 'docker.io', rest: reference };
  }
  return { registry: first === 'index.docker.io' ? 'docker.io' : first, rest: rest.join('/') };
}

/** Slashes of an image's name stay as they are in the API's paths; everything else is encoded. */
export function imagePath(reference: string): string {
  return reference.split('/').map(encodeURIComponent).join('/');
}

export function readImage(value: Json): ImageDetails {
  const config = object(value['Config']);
  const layers = texts(object(value['RootFS'])['Layers']);
  const annotations = object(object(value['Descriptor'])['annotations']);
  const layerBytes = text(annotations[LAYER_BYTES]).split(',').map(Number);
  return {
    id: text(value['Id']),
    tags: realTags(value['RepoTags']),
    layers,
    ...(layerBytes.length === layers.length && layerBytes.every((bytes) => bytes > 0) && { layerBytes }),
    architecture: text(value['Architecture']),
    os: text(value['Os']),
    exposedPorts: readExposedPorts(config['ExposedPorts']),
    labels: textRecord(config['Labels']),
    createdAt: time(value['Created']),
    size: number(value['Size']),
    config,
  };
}

/** Docker lists an image without a name as `<none>:<none>`. */
function realTags(value: unknown): string[] {
  return texts(value).filter((tag) => !tag.startsWith('<none>'));
}
