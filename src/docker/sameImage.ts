import type { DockerEngine } from './engine';
import { ImageCatalogue } from './imageCatalogue';
import type { ImageDetails } from './images';
import { object } from './json';

/**
 * The image on the target that is the very same as the given one: same layers, same configuration, same time of birth.
 * Ids do not tell, because each kind of image store makes them in its own way. Undefined when there is none, or when the
 * target does not have all of it.
 */
export async function findSameImage(
  target: DockerEngine,
  image: ImageDetails,
  signal: AbortSignal,
  catalogue = new ImageCatalogue(target, signal),
): Promise<ImageDetails | undefined> {
  const born = Math.floor(image.createdAt / 1000);
  for (const { id, createdSeconds } of await catalogue.list()) {
    if (id === image.id || createdSeconds === born) {
      const candidate = await catalogue.inspectStored(id);
      if (candidate?.complete === true && isSameImage(candidate.image, image)) {
        return candidate.image;
      }
    }
  }
  return undefined;
}

export function isSameImage(a: ImageDetails, b: ImageDetails): boolean {
  return hasSameContent(a, b) && a.createdAt === b.createdAt && comparable(a.config) === comparable(b.config);
}

/** Same layers for the same platform. */
export function hasSameContent(a: ImageDetails, b: ImageDetails): boolean {
  return (
    a.layers.length === b.layers.length &&
    a.layers.every((layer, index) => layer === b.layers[index]) &&
    a.architecture === b.architecture &&
    a.os === b.os
  );
}

/** Fields of `Config` that say something of a build's container, not of the image. */
const NOT_OF_THE_IMAGE = new Set(['Image', 'Hostname', 'Domainname']);

/** Versions of Docker differ in what they leave out when it is empty, and in the order of fields. */
function comparable(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(comparable).join()}]`;
  }
  if (typeof value !== 'object' || value === null) {
    return JSON.stringify(value);
  }
  const fields = Object.entries(object(value))
    .filter(([name, field]) => !NOT_OF_THE_IMAGE.has(name) && !isEmpty(field))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${name}:${comparable(field)}`).join()}}`;
}

function isEmpty(value: unknown): boolean {
  return (
    value === null ||
    value === false ||
    value === undefined ||
    value === '' ||
    (Array.isArray(value) && value.length === 0) ||
    (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0)
  );
}
