import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { PublishedPort } from '../docker/containers';
import { connectEngineAt, connectLocalEngine, connectRemoteEngine } from '../docker/connect';
import type { DockerEngine } from '../docker/engine';
import { resolveContext } from '../docker/localAddress';
import { hostLabel, LOCAL_HOST } from '../hostNames';
import { t } from '../l10n';
import { DeployError, PROXY_PORT, type Questions } from '../model';
import { LastingTransport } from '../ssh/lasting';
import type { SshOptions } from '../ssh/settings';

/** A machine that services are deployed to: its Docker engine, and the SSH connection that leads there. */
export interface Host {
  /** As the person wrote it. */
  readonly name: string;
  readonly engine: DockerEngine;
  /** Undefined for an engine that is reached without SSH: this machine's own, or that of a Docker context. */
  readonly transport: LastingTransport | undefined;
  /** Bytes sent over the wire since the connection was opened; 0 without one. */
  readonly bytesSent: number;
  /**
   * Its address as seen from here: `user@host:port` of its SSH connection, or where the ports are reached that the
   * containers of its engine publish.
   */
  readonly address: string;
  /**
   * A connection to nginx in its proxy, whose address on the network of the services and published port are given. A
   * failure is an `error` on the stream.
   */
  openProxy(address: string, published: PublishedPort): Duplex;
  close(): void;
}

const LOOPBACK = '127.0.0.1';
/** As Docker says that a port is published on all addresses of a machine. */
const EVERY_ADDRESS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::']);
/** Limit for a connection to a published port, in milliseconds. */
const CONNECT_LIMIT_MS = 2_000;

/** Before the name of a Docker context. */
export const CONTEXT_PREFIX = 'context:';

/**
 * Opens a host: an alias of the ssh configuration, `user@host[:port]`, `local`, or `context:NAME` for a Docker context of
 * the person's. Throws `host-unreachable`, `host-untrusted`, `host-auth` or `docker-unreachable`.
 */
export async function openHost(
  name: string,
  options: SshOptions,
  questions: Questions,
  signal: AbortSignal,
): Promise<Host> {
  if (name === LOCAL_HOST) {
    return directHost(name, await connectLocalEngine(signal));
  }
  if (!name.startsWith(CONTEXT_PREFIX)) {
    return sshHost(name, name, options, questions, signal);
  }
  const way = await resolveContext(name.slice(CONTEXT_PREFIX.length));
  if (way.kind === 'ssh') {
    return sshHost(name, way.destination, options, questions, signal);
  }
  return directHost(name, await connectEngineAt(way, name, signal));
}

async function sshHost(
  name: string,
  destination: string,
  options: SshOptions,
  questions: Questions,
  signal: AbortSignal,
): Promise<Host> {
  const transport = await LastingTransport.open(destination, options, questions, signal);
  try {
    const engine = await connectRemoteEngine(transport, signal);
    return {
      name,
      engine,
      transport,
      get bytesSent() {
        return transport.bytesSent;
      },
      address: transport.description,
      openProxy: (address) => transport.openTcp(address, PROXY_PORT),
      close: () => {
        engine.close();
        transport.close();
      },
    };
  } catch (error) {
    transport.close();
    throw error;
  }
}

function directHost(name: string, engine: DockerEngine): Host {
  const address = engine.publishesAt ?? LOOPBACK;
  return {
    name,
    engine,
    transport: undefined,
    bytesSent: 0,
    address,
    openProxy: (_, { hostIp, hostPort }) => {
      // A proxy may be published on one address of its machine alone (`docker run -p 10.0.0.5:80:80`). A loopback address
      // is this machine's own only where the engine is.
      const isNamed = !EVERY_ADDRESS.has(hostIp) && (address === LOOPBACK || !hostIp.startsWith('127.'));
      return connectWithin(CONNECT_LIMIT_MS, isNamed ? hostIp : address, hostPort);
    },
    close: () => engine.close(),
  };
}

/** A firewall may swallow what it does not let pass. */
function connectWithin(limitMs: number, host: string, port: number): Duplex {
  const socket = net.connect({ host, port });
  const timer = setTimeout(() => {
    socket.destroy(new Error(t('{0} does not answer', `${host}:${port}`)));
  }, limitMs);
  const stop = (): void => clearTimeout(timer);
  return socket.once('connect', stop).once('close', stop);
}

/** For a service that neither has a container nor is served. */
export function noSuchService(host: Host, service: string): DeployError {
  return new DeployError('not-found', t('There is no service {0} on {1}.', service, hostLabel(host.name)), {
    hint: t('See in the status what is there.'),
  });
}
