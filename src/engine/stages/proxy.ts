import {
  type ContainerDetails,
  createContainer,
  execInContainer,
  inspectContainer,
  lastLines,
  type PublishedPort,
  removeContainer,
  startContainer,
} from '../../docker/containers';
import type { DockerEngine } from '../../docker/engine';
import { isConflict } from '../../docker/errors';
import { inspectImage } from '../../docker/images';
import { connectToNetwork, ensureNetwork } from '../../docker/networks';
import { INCOMING } from '../../docker/parts';
import { pullImage } from '../../docker/registry';
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
import { pause } from '../wait';

/** Limit for nginx's start, in milliseconds. */
const START_LIMIT_MS = 20_000;
/** Limit for a proxy that somebody else creates, until it can be seen, in milliseconds. */
const CREATE_LIMIT_MS = 10_000;

/**
 * Sees to it that network and proxy exist, run, and can be reloaded, and removes what a switch left that was cut.
 * Idempotent: what is there is used as it is, be it ours or the article's. `builder` is asked for nginx's image when the
 * host cannot pull it. Throws `nginx-refused` when a switch is under way that does not end.
 */
export async function proxyStage(run: Run, builder: DockerEngine): Promise<ReadyProxy> {
  const { engine, signal } = run;
  const [present] = await Promise.all([
    inspectContainer(engine, PROXY_CONTAINER, signal),
    ensureNetwork(engine, GATEWAY_NETWORK, { [LABEL.role]: 'gateway' }, signal),
  ]);
  if (present !== undefined) {
    return readyProxy(run, present);
  }
  const created = await createProxy(run, builder);
  try {
    const proxy = await waitForProxy(run);
    if (proxy === undefined) {
      throw new DeployError('proxy', t('The proxy on {0} was removed by somebody else.', hostLabel(run.host.name)), {
        hint: t('Deploy again: it is made anew.'),
      });
    }
    return await readyProxy(run, proxy);
  } catch (error) {
    // A proxy that never worked must not stand in the way of the next try; one that was there before stays as it is.
    if (created !== undefined) {
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

/** Starts a proxy that exists and makes it ready, if it isn't. */
async function readyProxy(run: Run, found: ContainerDetails): Promise<ReadyProxy> {
  const { engine, service, signal } = run;
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
  const view = seen ?? (await cleanProxy(engine, id, service.name, signal));
  if (found.labels[LABEL.role] === 'proxy') {
    await removeStockWelcome(run, id, view);
  }
  const isAsFound = seen !== undefined && isConnected;
  return describeReady(run, isAsFound ? found : await inspectContainer(engine, id, signal), view);
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

/** The host pulls the image itself; where it cannot, this machine sends its own copy, pulled here if need be. */
async function fetchProxyImage(run: Run, builder: DockerEngine): Promise<void> {
  const { engine, service, signal } = run;
  const { image } = service.proxy;
  if ((await inspectImage(engine, image, signal)) !== undefined) {
    return;
  }
  const say = (text: string): void => run.emit({ type: 'log', stage: 'proxy', source: 'engine', level: 'info', text });
  if ((await inspectImage(builder, image, signal)) === undefined) {
    try {
      say(t('Pulling {0} on {1}.', image, hostLabel(run.host.name)));
      await pullImage(engine, image, say, signal);
      return;
    } catch (error) {
      const { code, message } = toDeployError(error);
      if (code === 'cancelled') {
        throw error;
      }
      say(t('{0} cannot pull {1}: {2} Pulling it here.', hostLabel(run.host.name), image, message));
    }
    try {
      await pullImage(builder, image, say, signal);
    } catch (error) {
      const cause = toDeployError(error);
      throw new DeployError(
        'proxy',
        t('The image {0} for the proxy can be pulled neither on {1} nor here.', image, hostLabel(run.host.name)),
        {
          hint: t('Check the network, or name an image that is there with "proxy.image" in bluegreen.json.'),
          detail: cause.detail ?? cause.message,
          cause,
        },
      );
    }
  }
  say(t('Sending {0} to {1}.', image, hostLabel(run.host.name)));
  await transferImage(
    builder,
    engine,
    image,
    {
      temporaryTag: `${INCOMING}:${run.deployment}-proxy`,
      finalTag: image,
      onNote: say,
      onProgress: ({ bytes, totalBytes }) =>
        run.emit({
          type: 'progress',
          stage: 'proxy',
          done: bytes,
          ...(totalBytes !== undefined && { total: totalBytes }),
          unit: 'bytes',
        }),
    },
    signal,
  );
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
    const lines = await lastLines(run.engine, id, 5, AbortSignal.timeout(10_000));
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

function describeReady(run: Run, details: ContainerDetails | undefined, view: ProxyView): ReadyProxy {
  const address = details?.networks[GATEWAY_NETWORK]?.ipAddress;
  if (details === undefined || address === undefined || address === '') {
    throw new DeployError(
      'proxy',
      t('The proxy on {0} has no address on {1}.', hostLabel(run.host.name), GATEWAY_NETWORK),
    );
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
      hint: t(
        'Publish {0} (--publish or "proxy.publish"), or remove the proxy first: blue-green remove --proxy.',
        ports[0] ?? wanted,
      ),
    },
  );
}
