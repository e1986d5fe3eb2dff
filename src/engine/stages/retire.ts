import { type ContainerDetails, removeContainer, setRestartPolicy, stopContainer } from '../../docker/containers';
import type { DockerEngine } from '../../docker/engine';
import { type ImageDetails, listImages, removeImage } from '../../docker/images';
import { isPushName } from '../../docker/pushedImage';
import { t } from '../../l10n';
import { LABEL, throwIfCancelled, toDeployError } from '../../model';
import type { Run } from '../context';
import { releaseTime } from '../identity';
import { type Slots, viewSlots } from '../observe';
import { countConnections, type Drained } from './drain';

/** Milliseconds that an image may be on its way from where it was built. */
const UNDER_WAY_MS = 60 * 60_000;

/**
 * Retires the old slot as `retire.old` says and removes what nothing needs any longer: the container that stood aside,
 * and images of this service beyond the last few. Images of anything else are never touched.
 */
export async function retireStage(
  run: Run,
  old: ContainerDetails | undefined,
  drained: Drained,
  engines: readonly DockerEngine[],
): Promise<string> {
  const { engine, service, signal } = run;
  const { old: what, graceSeconds, keepImages } = service.retire;
  const isLeft = drained.connections > 0 && run.service.drain.atTimeout === 'leave';
  if (old !== undefined && what !== 'keep' && !isLeft) {
    // A slot of the article's script restarts always: stopped by hand, it would be up again after a reboot. One without
    // a policy would look as if it had never been live.
    if (old.restart !== 'unless-stopped' && what === 'stop') {
      await setRestartPolicy(engine, old.id, 'unless-stopped', signal);
    }
    await stopContainer(engine, old.id, graceSeconds, signal);
    if (what === 'remove') {
      await removeContainer(engine, old.id, { force: true }, signal);
    }
  }
  const { slots, aside: putAside } = await viewSlots(engine, service.name, signal);
  for (const aside of Object.values(putAside)) {
    await removeContainer(engine, aside.id, { force: true }, signal);
  }
  for (const each of new Set(engines)) {
    // On the host the lock keeps others away. Where images are built, another one may be on its way to another host.
    const olderThan = each === engine ? Infinity : Date.now() - UNDER_WAY_MS;
    try {
      await pruneImages(each, { service: service.name, keep: keepImages, olderThan }, slots, signal);
    } catch (error) {
      throwIfCancelled(signal);
      // The deployment is through, and the next one removes them.
      run.note(t('Older images of {0} were not removed: {1}', service.name, toDeployError(error).message), 'warning');
    }
  }
  if (old === undefined) {
    return t('There was no old slot.');
  }
  if (isLeft) {
    return t('{0} runs on for {1}. The next deployment stops it.', old.name, countConnections(drained.connections));
  }
  switch (what) {
    case 'stop':
      return t('{0} is stopped and kept.', old.name);
    case 'keep':
      return t('{0} is left running.', old.name);
    case 'remove':
      return t('{0} is removed.', old.name);
  }
}

/**
 * Removes our images of a service beyond the newest `keep` that were made before `olderThan` (milliseconds since 1970),
 * except those that a slot's container is made of.
 */
async function pruneImages(
  engine: DockerEngine,
  { service, keep, olderThan }: { readonly service: string; readonly keep: number; readonly olderThan: number },
  slots: Slots,
  signal: AbortSignal,
): Promise<void> {
  const inUse = new Set(Object.values(slots).map((slot) => slot.imageId));
  const names = new Set(Object.values(slots).map((slot) => slot.image));
  const images = await listImages(engine, { labels: [`${LABEL.service}=${service}`] }, signal);
  const newest = [...images].sort((a, b) => releaseOf(b).localeCompare(releaseOf(a)));
  const spare = newest.filter(
    (image, index) =>
      index >= keep &&
      releaseTime(releaseOf(image)) < olderThan &&
      !inUse.has(image.id) &&
      !image.tags.some((tag) => names.has(tag)),
  );
  for (const image of spare) {
    const ours = image.tags.filter((tag) => tag.startsWith(`${service}:`) || isPushName(tag));
    for (const tag of ours) {
      await removeImage(engine, tag, signal);
    }
    if (image.tags.length === 0) {
      await removeImage(engine, image.id, signal);
    }
  }
}

/** Release names begin with the time, so that their order is that of the releases. */
function releaseOf(image: ImageDetails): string {
  return image.labels[LABEL.release] ?? '';
}
