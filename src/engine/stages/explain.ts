/** Why a slot is not healthy, and what to do about it: found out by looking, not by guessing. */
import {
  type ContainerDetails,
  createContainer,
  execInContainer,
  inspectContainer,
  lastLines,
  removeContainer,
  startContainer,
} from '../../docker/containers';
import { t } from '../../l10n';
import { LABEL } from '../../model';
import type { FilledSlot, ReadyProxy, Run } from '../context';
import { lookContainer } from '../observe';
import { type Answer, askSlot, isAccepted, requestHost } from '../probeClient';
import { pause } from '../wait';

/** Limit for a look into the container, in milliseconds. */
const LOOK_LIMIT_MS = 5_000;
const SOCKET_TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
/** Characters of a body that are shown. */
const SHOWN_BODY = 200;

/** How a container of `slot` (`shop GREEN`) ended, and what to do. */
export function explainEnd(
  slot: string,
  container: Pick<ContainerDetails, 'oomKilled' | 'running' | 'exitCode'>,
  memoryBytes: number | undefined,
): { readonly message: string; readonly hint: string } {
  const look = t('Its last lines say why. Environment variables and volumes are set with "run" in bluegreen.json.');
  if (container.oomKilled) {
    return {
      message:
        memoryBytes === undefined
          ? t('{0} started and ran out of memory.', slot)
          : t('{0} started and ran out of memory (its limit is {1} MB).', slot, Math.round(memoryBytes / 1024 / 1024)),
      hint: t('Give it more memory with "run.memory", or look for a leak.'),
    };
  }
  if (container.running) {
    return { message: t('{0} started and was started again, by Docker or by somebody else.', slot), hint: look };
  }
  if (container.exitCode === 137) {
    return {
      message: t('{0} started and was killed (code 137).', slot),
      hint: t('Most often the host has run out of memory. Its last lines may say more.'),
    };
  }
  return { message: t('{0} started and ended with code {1}.', slot, container.exitCode), hint: look };
}

/** What to do about a slot that runs but never answered well. */
export async function explainUnhealthy(
  run: Run,
  proxy: ReadyProxy,
  filled: FilledSlot,
  container: ContainerDetails,
  last: Answer,
): Promise<string> {
  const { health } = run.service;
  const { status } = last;
  if (status === undefined) {
    return explainSilence(run, proxy, filled, last);
  }
  if (isAccepted(status, health.status)) {
    return health.body !== undefined && !last.body.includes(health.body)
      ? t(
          'Its answer begins: {0}. Correct "health.body" or "health.path".',
          JSON.stringify(last.body.slice(0, SHOWN_BODY)),
        )
      : t(
          'Its HEALTHCHECK says: {0}. If it needs longer, raise "health.attempts".',
          container.healthOutput?.trim() || t('nothing yet'),
        );
  }
  const location = last.headers['location'];
  if (status < 400 && location !== undefined) {
    return location.startsWith('https:')
      ? t(
          'It redirects to {0}. Send "X-Forwarded-Proto": "https" with "health.headers", or accept that status with "health.status".',
          location,
        )
      : t('It redirects to {0}. Accept that status with "health.status", or name another path.', location);
  }
  if (status < 500) {
    return explainRefusal(run, proxy, filled, status);
  }
  return t('Look at the container\'s last lines, or accept that status with "health.status".');
}

async function explainSilence(run: Run, proxy: ReadyProxy, filled: FilledSlot, last: Answer): Promise<string> {
  const { port } = filled;
  const listening = await listeningPorts(run, proxy, filled.container.id);
  const onPort = listening.filter((it) => it.port === port);
  if (onPort.length > 0 && onPort.every((it) => it.loopback)) {
    return t(
      'It listens on 127.0.0.1:{0} only, where nobody outside its container reaches it. Let it listen on 0.0.0.0.',
      port,
    );
  }
  if (onPort.length > 0) {
    return last.failure?.code === 'too-late'
      ? t(
          'It listens on port {0}, but does not answer within {1} s. Raise "health.timeout", or look what {2} waits for.',
          port,
          run.service.health.timeoutMs / 1000,
          run.service.health.path,
        )
      : t(
          'It listens on port {0}, but does not speak HTTP there. Where it speaks HTTPS, let it speak plain HTTP: nginx stands in front.',
          port,
        );
  }
  const others = [...new Set(listening.filter((it) => !it.loopback).map((it) => it.port))];
  if (others.length > 0) {
    return t('It listens on port {0}, not on {1}. Correct --port, "port" or EXPOSE.', others.join(', '), port);
  }
  return t(
    'Nothing listens on port {0}. If it needs longer to start, raise "health.attempts" or "health.startPeriod".',
    port,
  );
}

/** Many frameworks refuse host names that they do not know. Asked with another one, such a service answers well. */
async function explainRefusal(run: Run, proxy: ReadyProxy, filled: FilledSlot, status: number): Promise<string> {
  const { health, route } = run.service;
  const asked = health.headers['Host'] ?? requestHost(route) ?? 'localhost';
  for (const other of ['localhost', '127.0.0.1', filled.container.name, ...route.hosts]) {
    if (other === asked || other.includes('*')) {
      continue;
    }
    const answer = await askSlot(run, proxy, filled, other);
    if (answer.status !== undefined && isAccepted(answer.status, health.status)) {
      return requestHost(route) === undefined
        ? t(
            'It answers {0} when it is asked as {1}, and {2} when it is asked as {3}. Name the host that visitors use with "route", or send "Host" with "health.headers".',
            status,
            asked,
            answer.status,
            other,
          )
        : t(
            'It answers {0} when it is asked as {1}, and {2} when it is asked as {3}. Let the service accept {1}.',
            status,
            asked,
            answer.status,
            other,
          );
    }
  }
  switch (status) {
    case 401:
    case 403:
      return t('It asks for a login at {0}. Name a path that is open to all with "health.path".', health.path);
    case 404:
      return t('There is nothing at {0}. Name another path with --health or "health.path".', health.path);
    case 405:
      return t('It does not take {0} at {1}. Choose another one with "health.method".', health.method, health.path);
    default:
      return t(
        'It does not like the request. Add what it needs with "health.headers", or accept that status with "health.status".',
      );
  }
}

interface Listener {
  readonly port: number;
  readonly loopback: boolean;
}

/** Listening TCP sockets as the container itself sees them (proc(5)). Empty when nobody can tell. */
async function listeningPorts(run: Run, proxy: ReadyProxy, id: string): Promise<Listener[]> {
  try {
    const own = await execInContainer(run.engine, id, ['cat', ...SOCKET_TABLES], {
      timeoutMs: LOOK_LIMIT_MS,
      signal: run.signal,
    });
    const isThere = /local_address/.test(own.stdout);
    return parseListening(isThere ? own.stdout : await readTablesBeside(run, proxy, id));
  } catch {
    run.signal.throwIfAborted();
    return [];
  }
}

/** For an image without `cat`: the proxy's image has it, and a container of it can share the other one's network. */
async function readTablesBeside(run: Run, proxy: ReadyProxy, id: string): Promise<string> {
  const { engine, signal } = run;
  const image = (await inspectContainer(engine, proxy.id, signal))?.imageId ?? '';
  const spec = { labels: { [LABEL.role]: 'look' }, env: {}, volumes: [], restart: 'no' } as const;
  const name = lookContainer(run.service.name);
  // A run that was killed meanwhile leaves it.
  await removeContainer(engine, name, { force: true }, run.unbroken());
  const helper = await createContainer(
    engine,
    {
      ...spec,
      name,
      image,
      entrypoint: ['cat'],
      command: SOCKET_TABLES,
      network: `container:${id}`,
    },
    run.unbroken(),
  );
  try {
    await startContainer(engine, helper, run.unbroken());
    for (const until = performance.now() + LOOK_LIMIT_MS; performance.now() < until;) {
      if ((await inspectContainer(engine, helper, signal))?.running !== true) {
        break;
      }
      await pause(50, signal);
    }
    return (await lastLines(engine, helper, 1000, signal)).join('\n');
  } finally {
    await removeContainer(engine, helper, { force: true }, run.unbroken());
  }
}

/** Reads /proc/net/tcp and tcp6: state 0A is LISTEN, addresses are hexadecimal. The engine's own resolver is left out. */
export function parseListening(text: string): Listener[] {
  return [...text.matchAll(/^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:0000 0A /gm)]
    .map(([, address = '', port = '0']) => ({
      port: parseInt(port, 16),
      loopback: address === '0100007F' || address === '00000000000000000000000001000000',
      resolver: address === '0B00007F',
    }))
    .filter((it) => !it.resolver)
    .map(({ port, loopback }) => ({ port, loopback }));
}
