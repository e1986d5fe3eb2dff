import { type ContainerDetails, removeContainer, renameContainer, stopContainer } from '../docker/containers';
import type { DockerEngine } from '../docker/engine';
import { removeImage } from '../docker/images';
import { t } from '../l10n';
import { DeployError, slotContainer, type SlotName } from '../model';
import type { ProxyView } from '../nginx/proxy';
import type { ReadyProxy, Run } from './context';
import { entries, isKeptRunning, isLeftOpen } from './findings';
import { findTemporaryImages, isCandidate, lookContainer, type ServiceView, viewBehind, viewHost } from './observe';
import { drainSlot, untilTimeout } from './stages/drain';

/** Seconds for a container that nobody has ever been sent to. */
const CANDIDATE_GRACE_SECONDS = 2;

/**
 * Ends what an interrupted run left of a service: a container that never went live goes, what stood aside for it comes
 * back, an old slot that was to be retired is drained and stopped. The live slot is not touched. Only for whoever holds
 * the lock. `nginx` is what the proxy serves now that no switch of the service is under way: that of a deployment that was
 * killed goes on by itself. Returns the service as it is then.
 */
export async function settle(run: Run, proxy: ReadyProxy, nginx: ProxyView): Promise<ServiceView> {
  const { engine, signal } = run;
  const look = (): Promise<ServiceView> => viewBehind(engine, nginx, run.service.name, signal);
  let [view] = await Promise.all([
    look(),
    removeTemporaryImages(engine, (text) => run.note(text), signal, run.deployment),
    removeContainer(engine, lookContainer(run.service.name), { force: true }, signal),
  ]);
  for (const [slot, container] of entries(view.slots)) {
    if (isCandidate(view, slot)) {
      await removeCandidate(run, container);
      view = await look();
    }
  }
  for (const [slot, aside] of entries(view.aside)) {
    await settleAside(run, view, slot, aside);
    view = await look();
  }
  for (const [slot, container] of entries(view.slots)) {
    if (view.live !== undefined && slot !== view.live && container.running && !isKeptRunning(view)) {
      run.note(
        isLeftOpen(view)
          ? t(
              '{0} runs without new requests. It was left to connections that were still open, or its deployment was interrupted. It is stopped and kept.',
              container.name,
            )
          : t('{0} runs without new requests. Its deployment was interrupted. It is stopped and kept.', container.name),
      );
      await drainSlot(run, proxy, container, () => undefined, signal, untilTimeout(run.service));
      await stopContainer(engine, container.id, run.service.retire.graceSeconds, signal);
      view = await look();
    }
  }
  return view;
}

async function removeCandidate(run: Run, container: ContainerDetails): Promise<void> {
  await stopContainer(run.engine, container.id, CANDIDATE_GRACE_SECONDS, run.signal);
  await removeContainer(run.engine, container.id, { force: true }, run.signal);
  run.note(t('Removed {0}: its deployment was interrupted before it went live.', container.name));
}

/** What a slot held before comes back, unless what took its place is live: then the deployment was all but done. */
async function settleAside(run: Run, view: ServiceView, slot: SlotName, aside: ContainerDetails): Promise<void> {
  if (view.served?.slot === slot) {
    await removeContainer(run.engine, aside.id, { force: true }, run.signal);
    run.note(t('Removed {0}: the deployment that put it aside went live.', aside.name));
    return;
  }
  const inItsPlace = view.slots[slot];
  if (inItsPlace !== undefined) {
    await removeCandidate(run, inItsPlace);
  }
  const name = slotContainer(view.service, slot);
  await renameContainer(run.engine, aside.id, name, run.unbroken());
  run.note(t('{0} holds again what it held before the interrupted deployment.', name));
}

/**
 * Takes away the names that a transfer gave to an image and did not live to take back; `own` as `findTemporaryImages` has
 * it.
 */
export async function removeTemporaryImages(
  engine: DockerEngine,
  note: (text: string) => void,
  signal: AbortSignal,
  own?: string,
): Promise<void> {
  for (const tag of await findTemporaryImages(engine, signal, own)) {
    await removeImage(engine, tag, signal);
    note(t('Removed the image {0}, left by a transfer that was cut.', tag));
  }
}

/** The one service of a run, as it is now. */
export async function lookAtService({ engine, signal, service }: Run): Promise<ServiceView> {
  const [view] = (await viewHost(engine, signal, service.name)).services;
  if (view === undefined) {
    throw new DeployError('internal', t('The host could not be observed.'));
  }
  return view;
}
