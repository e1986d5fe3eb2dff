/** What can be done with one container of a host by itself: restart it, open a shell in it, read its nginx file. */
import { inspectContainer, restartContainer } from '../docker/containers';
import { openShell, type Shell, type TerminalSize } from '../docker/shell';
import { hostLabel } from '../hostNames';
import { t } from '../l10n';
import { DeployError } from '../model';
import { confOf } from '../nginx/proxy';
import type { Host } from './host';
import { newDeploymentId } from './identity';
import { withLock } from './lock';
import { viewHost } from './observe';
import { serviceFromContainer } from './release';

/** Seconds between the stop signal and the end for a container that does not say. */
const GRACE_SECONDS = 10;

/** Restarts a slot's container, under the service's lock. Throws `not-found`, `locked`, or what the host says. */
export async function restartSlot(
  host: Host,
  service: string,
  container: string,
  person: string,
  signal: AbortSignal,
): Promise<void> {
  const { engine } = host;
  const owner = { deployment: newDeploymentId(), person };
  await withLock(
    engine,
    service,
    owner,
    () => undefined,
    signal,
    async (lock) => {
      const held = AbortSignal.any([signal, lock.lost]);
      const found = await mustFind(host, container, held);
      const grace = serviceFromContainer(service, found)?.service.retire.graceSeconds ?? GRACE_SECONDS;
      await lock.confirm();
      await restartContainer(engine, found.id, grace, held);
    },
  );
}

/** A shell in a running container. Throws `not-found`, or what the host says. */
export async function shellInto(
  host: Host,
  container: string,
  size: TerminalSize,
  signal: AbortSignal,
): Promise<Shell> {
  const found = await mustFind(host, container, signal);
  if (!found.running) {
    throw new DeployError('not-found', t('{0} on {1} does not run.', container, hostLabel(host.name)), {
      hint: t('Start it first.'),
    });
  }
  return openShell(host.engine, found.id, size, signal);
}

/** The nginx file that serves a service. Throws `not-found` when the proxy does not run or has none. */
export async function serviceConf(
  host: Host,
  service: string,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly text: string }> {
  const { nginx } = await viewHost(host.engine, signal, service);
  const conf = nginx && confOf(nginx, service);
  if (conf === undefined) {
    throw new DeployError('not-found', t('nginx on {0} has no file for {1}.', hostLabel(host.name), service), {
      hint: nginx === undefined ? t('The proxy does not run.') : t('The next deployment writes one.'),
    });
  }
  return conf;
}

async function mustFind(
  host: Host,
  container: string,
  signal: AbortSignal,
): Promise<NonNullable<Awaited<ReturnType<typeof inspectContainer>>>> {
  const found = await inspectContainer(host.engine, container, signal);
  if (found === undefined) {
    throw new DeployError('not-found', t('There is no {0} on {1}.', container, hostLabel(host.name)));
  }
  return found;
}
