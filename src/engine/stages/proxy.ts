import {
  type ContainerDetails,
  createContainer,
  execInContainer,
  inspectContainer,
  lastLinesIfAny,
  type PublishedPort,
  removeContainer,
  startContainer,
} from '../../docker/containers';
import type { DockerEngine } from '../../docker/engine';
import { isConflict } from '../../docker/errors';
import { inspectImage, platformOf, tagImage } from '../../docker/images';
import { connectToNetwork, ensureNetwork } from '../../docker/networks';
import { INCOMING } from '../../docker/parts';
import { pullImage, registryAuth, registryOf } from '../../docker/registry';
import { transferImage } from '../../docker/transfer';
import { hostLabel } from '../../hostNames';
import { t } from '../../l10n';
import {
  DeployError,
  GATEWAY_NETWORK,
  LABEL,
  PROXY_CONTAINER,
  PROXY_PORT,
  throwIfCancelled,
  toDeployError,
} from '../../model';
import { CONF_DIRECTORY, isStockWelcome } from '../../nginx/conf';
import { cleanProxy, type ProxyView, waitForWorkers } from '../../nginx/proxy';
import type { ReadyProxy, Run } from '../context';
import { removedByOthers } from '../probeClient';
import { pause } from '../wait';

/** Limit for nginx's start, in milliseconds. */
const START_LIMIT_MS = 20_000;
/** Limit for a proxy that somebody else creates, until it can be seen, in milliseconds. */
const CREATE_LIMIT_MS = 10_000;

/**
 * Sees to it that network and proxy exist, run, and can be reloaded, and removes what a switch left that was cut.
 * Idempotent: what is there is used as it is, be it ours or the article's. A host that lacks nginx's image gets the
 * `builder`'s, if that has it or the host cannot pull it. Throws `nginx-refused` when a switch is under way that does not
 * end.
 */
export async function proxyStage(run: Run, builder: DockerEngine): Promise<ReadyProxy> {
  const { engine, signal } = run;
  const [present] = await Promise.all([
    inspectContainer(engine, PROXY_CONTAINER, signal),
    ensureNetwork(engine, GATEWAY_NETWORK, { [LABEL.role]: 'gateway' }, signal),
  ]);
  if (present !== undefined) {
    return readyProxy(run, present, await beginProxy(run, present));
  }
  const created = await createProxy(run, builder);
  let hasBegun = false;
  try {
    const proxy = await waitForProxy(run);
    if (proxy === undefined) {
      throw removedByOthers(run.host);
    }
    const seen = await beginProxy(run, proxy);
    hasBegun = true;
    return await readyProxy(run, proxy, seen);
  } catch (error) {
    // A proxy that never worked must not stand in the way of the next try. One that does may lead to another service by
    // now, whose first deployment is under way at the same time.
    const works = hasBegun && toDeployError(error).code !== 'proxy';
    if (created !== undefined && !works) {
      await removeContainer(engine, created, { force: true }, AbortSignal.timeout(20_000));
    }
    throw error;
  }
}

/**
 * The proxy that was created just now. Where another service's first deployment does so, its name is taken a moment
 * before it can be seen.
 */
async function waitForProxy({ engine, signal }: Run): Promise<ContainerDetails | undefined> {
  for (const until = performance.now() + CREATE_LIMIT_MS; performance.now() < until; await pause(50, signal)) {
    const proxy = await inspectContainer(engine, PROXY_CONTAINER, signal);
    if (proxy !== undefined) {
      return proxy;
    }
  }
  return undefined;
}

/** Has nginx run in a proxy that exists, on the network of the services. Returns what it serves if all that was so already. */
async function beginProxy(run: Run, found: ContainerDetails): Promise<ProxyView | undefined> {
  const { engine, signal } = run;
  const { id } = found;
  const isConnected = found.networks[GATEWAY_NETWORK] !== undefined;
  if (found.state !== 'running') {
    await startProxy(run, id);
  }
  if (!isConnected) {
    await connectToNetwork(engine, GATEWAY_NETWORK, id, signal);
  }
  const seen = found.state === 'running' ? await cleanIfReady(run, id) : undefined;
  if (seen === undefined) {
    await waitUntilReady(run, id);
  }
  return isConnected ? seen : undefined;
}

/** A proxy that runs is perhaps just starting, or restarting: undefined then. */
async function cleanIfReady({ engine, service, signal }: Run, id: string): Promise<ProxyView | undefined> {
  try {
    const seen = await cleanProxy(engine, id, service.name, signal);
    return seen.activeWorkers === 0 ? undefined : seen;
  } catch (error) {
    if (toDeployError(error).code === 'nginx-refused') {
      throw error;
    }
    return undefined;
  }
}

/** Returns the id of the new container; undefined when another service's first deployment was faster. */
async function createProxy(run: Run, builder: DockerEngine): Promise<string | undefined> {
  const { engine, service } = run;
  await fetchProxyImage(run, builder);
  try {
    return await createContainer(
      engine,
      {
        name: PROXY_CONTAINER,
        image: service.proxy.image,
        labels: { [LABEL.role]: 'proxy' },
        env: {},
        volumes: [],
        network: GATEWAY_NETWORK,
        restart: 'always',
        publish: [{ hostPort: service.proxy.publish, containerPort: PROXY_PORT }],
      },
      run.unbroken(),
    );
  } catch (error) {
    if (isConflict(error)) {
      return undefined;
    }
    throw error;
  }
}

/**
 * Sees to it that the host has the image for the proxy, for its own platform: one for another would end with "exec format
 * error". This machine's copy is sent where there is one; else the host pulls it, or where it cannot, this machine does.
 */
async function fetchProxyImage(run: Run, builder: DockerEngine): Promise<void> {
  const { engine, service, signal } = run;
  const { image } = service.proxy;
  if (await hasForHost(run, engine)) {
    return;
  }
  // A digest is the host's own affair: an image that is sent has none.
  const maySend = !image.includes('@');
  if (maySend && (await hasForHost(run, builder))) {
    await sendProxyImage(run, builder);
    return;
  }
  const refusal = await pullThere(run);
  if (refusal === undefined) {
    return;
  }
  if (!maySend) {
    throw notToBeHad(
      t('The image {0} for the proxy cannot be pulled on {1}.', image, hostLabel(run.host.name)),
      refusal,
    );
  }
  const before = await inspectImage(builder, image, signal);
  try {
    await pullHere(run, builder);
    await sendProxyImage(run, builder);
  } finally {
    // What this machine uses under that name stays what it was.
    if (before !== undefined) {
      await tagImage(builder, before.id, image, run.unbroken());
    }
  }
}

async function hasForHost({ engine, service, signal }: Run, where: DockerEngine): Promise<boolean> {
  const image = await inspectImage(where, service.proxy.image, signal);
  return image !== undefined && platformOf(image) === engine.info.platform;
}

/** Why the host cannot pull the image; undefined when it has. */
async function pullThere(run: Run): Promise<DeployError | undefined> {
  const { image } = run.service.proxy;
  const where = hostLabel(run.host.name);
  try {
    logger(run)(t('Pulling {0} on {1}.', image, where));
    await pullImage(run.engine, image, logger(run), run.signal);
    return undefined;
  } catch (error) {
    const cause = toDeployError(error);
    if (cause.code === 'cancelled') {
      throw cause;
    }
    logger(run)(t('{0} cannot pull {1}: {2}', where, image, cause.message));
    return cause;
  }
}

/** With this machine's login, where its registry asks for one: the host is never told. */
async function pullHere(run: Run, builder: DockerEngine): Promise<void> {
  const { image } = run.service.proxy;
  const { platform } = run.engine.info;
  try {
    logger(run)(t('Pulling {0} here.', image));
    await pullImage(builder, image, logger(run), run.signal, { auth: await registryAuth(registryOf(image)), platform });
  } catch (error) {
    throw notToBeHad(
      t('The image {0} for the proxy can be pulled neither on {1} nor here.', image, hostLabel(run.host.name)),
      toDeployError(error),
    );
  }
}

function notToBeHad(message: string, cause: DeployError): DeployError {
  return cause.code === 'cancelled'
    ? cause
    : new DeployError('proxy', message, {
        hint: t(
          'Check the network, and your `docker login` if the image is private. Or name another one with "proxy.image" in bluegreen.json.',
        ),
        detail: cause.detail ?? cause.message,
        cause,
      });
}

async function sendProxyImage(run: Run, builder: DockerEngine): Promise<void> {
  const { image } = run.service.proxy;
  logger(run)(t('Sending {0} to {1}.', image, hostLabel(run.host.name)));
  await transferImage(
    builder,
    run.engine,
    image,
    {
      temporaryTag: `${INCOMING}:${run.deployment}-proxy`,
      finalTag: image,
      onNote: logger(run),
      onProgress: ({ bytes, totalBytes }) =>
        run.emit({
          type: 'progress',
          stage: 'proxy',
          done: bytes,
          ...(totalBytes !== undefined && { total: totalBytes }),
          unit: 'bytes',
        }),
    },
    run.signal,
  );
}

function logger(run: Run): (text: string) => void {
  return (text) => run.emit({ type: 'log', stage: 'proxy', source: 'engine', level: 'info', text });
}

async function startProxy(run: Run, id: string): Promise<void> {
  try {
    throwIfCancelled(run.signal);
    await startContainer(run.engine, id, run.unbroken());
    throwIfCancelled(run.signal);
  } catch (error) {
    if (run.signal.aborted) {
      throw error;
    }
    const { message } = toDeployError(error);
    if (/already allocated|already in use|address in use/i.test(message)) {
      const port = run.service.proxy.publish;
      throw new DeployError('proxy', t('Port {0} of {1} is used by another program.', port, hostLabel(run.host.name)), {
        hint: t(
          'Stop that program, or publish the proxy on another port with --publish or "proxy.publish" in bluegreen.json.',
        ),
        detail: message,
        cause: error,
      });
    }
    throw new DeployError('proxy', t('The proxy on {0} cannot be started.', hostLabel(run.host.name)), {
      detail: message,
      cause: error,
    });
  }
}

async function waitUntilReady(run: Run, id: string): Promise<void> {
  try {
    await waitForWorkers(run.engine, id, START_LIMIT_MS, run.signal);
  } catch (error) {
    if (toDeployError(error).code === 'cancelled') {
      throw error;
    }
    const lines = await lastLinesIfAny(run.engine, id, 5);
    throw new DeployError('proxy', t('nginx does not run in the proxy on {0}.', hostLabel(run.host.name)), {
      hint: t('Look at its log with `docker logs {0}` there.', PROXY_CONTAINER),
      detail: lines.join('\n'),
      cause: error,
    });
  }
}

/** Takes the image's welcome page away: it would answer for `localhost` in the place of the service. */
async function removeStockWelcome(run: Run, id: string, view: ProxyView): Promise<void> {
  for (const conf of view.confs.filter((it) => isStockWelcome(it.text))) {
    run.note(t('Removing {0}, the welcome page of the image.', conf.path));
    await execInContainer(run.engine, id, ['rm', '-f', conf.path], { timeoutMs: 10_000, signal: run.signal });
  }
}

/**
 * Makes a proxy in which nginx runs ready for the stages that follow: without what a cut switch left, and without the
 * image's welcome page. `seen` is what it serves, if it was cleaned already.
 */
async function readyProxy(run: Run, found: ContainerDetails, seen: ProxyView | undefined): Promise<ReadyProxy> {
  const { engine, host, service, signal } = run;
  const view = seen ?? (await cleanProxy(engine, found.id, service.name, signal));
  if (found.labels[LABEL.role] === 'proxy') {
    await removeStockWelcome(run, found.id, view);
  }
  const details = seen === undefined ? await inspectContainer(engine, found.id, signal) : found;
  const address = details?.networks[GATEWAY_NETWORK]?.ipAddress;
  if (details === undefined || address === undefined || address === '') {
    throw new DeployError('proxy', t('The proxy on {0} has no address on {1}.', hostLabel(host.name), GATEWAY_NETWORK));
  }
  if (view.client === undefined) {
    throw new DeployError(
      'proxy',
      t("The proxy's image {0} has neither curl nor wget, which the probe needs.", details.image),
      {
        hint: t('Use the official nginx image, or add curl to yours. nginx reads its sites from {0}.', CONF_DIRECTORY),
      },
    );
  }
  return { id: details.id, address, published: publishedPort(run, details), client: view.client, seen: view };
}

function publishedPort(run: Run, proxy: ContainerDetails): PublishedPort {
  const wanted = run.service.proxy.publish;
  const published = proxy.ports.filter((port) => port.containerPort === PROXY_PORT);
  const found = published.find((port) => port.hostPort === wanted);
  if (found !== undefined) {
    return found;
  }
  const ports = published.map((port) => port.hostPort);
  throw new DeployError(
    'proxy',
    ports.length === 0
      ? t('The proxy on {0} publishes no port, not {1}.', hostLabel(run.host.name), wanted)
      : t('The proxy on {0} publishes port {1}, not {2}.', hostLabel(run.host.name), ports.join(', '), wanted),
    {
      hint: t('Publish {0} (--publish or "proxy.publish"), or remove the proxy first.', ports[0] ?? wanted),
    },
  );
}
