import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { t } from '../l10n';
import { DeployError, type Environment } from '../model';
import { STARTED } from '../ssh/program';
import type { DockerEngine } from './engine';
import { DockerError, sentence } from './errors';
import { imagePath, splitReference, splitRegistry } from './images';
import { jsonLines, lineError, object, optionalText, text } from './json';
import { StallLimit } from './limits';
import { configFolderOf } from './localAddress';

/** A pull that says nothing for so long is stuck, in milliseconds. */
const PULL_STALL_MS = 120_000;
/** A push that says nothing for so long is stuck, in milliseconds. */
const PUSH_STALL_MS = 120_000;
/** Limit for a credential helper, which may ask the person something, in milliseconds. */
const HELPER_LIMIT_MS = 60_000;
/** Under this name `docker login` keeps the credentials of Docker Hub. */
const DOCKER_HUB = 'https://index.docker.io/v1/';

/** The registry that an image's name leads to: `ghcr.io`, `localhost:5000`; Docker Hub by its own names and for a name without one. */
export function registryOf(reference: string): string {
  const { registry } = splitRegistry(reference);
  return registry === 'docker.io' || registry === 'registry-1.docker.io' ? DOCKER_HUB : registry;
}

/** Whether `docker login` has left something for a registry on this machine. No credential helper is asked. */
export async function hasLogin(registry: string, env: Environment = process.env): Promise<boolean> {
  const config = await readConfig(env);
  return [config['auths'], config['credHelpers']].some((known) => Object.hasOwn(object(known), registry));
}

/**
 * The credentials that `docker login` keeps on this machine for a registry, as the engine's API takes them (header
 * X-Registry-Auth, docs.docker.com, Engine API, "Authentication"): from a credential helper or from config.json.
 * Undefined when there are none.
 * @throws DeployError 'transfer' when the helper that is named cannot be run.
 */
export async function registryAuth(registry: string, env: Environment = process.env): Promise<string | undefined> {
  const config = await readConfig(env);
  const helper = optionalText(object(config['credHelpers'])[registry]) ?? optionalText(config['credsStore']);
  const entry = object(object(config['auths'])[registry]);
  const kept = helper === undefined ? fromConfig(entry) : await askHelper(helper, registry);
  return kept && encode({ ...kept, serveraddress: registry });
}

async function readConfig(env: Environment): Promise<Readonly<Record<string, unknown>>> {
  const content = await readFile(path.join(configFolderOf(env), 'config.json'), 'utf8').catch(() => '{}');
  return object(parse(content));
}

/** The URL's kind of base64, with the padding that the engine insists on and Node's `base64url` leaves out. */
function encode(value: object): string {
  const plain = Buffer.from(JSON.stringify(value)).toString('base64');
  return plain.replaceAll('+', '-').replaceAll('/', '_');
}

type Credentials = { readonly username: string; readonly password: string } | { readonly identitytoken: string };

function fromConfig(entry: Readonly<Record<string, unknown>>): Credentials | undefined {
  const token = optionalText(entry['identitytoken']);
  if (token !== undefined) {
    return { identitytoken: token };
  }
  const [, username, password] = /^([^:]+):([^]*)$/.exec(Buffer.from(text(entry['auth']), 'base64').toString()) ?? [];
  return username === undefined || password === undefined ? undefined : { username, password };
}

/** Runs `docker-credential-NAME get` (docs.docker.com, "docker login", credential helper protocol). */
function askHelper(name: string, registry: string): Promise<Credentials | undefined> {
  return new Promise((resolve, reject) => {
    const program = `docker-credential-${name}`;
    const child = execFile(program, ['get'], { ...STARTED, timeout: HELPER_LIMIT_MS }, (error, stdout) => {
      const answer = object(parse(stdout));
      const [username, secret] = [text(answer['Username']), text(answer['Secret'])];
      if (error !== null && 'code' in error && error.code === 'ENOENT') {
        reject(
          new DeployError('transfer', t('The credential helper {0} is not installed.', program), {
            hint: t('config.json of Docker names it. Install it, or log in again with `docker login`.'),
            cause: error,
          }),
        );
      } else if (error !== null || secret === '') {
        // It knows nothing of that registry.
        resolve(undefined);
      } else {
        resolve(username === '<token>' ? { identitytoken: secret } : { username, password: secret });
      }
    });
    // A helper that ends without reading is told by its exit.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(registry);
  });
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * Lets the engine pull an image from its registry. `onText` gets one line for each layer's change of state.
 * `auth` are credentials, as `registryAuth` gives them; `platform` is another than the engine's own (`linux/arm64`).
 * @throws DockerError with the registry's words; `status` 404 when there is no such image.
 */
export function pullImage(
  engine: DockerEngine,
  reference: string,
  onText: (text: string) => void,
  signal: AbortSignal,
  { auth, platform }: { readonly auth?: string | undefined; readonly platform?: string } = {},
): Promise<void> {
  const { repository, tag } = splitReference(reference);
  const request = {
    method: 'POST' as const,
    path: '/images/create',
    query: { fromImage: repository, tag, platform },
    ...(auth !== undefined && { headers: { 'X-Registry-Auth': auth } }),
  };
  const stall = new StallLimit(
    signal,
    PULL_STALL_MS,
    () => new DockerError(t('The pull of {0} stands still.', reference)),
  );
  return follow(engine, request, PULL_STALL_MS, stall, onText);
}

/**
 * Lets the engine push an image to the registry that its name leads to. `onText` gets one line for each layer's change
 * of state.
 * @throws DockerError with the registry's words.
 */
export function pushImage(
  engine: DockerEngine,
  reference: string,
  auth: string | undefined,
  onText: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { repository, tag } = splitReference(reference);
  const request = {
    method: 'POST' as const,
    path: `/images/${imagePath(repository)}/push`,
    query: { tag },
    // The header must be there even when there is nothing to say.
    headers: { 'X-Registry-Auth': auth ?? encode({}) },
  };
  const stall = new StallLimit(
    signal,
    PUSH_STALL_MS,
    () => new DockerError(t('The push of {0} stands still.', reference)),
  );
  return follow(engine, request, PUSH_STALL_MS, stall, onText);
}

/** Has the engine exchange an image with a registry, and reads what it says to the end. */
async function follow(
  engine: DockerEngine,
  request: Parameters<DockerEngine['stream']>[0],
  limitMs: number,
  stall: StallLimit,
  onText: (text: string) => void,
): Promise<void> {
  try {
    for await (const line of jsonLines(await engine.stream(request, stall.signal, limitMs))) {
      stall.alive();
      const error = lineError(line);
      if (error !== undefined) {
        throw new DockerError(sentence(error));
      }
      // Lines with progressDetail repeat by the second.
      if (Object.keys(object(line['progressDetail'])).length === 0) {
        onText([text(line['id']), text(line['status'])].filter((part) => part !== '').join(': '));
      }
    }
  } catch (error) {
    throw engine.explain(error, stall.signal);
  } finally {
    stall.end();
  }
}
