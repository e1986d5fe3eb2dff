import { json as readJson } from 'node:stream/consumers';
import type { DockerEngine } from './engine';
import { imagePath, listImageSummaries } from './images';
import { array, object } from './json';

/**
 * False when containerd's store knows of an image whose content it does not have all of: such an image can be inspected
 * and even run, but not be saved, and it may lose more with the next one that is removed. From API 1.48 on the engine
 * says so; before, it leaves such an image out of its list. Engines that keep layers have no such state.
 */
export async function isAvailable(engine: DockerEngine, reference: string, signal: AbortSignal): Promise<boolean> {
  if (engine.info.store === 'layers') {
    return true;
  }
  if (!engine.speaks('1.48')) {
    return (await listImageSummaries(engine, { references: [reference] }, signal)).length > 0;
  }
  const answer = await engine.stream(
    { method: 'GET', path: `/images/${imagePath(reference)}/json`, query: { manifests: true } },
    signal,
  );
  const manifests = array(object(await readJson(answer))['Manifests']).map(object);
  return manifests.some((manifest) => manifest['Kind'] === 'image' && manifest['Available'] === true);
}
