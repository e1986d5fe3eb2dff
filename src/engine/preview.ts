/**
 * The plan to read before a deployment: the host as it is, the image built here, and what of it the host lacks. The
 * host is only looked at; the built image is removed again, and its build cache makes the deployment's own build short.
 */
import { inspectImage, removeImage, sizeOfTopLayers } from '../docker/images';
import { sharedPrefixes } from '../docker/presentLayers';
import { findSameImage, hasSameContent } from '../docker/sameImage';
import { t } from '../l10n';
import type { Emit, Plan, PlannedTransfer } from '../model';
import { Run } from './context';
import type { DeployRequest } from './deploy';
import { newDeploymentId } from './identity';
import { type BuiltImage, buildStage } from './stages/build';
import { planStage } from './stages/plan';

/** Limit for removing the built image again, in milliseconds. */
const CLEAN_UP_MS = 30_000;

/** About what an image's configuration and manifests have, which go along with its layers. */
const DESCRIPTION_BYTES = 4_000;

/**
 * Finds out what a deployment would do, with the events of its stages `plan` and `build`. There are two `plan` events:
 * one before the build, and the whole plan, with what is to be sent, at the end. Where another plan was read before, it
 * says so. Throws what these stages throw.
 */
export async function previewDeployment(request: DeployRequest, emit: Emit, signal: AbortSignal): Promise<Plan> {
  const { service, host, build, person, read } = request;
  const run = new Run(newDeploymentId(), service, host, emit, signal);
  const planned = await run.during('plan', () => planStage(service, host, build, person, run.deployment, signal));
  run.emit({ type: 'plan', plan: planned.plan });
  const built = await run.during('build', () => buildStage(run, build, planned.plan));
  try {
    const { live } = planned.plan;
    const liveImage = live === undefined ? undefined : planned.service.slots[live]?.imageId;
    const [toSend, unchanged] = await Promise.all([
      transferOf(request, built, signal),
      liveImage !== undefined && isLiveImage(request, built, liveImage, signal),
    ]);
    const { env, files, warnings } = planned.plan;
    // The service's own file changes each time.
    const sameFiles = files.length === 1;
    const sameEnv = env !== undefined && env.added.length + env.changed.length + env.removed.length === 0;
    const plan: Plan = {
      ...planned.plan,
      toSend,
      warnings: [
        ...(read === undefined
          ? []
          : [t('The plan was made anew: the host or the project had changed after it was read.')]),
        ...warnings,
        ...(unchanged && sameEnv && sameFiles
          ? [t('Nothing has changed: the image and its environment are those of the live release.')]
          : []),
      ],
    };
    run.emit({ type: 'plan', plan });
    return plan;
  } finally {
    await removeImage(build, built.reference, AbortSignal.timeout(CLEAN_UP_MS)).catch(() => undefined);
  }
}

async function transferOf(
  { host, build }: DeployRequest,
  { image, reference }: BuiltImage,
  signal: AbortSignal,
): Promise<PlannedTransfer> {
  const total = image.layers.length;
  if (build === host.engine || (await findSameImage(host.engine, image, signal)) !== undefined) {
    return { bytes: 0, layers: 0, present: total };
  }
  const [present = 0] = await sharedPrefixes(host.engine, image.layers, signal);
  const layers = total - present;
  const content = await sizeOfTopLayers(build, reference, layers, signal);
  return { bytes: content + DESCRIPTION_BYTES, layers, present };
}

async function isLiveImage(
  { host }: DeployRequest,
  { image }: BuiltImage,
  liveImage: string,
  signal: AbortSignal,
): Promise<boolean> {
  const live = await inspectImage(host.engine, liveImage, signal);
  return live !== undefined && hasSameContent(live, image);
}
