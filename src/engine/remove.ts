import {
  type ContainerDetails,
  inspectContainer,
  listContainers,
  readFolderInContainer,
  removeContainer,
  stopContainer,
} from '../docker/containers';
import { listImages, removeImage } from '../docker/images';
import { removeNetwork } from '../docker/networks';
import { hostLabel } from '../hostNames';
import { t } from '../l10n';
import { DeployError, GATEWAY_NETWORK, LABEL, PROXY_CONTAINER, slotContainer } from '../model';
import { CONF_DIRECTORY, type ConfFile, tlsLine } from '../nginx/conf';
import {
  confOf,
  filesToRemove,
  namedBeside,
  type ProxyView,
  sharedByHand,
  switchProxy,
  tlsInTheWay,
} from '../nginx/proxy';
import { type Host, noSuchService } from './host';
import { newDeploymentId } from './identity';
import { type Lock, withLock } from './lock';
import { lookContainer, viewHost } from './observe';
import { serviceFromContainer } from './release';
import { mustHaveSwitched } from './stages/switch';

/** Seconds between the stop signal and the end for a slot that does not say. */
const GRACE_SECONDS = 10;

/**
 * Takes a service off a host: out of nginx first, then its slots, then its images. Returns what was removed, a sentence
 * each. Throws `not-found`, `locked`, `lock-lost`, or what the host says.
 */
export async function removeService(
  host: Host,
  service: string,
  person: string,
  signal: AbortSignal,
): Promise<string[]> {
  const owner = { deployment: newDeploymentId(), person };
  return withLock(
    host.engine,
    service,
    owner,
    () => undefined,
    signal,
    (lock) => removeLocked(host, service, lock, AbortSignal.any([signal, lock.lost])),
  );
}

async function removeLocked(host: Host, service: string, lock: Lock, signal: AbortSignal): Promise<string[]> {
  const { engine } = host;
  const view = await viewHost(engine, signal, service);
  const [found] = view.services;
  const containers = [...Object.values(found?.slots ?? {}), ...Object.values(found?.aside ?? {})];
  const { nginx } = view;
  const conf = nginx === undefined ? undefined : confOf(nginx, service);
  if (containers.length === 0 && conf === undefined) {
    throw noSuchService(host, service);
  }
  if (view.proxy !== undefined && nginx === undefined) {
    throw new DeployError(
      'proxy',
      t('The proxy on {0} is {1}: it keeps the nginx files of {2}.', hostLabel(host.name), view.proxy.state, service),
      { hint: t('Repair the host first.') },
    );
  }
  const removed: string[] = [];
  if (view.proxy !== undefined && nginx !== undefined && conf !== undefined) {
    mustHoldNothingElse(nginx, service);
    const input = { files: filesToRemove(nginx, service), service, expect: undefined };
    const verdict = await switchProxy(engine, view.proxy.id, input, () => lock.confirm());
    mustHaveSwitched(service, verdict);
    removed.push(t('nginx no longer serves {0}.', service));
  }
  for (const container of containers) {
    const grace = serviceFromContainer(service, container)?.service.retire.graceSeconds ?? GRACE_SECONDS;
    await lock.confirm();
    await stopContainer(engine, container.id, grace, signal);
    await removeContainer(engine, container.id, { force: true }, signal);
    removed.push(t('Container {0} is removed.', container.name));
  }
  await lock.confirm();
  await removeContainer(engine, lookContainer(service), { force: true }, signal);
  for (const image of await listImages(engine, { labels: [`${LABEL.service}=${service}`] }, signal)) {
    for (const reference of image.tags.length === 0 ? [image.id] : image.tags) {
      await removeImage(engine, reference, signal);
    }
    removed.push(t('Image {0} is removed.', image.tags[0] ?? image.id));
  }
  return removed;
}

/**
 * A file that serves TLS, or other services too, is neither taken away, nor left behind with the name of a slot that nginx
 * would not find.
 */
function mustHoldNothingElse(nginx: ProxyView, service: string): void {
  const tls = tlsInTheWay(nginx, service);
  const shared = sharedByHand(nginx, service);
  const beside = namedBeside(nginx, service);
  const refusal =
    tls !== undefined
      ? t('{0} serves TLS (line {1}) and was written by hand. It would go with {2}.', tls.path, tls.line, service)
      : shared !== undefined
        ? t(
            '{0} was written by hand and leads to {1} as well. It would go with {2}.',
            shared.path,
            shared.others.join(', '),
            service,
          )
        : beside !== undefined
          ? t('{0} leads to {1}. nginx would not start without it.', beside.path, slotContainer(service, beside.slot))
          : undefined;
  if (refusal !== undefined) {
    throw new DeployError('nginx-refused', refusal, {
      hint: t('Take {0} out of that file, or the file away, and reload nginx. Then remove {0}.', service),
    });
  }
}

/**
 * Takes the proxy and the network off a host. Throws `usage` while services remain, because they would be cut off, and
 * while a file that serves TLS is nowhere but in the proxy; `locked` while a deployment is under way, which needs it.
 */
export async function removeProxy(host: Host, signal: AbortSignal): Promise<string[]> {
  const { engine } = host;
  const { services, nginx } = await viewHost(engine, signal);
  const where = hostLabel(host.name);
  if (services.length > 0) {
    throw new DeployError(
      'usage',
      t('The proxy on {0} still serves {1}.', where, services.map((it) => it.service).join(', ')),
      {
        hint: t('Remove these services first.'),
      },
    );
  }
  const [lock] = await listContainers(engine, { labels: [`${LABEL.role}=lock`] }, signal);
  if (lock !== undefined) {
    throw new DeployError(
      'locked',
      t('{0} is being deployed to {1}.', lock.labels[LABEL.service] ?? lock.name, where),
      {
        hint: t('Wait for it. If it was interrupted, repair the host first.'),
      },
    );
  }
  const proxy = await inspectContainer(engine, PROXY_CONTAINER, signal);
  const removed: string[] = [];
  if (proxy !== undefined) {
    mustNotHoldTls(proxy, nginx?.confs ?? (await readFolderInContainer(engine, proxy.id, CONF_DIRECTORY, signal)));
    await stopContainer(engine, proxy.id, GRACE_SECONDS, signal);
    await removeContainer(engine, proxy.id, { force: true }, signal);
    removed.push(t('Container {0} is removed.', PROXY_CONTAINER));
  }
  switch (await removeNetwork(engine, GATEWAY_NETWORK, signal)) {
    case 'removed':
      removed.push(t('Network {0} is removed.', GATEWAY_NETWORK));
      break;
    case 'in-use':
      removed.push(t('Network {0} stays: other containers are on it.', GATEWAY_NETWORK));
      break;
    case 'absent':
      if (proxy === undefined) {
        throw new DeployError('not-found', t('There is no proxy on {0}.', where));
      }
  }
  return removed;
}

/** What is mounted into the proxy outlives it. */
function mustNotHoldTls(proxy: ContainerDetails, confs: readonly ConfFile[]): void {
  const isMounted = (path: string): boolean =>
    proxy.mounts.some(({ target }) => path === target || path.startsWith(`${target}/`));
  const tls = confs.find(({ path, text }) => tlsLine(text) !== undefined && !isMounted(path));
  if (tls !== undefined) {
    throw new DeployError('usage', t('{0} serves TLS, was written by hand, and would go with the proxy.', tls.path), {
      hint: t(
        'Copy it with `docker cp {0}:{1} .` and take it away there. Then remove the proxy.',
        proxy.name,
        tls.path,
      ),
    });
  }
}
