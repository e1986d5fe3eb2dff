import net from 'node:net';
import type { Duplex } from 'node:stream';
import { connectEngineAt, connectLocalEngine, connectRemoteEngine } from '../docker/connect';
import type { DockerEngine } from '../docker/engine';
import { resolveContext } from '../docker/localAddress';
import { hostLabel, LOCAL_HOST } from '../hostNames';
import { t } from '../l10n';
import { DeployError, type Questions } from '../model';
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
  /** A connection to an address as the host sees it. A failure is an `error` on the stream. */
  openTcp(address: string, port: number): Duplex;
  close(): void;
}

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
    return directHost(name, await connectLocalEngine(signal), '127.0.0.1');
  }
  if (!name.startsWith(CONTEXT_PREFIX)) {
    return sshHost(name, name, options, questions, signal);
  }
  const way = await resolveContext(name.slice(CONTEXT_PREFIX.length));
  if (way.kind === 'ssh') {
    return sshHost(name, way.destination, options, questions, signal);
  }
  const engine = await connectEngineAt(way, name, signal);
  return directHost(name, engine, way.kind === 'tcp' ? way.host : '127.0.0.1');
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
      openTcp: (address, port) => transport.openTcp(address, port),
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

/** @param address where the ports that the engine publishes are reached. */
function directHost(name: string, engine: DockerEngine, address: string): Host {
  return {
    name,
    engine,
    transport: undefined,
    bytesSent: 0,
    // What the host knows as its own loopback is at that address from here.
    openTcp: (host, port) => net.connect({ host: host === '127.0.0.1' ? address : host, port }),
    close: () => engine.close(),
  };
}

/** For a service that neither has a container nor is served. */
export function noSuchService(host: Host, service: string): DeployError {
  return new DeployError('not-found', t('There is no service {0} on {1}.', service, hostLabel(host.name)), {
    hint: t('See what is there: blue-green status.'),
  });
}
