import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { t } from '../l10n';
import { DeployError, type Environment, throwIfCancelled } from '../model';
import type { HostTransport } from '../ssh/transport';
import { DockerEngine, type EngineLink } from './engine';
import { DockerError } from './errors';
import { type EngineAddress, localAddresses } from './localAddress';
import { DIAL_STDIO, lookForCause, type RemoteFindings, unreachableError } from './remoteCause';

const LOOPBACK = '127.0.0.1';
const DEFAULT_SOCKET = '/var/run/docker.sock';
const MAX_LOCAL_STREAMS = 64;
/** sshd's MaxSessions is 10 for one connection, and commands of our own must still find room. */
const MAX_COMMAND_STREAMS = 8;
const MAX_FORWARDED_STREAMS = 64;
/** Milliseconds for the first answer through a socket of the host. */
const FIRST_ANSWER_MS = 10_000;

/**
 * The engine of this machine.
 * @throws DeployError 'docker-unreachable' that says what was tried.
 */
export async function connectLocalEngine(signal: AbortSignal, env: Environment = process.env): Promise<DockerEngine> {
  const addresses = await localAddresses(env);
  const failures: string[] = [];
  let denied: string | undefined;
  let refusal: DockerError | undefined;
  for (const address of addresses) {
    try {
      return await DockerEngine.open(localLink(address), signal);
    } catch (error) {
      throwIfCancelled(signal);
      const { message, code } = innermost(error);
      failures.push(`${addressText(address)}: ${message}`);
      if (code === 'EACCES') {
        denied ??= addressText(address);
      } else if (error instanceof DockerError) {
        refusal ??= error;
      }
    }
  }
  const detail = failures.join('\n');
  if (denied !== undefined) {
    throw new DeployError('docker-unreachable', t('You may not use Docker on this machine: no right to {0}.', denied), {
      hint: t('Run `sudo usermod -aG docker $USER`, then log out and in again.'),
      detail,
    });
  }
  if (refusal !== undefined) {
    throw new DeployError('docker-unreachable', refusal.message, { detail, cause: refusal });
  }
  throw new DeployError('docker-unreachable', t('Docker is not running on this machine.'), {
    hint: t('Start Docker (Docker Desktop, or `sudo systemctl start docker`), then try again.'),
    detail,
  });
}

/**
 * The engine at an address that can be reached from here.
 * @param description what it is called in messages.
 * @throws DeployError 'docker-unreachable'.
 */
export async function connectEngineAt(
  address: EngineAddress,
  description: string,
  signal: AbortSignal,
): Promise<DockerEngine> {
  try {
    return await DockerEngine.open(localLink(address, description), signal);
  } catch (error) {
    throwIfCancelled(signal);
    throw new DeployError(
      'docker-unreachable',
      t('Docker does not answer at {0} ({1}).', addressText(address), description),
      {
        hint: t('Look whether it runs there, and whether this machine may use it.'),
        detail: innermost(error).message,
        cause: error,
      },
    );
  }
}

function localLink(address: EngineAddress, description = t('this machine')): EngineLink {
  return {
    description,
    open: () => openLocal(address),
    cliEnvironment: cliEnvironment(address),
    isHere: address.kind === 'socket',
    publishesAt: address.kind === 'socket' ? LOOPBACK : address.host,
    maxStreams: MAX_LOCAL_STREAMS,
    onClose: () => undefined,
  };
}

/**
 * Over TLS the docker command finds its certificates itself, in the way that led here: by the context, or by the
 * variables that are set already.
 */
function cliEnvironment(address: EngineAddress): Environment {
  const clean = { DOCKER_TLS: undefined, DOCKER_TLS_VERIFY: undefined, DOCKER_CERT_PATH: undefined };
  if (address.kind === 'socket') {
    return { ...clean, DOCKER_HOST: `${process.platform === 'win32' ? 'npipe' : 'unix'}://${address.path}` };
  }
  const { host, port, tls: files, context } = address;
  if (files === undefined) {
    return { ...clean, DOCKER_HOST: `tcp://${host.includes(':') ? `[${host}]` : host}:${port}` };
  }
  return context === undefined ? {} : { ...clean, DOCKER_HOST: undefined, DOCKER_CONTEXT: context };
}

function openLocal(address: EngineAddress): Duplex {
  if (address.kind === 'socket') {
    return net.connect({ path: address.path });
  }
  const { host, port, tls: files } = address;
  return files === undefined
    ? net.connect({ host, port, noDelay: true })
    : tls.connect({ host, port, ca: files.ca, cert: files.cert, key: files.key, rejectUnauthorized: files.verify });
}

function addressText(address: EngineAddress): string {
  return address.kind === 'socket' ? address.path : `${address.host}:${address.port}`;
}

/** The error at the bottom of a chain of causes: Node's own words for a socket that cannot be opened. */
function innermost(error: unknown): { message: string; code: string | undefined } {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) {
    current = current.cause;
  }
  if (!(current instanceof Error)) {
    return { message: String(current), code: undefined };
  }
  return {
    message: current.message,
    code: 'code' in current && typeof current.code === 'string' ? current.code : undefined,
  };
}

/**
 * The engine of a host, through its SSH connection: its API socket forwarded, or `docker system dial-stdio` where sshd
 * refuses to forward. A failure is looked into with a command on the host, because SSH itself says only "open failed".
 * @throws DeployError 'docker-unreachable' with the true cause, 'host-unreachable' when the connection is lost.
 */
export async function connectRemoteEngine(transport: HostTransport, signal: AbortSignal): Promise<DockerEngine> {
  const first = await tryOpen(socketLink(transport, DEFAULT_SOCKET), transport, signal);
  if (first instanceof DockerEngine) {
    return first;
  }
  const findings = await lookForCause(transport, signal);
  let last = first;
  for (const link of otherWays(transport, findings)) {
    const engine = await tryOpen(link, transport, signal);
    if (engine instanceof DockerEngine) {
      return engine;
    }
    last = engine;
  }
  throw unreachableError(hostName(transport), findings, last);
}

/** An engine, or why there is none that way. What makes every way hopeless is thrown, as is what Docker itself says. */
async function tryOpen(link: EngineLink, transport: HostTransport, signal: AbortSignal): Promise<DockerEngine | Error> {
  try {
    return await DockerEngine.open(link, signal, FIRST_ANSWER_MS);
  } catch (error) {
    throwIfCancelled(signal);
    if (transport.closed || !(error instanceof Error)) {
      throw error;
    }
    if (error instanceof DockerError) {
      throw new DeployError('docker-unreachable', error.message, {
        hint: t('Look at it there with `docker version` and `sudo systemctl status docker`.'),
        cause: error,
      });
    }
    return error;
  }
}

function* otherWays(transport: HostTransport, findings: RemoteFindings): Generator<EngineLink> {
  for (const socket of findings.usableSockets) {
    if (socket !== DEFAULT_SOCKET) {
      yield socketLink(transport, socket);
    }
  }
  if (findings.cliWorks) {
    yield {
      description: hostName(transport),
      open: () => transport.openCommand(DIAL_STDIO),
      maxStreams: MAX_COMMAND_STREAMS,
      onClose: (listener) => transport.onClose(listener),
    };
  }
}

function socketLink(transport: HostTransport, path: string): EngineLink {
  return {
    description: hostName(transport),
    open: () => transport.openUnixSocket(path),
    maxStreams: MAX_FORWARDED_STREAMS,
    onClose: (listener) => transport.onClose(listener),
  };
}

/** `deploy@203.0.113.5:22` → `203.0.113.5` */
function hostName(transport: HostTransport): string {
  return transport.description.replace(/^[^@]*@/, '').replace(/:22$/, '');
}
