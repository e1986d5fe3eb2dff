import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { t } from '../l10n';
import { DeployError } from '../model';
import { object, optionalText } from './json';

/** Where this machine's Docker engine listens. */
export type EngineAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: TlsFiles | undefined };

export interface TlsFiles {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  /** False: the engine's certificate is not checked. */
  readonly verify: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const WINDOWS_PIPE = '//./pipe/docker_engine';

/**
 * The addresses to try, in the order the docker command has: DOCKER_HOST, the context of DOCKER_CONTEXT or of
 * `docker context use`, then the sockets that Docker, Docker Desktop, rootless Docker and Colima are known to make. One
 * that the person named is the only one to try.
 * @throws DeployError 'docker-unreachable' for an address that cannot be used here.
 */
export async function localAddresses(env: Environment): Promise<EngineAddress[]> {
  const configFolder = configFolderOf(env);
  const named = optionalText(env['DOCKER_HOST']);
  if (named !== undefined) {
    return [await parseAddress(named, 'DOCKER_HOST', () => environmentTls(env, configFolder))];
  }
  const context = optionalText(env['DOCKER_CONTEXT']) ?? (await currentContext(configFolder));
  if (context !== undefined && context !== 'default') {
    return [await contextAddress(configFolder, context)];
  }
  return wellKnownSockets(env, homeOf(env)).map((socket) => ({ kind: 'socket', path: socket }));
}

/** The Docker contexts of the person's own making, by name; `default` is this machine. */
export async function listContexts(env: Environment = process.env): Promise<string[]> {
  const folder = path.join(configFolderOf(env), 'contexts', 'meta');
  const ids = await readdir(folder).catch(() => []);
  const metas = await Promise.all(ids.map((id) => readJson(path.join(folder, id, 'meta.json'))));
  return metas.flatMap((meta) => optionalText(object(meta)['Name']) ?? []).sort();
}

/** Where a Docker context leads: to an engine that can be reached from here, or to a machine behind SSH. */
export async function resolveContext(
  name: string,
  env: Environment = process.env,
): Promise<EngineAddress | { readonly kind: 'ssh'; readonly destination: string }> {
  const folder = configFolderOf(env);
  const { host } = await readContext(folder, name);
  const destination = /^ssh:\/\/([^/]+)\/?$/i.exec(host)?.[1];
  return destination === undefined ? contextAddress(folder, name) : { kind: 'ssh', destination };
}

function configFolderOf(env: Environment): string {
  return env['DOCKER_CONFIG'] ?? path.join(homeOf(env), '.docker');
}

function homeOf(env: Environment): string {
  return env['HOME'] ?? env['USERPROFILE'] ?? os.homedir();
}

function wellKnownSockets(env: Environment, home: string): string[] {
  if (process.platform === 'win32') {
    return [WINDOWS_PIPE, '//./pipe/dockerDesktopLinuxEngine'];
  }
  const runtime = env['XDG_RUNTIME_DIR'] ?? `/run/user/${process.getuid?.() ?? 0}`;
  return [
    '/var/run/docker.sock',
    path.join(home, '.docker', 'run', 'docker.sock'),
    path.join(runtime, 'docker.sock'),
    path.join(home, '.docker', 'desktop', 'docker.sock'),
    path.join(home, '.colima', 'default', 'docker.sock'),
    path.join(home, '.orbstack', 'run', 'docker.sock'),
    path.join(home, '.rd', 'docker.sock'),
  ];
}

async function parseAddress(
  address: string,
  origin: string,
  tls: () => Promise<TlsFiles | undefined>,
): Promise<EngineAddress> {
  const pipe = /^npipe:\/\/(.+)$/i.exec(address)?.[1];
  const socket = /^unix:\/\/(.+)$/i.exec(address)?.[1];
  if (pipe !== undefined || socket !== undefined) {
    return { kind: 'socket', path: pipe ?? socket ?? '' };
  }
  if (/^ssh:/i.test(address)) {
    throw new DeployError(
      'docker-unreachable',
      t('{0} names a Docker engine on another machine: {1}', origin, address),
      {
        hint: t(
          'Images are built with the Docker of this machine. Take that machine as the host to deploy to instead.',
        ),
      },
    );
  }
  const tcp = /^(?:tcp|http|https):\/\/(\[[0-9a-f:]+\]|[^:/]+)(?::(\d+))?\/?$/i.exec(address);
  if (tcp?.[1] === undefined) {
    throw new DeployError('docker-unreachable', t('{0} is no address of a Docker engine: {1}', origin, address), {
      hint: t('It begins with unix://, tcp:// or npipe://. Correct it, or unset it.'),
    });
  }
  const files = await tls();
  const port = Number(tcp[2] ?? (files === undefined ? 2375 : 2376));
  return { kind: 'tcp', host: tcp[1].replace(/^\[|\]$/g, ''), port, tls: files };
}

async function environmentTls(env: Environment, configFolder: string): Promise<TlsFiles | undefined> {
  const verify = optionalText(env['DOCKER_TLS_VERIFY']) !== undefined;
  if (!verify && optionalText(env['DOCKER_TLS']) === undefined) {
    return undefined;
  }
  return readTls(optionalText(env['DOCKER_CERT_PATH']) ?? configFolder, verify);
}

async function readTls(folder: string, verify: boolean): Promise<TlsFiles> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFile(path.join(folder, name)).catch(() => undefined)),
  );
  if (cert === undefined || key === undefined) {
    throw new DeployError('docker-unreachable', t('The certificate for Docker is not in {0}.', folder), {
      hint: t('Docker over TLS needs ca.pem, cert.pem and key.pem there. Check DOCKER_CERT_PATH.'),
    });
  }
  return { ca, cert, key, verify };
}

async function currentContext(configFolder: string): Promise<string | undefined> {
  const config = await readJson(path.join(configFolder, 'config.json'));
  return optionalText(object(config)['currentContext']);
}

async function contextAddress(configFolder: string, name: string): Promise<EngineAddress> {
  const { id, host, verify } = await readContext(configFolder, name);
  return parseAddress(host, t('The Docker context {0}', name), () =>
    readTls(path.join(configFolder, 'contexts', 'tls', id, 'docker'), verify).catch(() => undefined),
  );
}

/** A context is kept under the SHA-256 of its name (docker/cli, context store). */
async function readContext(configFolder: string, name: string): Promise<{ id: string; host: string; verify: boolean }> {
  const id = createHash('sha256').update(name).digest('hex');
  const meta = object(await readJson(path.join(configFolder, 'contexts', 'meta', id, 'meta.json')));
  const endpoint = object(object(meta['Endpoints'])['docker']);
  const host = optionalText(endpoint['Host']);
  if (host === undefined) {
    throw new DeployError('docker-unreachable', t('There is no Docker context {0} on this machine.', name), {
      hint: t('See `docker context ls`, and choose one with `docker context use`.'),
    });
  }
  return { id, host, verify: endpoint['SkipTLSVerify'] !== true };
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch {
    return undefined;
  }
}
