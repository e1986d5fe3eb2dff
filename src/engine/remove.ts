import { inspectContainer, removeContainer, stopContainer } from '../docker/containers';
import { listImages, removeImage } from '../docker/images';
import { removeNetwork } from '../docker/networks';
import { DeployError, GATEWAY_NETWORK, LABEL, PROXY_CONTAINER } from '../model';
import { confOf, filesToRemove, switchProxy } from '../nginx/proxy';
import type { Host } from './host';
import { newDeploymentId } from './identity';
import { takeLock } from './lock';
import { viewHost } from './observe';
import { serviceFromContainer } from './release';

/** Seconds between the stop signal and the end for a slot that does not say. */
const GRACE_SECONDS = 10;

/**
 * Takes a service off a host: out of nginx first, then its slots, then its images. Returns what was removed, a sentence
 * each. Throws `not-found`, `locked`, or what the host says.
 */
export async function removeService(
  host: Host,
  service: string,
  person: string,
  signal: AbortSignal,
): Promise<string[]> {
  const { engine } = host;
  const lock = await takeLock(engine, service, { deployment: newDeploymentId(), person }, () => undefined, signal);
  try {
    const view = await viewHost(engine, signal, service);
    const [found] = view.services;
    const containers = [...Object.values(found?.slots ?? {}), ...Object.values(found?.aside ?? {})];
    const { nginx } = view;
    const conf = nginx === undefined ? undefined : confOf(nginx, service);
    if (containers.length === 0 && conf === undefined) {
      throw new DeployError('not-found', `There is no service ${service} on ${host.name}.`, {
        hint: 'See what is there: blue-green status.',
      });
    }
    const removed: string[] = [];
    if (view.proxy !== undefined && nginx !== undefined && conf !== undefined) {
      const verdict = await switchProxy(engine, view.proxy.id, {
        files: filesToRemove(nginx, service),
        service,
        expect: undefined,
      });
      if (verdict.kind !== 'switched') {
        throw new DeployError('nginx-refused', `nginx does not let ${service} go. It still serves.`, {
          detail: verdict.output,
        });
      }
      removed.push(`nginx no longer serves ${service}.`);
    }
    for (const container of containers) {
      const grace = serviceFromContainer(service, container)?.service.retire.graceSeconds ?? GRACE_SECONDS;
      await stopContainer(engine, container.id, grace, signal);
      await removeContainer(engine, container.id, { force: true }, signal);
      removed.push(`Container ${container.name} is removed.`);
    }
    for (const image of await listImages(engine, { labels: [`${LABEL.service}=${service}`] }, signal)) {
      for (const reference of image.tags.length === 0 ? [image.id] : image.tags) {
        await removeImage(engine, reference, signal);
      }
      removed.push(`Image ${image.tags[0] ?? image.id} is removed.`);
    }
    return removed;
  } finally {
    await lock.release();
  }
}

/** Takes the proxy and the network off a host. Throws `usage` while services remain, because they would be cut off. */
export async function removeProxy(host: Host, signal: AbortSignal): Promise<string[]> {
  const { engine } = host;
  const { services } = await viewHost(engine, signal);
  if (services.length > 0) {
    throw new DeployError(
      'usage',
      `The proxy on ${host.name} still serves ${services.map((it) => it.service).join(', ')}.`,
      {
        hint: 'Remove these services first: blue-green remove SERVICE.',
      },
    );
  }
  const proxy = await inspectContainer(engine, PROXY_CONTAINER, signal);
  if (proxy === undefined) {
    throw new DeployError('not-found', `There is no proxy on ${host.name}.`);
  }
  await stopContainer(engine, proxy.id, GRACE_SECONDS, signal);
  await removeContainer(engine, proxy.id, { force: true }, signal);
  await removeNetwork(engine, GATEWAY_NETWORK, signal);
  return [`Container ${PROXY_CONTAINER} is removed.`, `Network ${GATEWAY_NETWORK} is removed.`];
}
