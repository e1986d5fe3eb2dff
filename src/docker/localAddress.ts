import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { t } from '../l10n';
import { DeployError, type Environment } from '../model';
import { object, optionalText } from './json';

/** Where this machine's Docker engine listens. */
export type EngineAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly tls: TlsFiles | undefined;
      /** The Docker context that led here. */
      readonly context?: string;
    };

/** What proves the engine, and who asks it; what is undefined is not given: without `ca` the system's authorities count. */
export interface TlsFiles {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  /** False: the engine's certificate is not checked. */
  readonly verify: boolean;
}

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

/** Where the docker command keeps what it knows: contexts, credentials. */
export function configFolderOf(env: Environment): string {
  return optionalText(env['DOCKER_CONFIG']) ?? path.join(homeOf(env), '.docker');
}

/** On Windows HOME is a variable of other programs' worlds (Git, Cygwin), which docker does not look at. */
function homeOf(env: Environment): string {
  return process.platform === 'win32' ? os.homedir() : (optionalText(env['HOME']) ?? os.homedir());
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
  const files = (await tls()) ?? (/^https:/i.test(address) ? withoutFiles(true) : undefined);
  const port = Number(tcp[2] ?? (files === undefined ? 2375 : 2376));
  return { kind: 'tcp', host: tcp[1].replace(/^\[|\]$/g, ''), port, tls: files };
}

function withoutFiles(verify: boolean): TlsFiles {
  return { ca: undefined, cert: undefined, key: undefined, verify };
}

async function environmentTls(env: Environment, configFolder: string): Promise<TlsFiles | undefined> {
  const verify = optionalText(env['DOCKER_TLS_VERIFY']) !== undefined;
  if (!verify && optionalText(env['DOCKER_TLS']) === undefined) {
    return undefined;
  }
  return readTls(optionalText(env['DOCKER_CERT_PATH']) ?? configFolder, verify);
}

/** As docker does: the authority may be one of the system's, and not every engine asks who is there. */
async function readTls(folder: string, verify: boolean): Promise<TlsFiles> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readPem(path.join(folder, name))),
  );
  const nothing = ca === undefined && cert === undefined && key === undefined;
  if ((cert === undefined) !== (key === undefined) || (verify && nothing)) {
    throw new DeployError('docker-unreachable', t('The certificate for Docker is not in {0}.', folder), {
      hint: t(
        'Docker over TLS needs ca.pem there, and cert.pem with key.pem for an engine that asks who you are. Check DOCKER_CERT_PATH.',
      ),
    });
  }
  return { ca, cert, key, verify };
}

/** Undefined when there is no such file. */
async function readPem(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw new DeployError('docker-unreachable', t('The certificate {0} for Docker cannot be read.', file), { cause });
  }
}

async function currentContext(configFolder: string): Promise<string | undefined> {
  const config = await readJson(path.join(configFolder, 'config.json'));
  return optionalText(object(config)['currentContext']);
}

async function contextAddress(configFolder: string, name: string): Promise<EngineAddress> {
  const { id, host, verify } = await readContext(configFolder, name);
  const folder = path.join(configFolder, 'contexts', 'tls', id, 'docker');
  const address = await parseAddress(host, t('The Docker context {0}', name), () => contextTls(folder, verify));
  return address.kind === 'tcp' ? { ...address, context: name } : address;
}

/** Only a context without a folder for certificates was made without TLS; nothing that fails may make it one. */
async function contextTls(folder: string, verify: boolean): Promise<TlsFiles | undefined> {
  if (await isAbsent(folder)) {
    return verify ? undefined : withoutFiles(false);
  }
  return readTls(folder, verify);
}

async function isAbsent(folder: string): Promise<boolean> {
  try {
    await stat(folder);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
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
