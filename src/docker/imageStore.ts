import type { DockerEngine } from './engine';
import { askForImage, type ImageDetails, inspectImage, listImageSummaries, readImage } from './images';
import { array, object } from './json';

export interface StoredImage {
  readonly image: ImageDetails;
  /**
   * False when containerd's store knows of an image whose content it does not have all of: such an image can be
   * inspected and even run, but not be saved, and it may lose more with the next one that is removed.
   */
  readonly complete: boolean;
}

/**
 * Everything about one image, and whether the engine has all of it; undefined when there is none of that name or id.
 * containerd's store says so from API 1.48 on; before, it leaves an image with gaps out of its list. Engines that keep
 * layers have no such state.
 */
export async function inspectStored(
  engine: DockerEngine,
  reference: string,
  signal: AbortSignal,
): Promise<StoredImage | undefined> {
  if (engine.info.store === 'containerd' && engine.speaks('1.48')) {
    const answer = await askForImage(engine, reference, { manifests: true }, signal);
    return answer && { image: readImage(answer), complete: array(answer['Manifests']).map(object).some(isWhole) };
  }
  const image = await inspectImage(engine, reference, signal);
  if (image === undefined || engine.info.store === 'layers') {
    return image && { image, complete: true };
  }
  const listed = await listImageSummaries(engine, { references: [image.tags[0] ?? reference] }, signal);
  return { image, complete: listed.length > 0 };
}

function isWhole(manifest: Readonly<Record<string, unknown>>): boolean {
  return manifest['Kind'] === 'image' && manifest['Available'] === true;
}
