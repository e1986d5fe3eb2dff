/** A folder's configuration: its bluegreen.json, or its Dockerfile alone, and what the person says on top. */
import { lstatSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { t } from '../l10n';
import type { Environment, ServiceConfig, SourcePosition } from '../model';
import { DeployError } from '../model';
import { Complaint, quoted } from './complaint';
import { CONFIG_FILE_NAME } from './fileName';
import { absolutePath, kindOfPath } from './machine';
import { checkDestination, checkHealthPath, checkServiceName } from './names';
import { nearest } from './nearest';
import type { ConfigPath, ParsedConfig } from './parse';
import { parseConfig } from './parse';
import type { ConfigProblem } from './problems';
import { problemsError } from './problems';
import { zeroService, zeroServiceName } from './zero';

/** What a person says at one time, over what the file says. Relative paths begin at the folder. */
export interface Overrides {
  readonly service?: string;
  readonly dockerfile?: string;
  readonly context?: string;
  readonly port?: number;
  /** Path of the health check. */
  readonly health?: string;
  readonly publish?: number;
  readonly hosts?: readonly string[];
}

export interface LoadOptions {
  /** Absolute, or relative to the folder. Left out: bluegreen.json in the folder, if it is there. */
  readonly configFile?: string;
  readonly overrides: Overrides;
  /**
   * `deploy` (default): what the meant services name must be here: Dockerfiles, env files, variables. `look`: only the
   * text must be right, and variables that are not set are empty. A service that was looked at is not to be deployed.
   */
  readonly purpose?: 'deploy' | 'look';
  readonly environment?: Environment;
}

export interface LoadedConfig {
  /** Undefined for zero configuration. */
  readonly file: string | undefined;
  /** Folder that relative paths begin at. */
  readonly folder: string;
  /** The services that are meant: the named one, the one of the named Dockerfile, or all. */
  readonly services: readonly ServiceConfig[];
  /** What is odd but no obstacle. */
  readonly warnings: readonly ConfigProblem[];
  positionOf(place: ConfigPath): SourcePosition | undefined;
}

/** Reads the configuration of a folder. Throws `config` with the place of the first problem, or `usage`. */
export async function loadConfig(folder: string, options: LoadOptions): Promise<LoadedConfig> {
  const { overrides, purpose = 'deploy', environment = process.env } = options;
  checkOverrides(overrides);
  const file = findConfigFile(folder, options.configFile);
  if (file === undefined) {
    const services = zeroServices(folder, overrides, purpose);
    return { file, folder, services: withOverrides(services, folder, overrides), warnings: [], positionOf: none };
  }
  const parsed = parseConfig(await readConfigFile(file), file, environment);
  throwProblems(parsed.problems.filter((problem) => problem.about === 'text'));
  const loaded: LoadedConfig = {
    file,
    folder: path.dirname(file),
    services: parsed.services,
    warnings: parsed.problems.filter((problem) => problem.severity === 'warning'),
    positionOf: (place) => parsed.positionOf(place),
  };
  const meant = purpose === 'look' ? parsed.services : meantServices(loaded, folder, overrides);
  const services = withOverrides(meant, folder, overrides);
  if (purpose === 'deploy') {
    const otherPaths = (overrides.dockerfile ?? overrides.context) !== undefined;
    const names = new Set(meant.map(({ name }) => name));
    throwProblems(
      parsed.problems.filter(
        ({ service = '', about }) =>
          names.has(service) && (about === 'environment' || (about === 'build' && !otherPaths)),
      ),
    );
    if (otherPaths) {
      services.forEach(checkBuildPaths);
    }
  }
  return { ...loaded, services };
}

/**
 * The service that a Dockerfile builds: the configured one; else, where its own name is that of a configured service
 * in the same folder, that service built from this file; else zero configuration. Undefined when there is no such
 * file, when several services are built from it, or when its name belongs to a service elsewhere: the person has to
 * say which service is meant.
 */
export function serviceForDockerfile(
  loaded: Pick<LoadedConfig, 'folder' | 'services'>,
  dockerfile: string,
): ServiceConfig | undefined {
  const file = absolutePath(loaded.folder, dockerfile);
  const [configured, ...others] = loaded.services.filter((service) => samePath(service.build.dockerfile, file));
  if (configured !== undefined || kindOfPath(file) !== 'file') {
    return others.length === 0 ? configured : undefined;
  }
  const folder = path.dirname(file);
  const name = zeroServiceName(file, folder);
  const namesake = loaded.services.find((service) => service.name === name);
  if (namesake === undefined) {
    return zeroService(file);
  }
  const { build } = namesake;
  const isNeighbour = samePath(build.context, folder) || samePath(path.dirname(build.dockerfile), folder);
  return isNeighbour ? { ...namesake, build: { ...build, dockerfile: file } } : undefined;
}

/** The service of that name. Throws `usage` with the nearest name, or all of them. */
export function findService(loaded: Pick<LoadedConfig, 'file' | 'services'>, name: string): ServiceConfig {
  const found = loaded.services.find((service) => service.name === name);
  if (found !== undefined) {
    return found;
  }
  const names = loaded.services.map((service) => service.name);
  const guess = nearest(name, names);
  throw new DeployError(
    'usage',
    loaded.file === undefined
      ? t('There is no service {0} in this folder.', quoted(name))
      : t('There is no service {0} in {1}.', quoted(name), loaded.file),
    {
      hint: guess === undefined ? t('There is: {0}.', names.join(', ')) : t('Did you mean {0}?', quoted(guess)),
    },
  );
}

function findConfigFile(folder: string, named: string | undefined): string | undefined {
  const file = path.resolve(folder, named ?? CONFIG_FILE_NAME);
  return named !== undefined || !isAbsent(file) ? file : undefined;
}

/** What is there but cannot be looked at, such as a link that leads nowhere, is not absent. */
function isAbsent(file: string): boolean {
  try {
    lstatSync(file);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

async function readConfigFile(file: string): Promise<string> {
  try {
    // A pipe might never end.
    if (kindOfPath(file) === 'file') {
      return await readFile(file, 'utf8');
    }
    throw new Error(t('It is no file.'));
  } catch (error) {
    const missing = isAbsent(file);
    throw new DeployError(
      'config',
      missing ? t('There is no file {0}.', quoted(file)) : t('Cannot read {0}.', quoted(file)),
      {
        ...(missing ? { hint: t('Name the configuration file, or leave it out to deploy a Dockerfile alone.') } : {}),
        cause: error,
      },
    );
  }
}

function throwProblems(problems: readonly ConfigProblem[]): void {
  const failure = problemsError(problems);
  if (failure !== undefined) {
    throw failure;
  }
}

function meantServices(loaded: LoadedConfig, folder: string, overrides: Overrides): readonly ServiceConfig[] {
  if (overrides.service !== undefined) {
    return [findService(loaded, overrides.service)];
  }
  if (overrides.dockerfile === undefined) {
    return loaded.services;
  }
  const dockerfile = absolutePath(folder, overrides.dockerfile);
  checkDockerfile(dockerfile);
  const service = serviceForDockerfile(loaded, dockerfile);
  if (service === undefined) {
    throw new DeployError('usage', t('Which service is built from {0} is not clear.', quoted(dockerfile)), {
      hint: t('Name the service: {0}.', loaded.services.map(({ name }) => name).join(', ')),
    });
  }
  return [service];
}

function zeroServices(folder: string, overrides: Overrides, purpose: 'deploy' | 'look'): ServiceConfig[] {
  const context = overrides.context === undefined ? undefined : absolutePath(folder, overrides.context);
  const dockerfile = absolutePath(folder, overrides.dockerfile ?? path.join(context ?? folder, 'Dockerfile'));
  if (purpose === 'look' && kindOfPath(dockerfile) !== 'file') {
    return [];
  }
  checkDockerfile(dockerfile);
  const service = zeroService(dockerfile, context, overrides.service);
  checkBuildPaths(service);
  return [service];
}

function withOverrides(
  services: readonly ServiceConfig[],
  folder: string,
  overrides: Overrides,
): readonly ServiceConfig[] {
  const { dockerfile, context, port, health, publish, hosts } = overrides;
  const ofOneService = [dockerfile, context, port, health, publish].some((value) => value !== undefined);
  if (ofOneService && services.length > 1) {
    throw new DeployError('usage', t('These options are for one service, and there are several.'), {
      hint: t('Name the service: {0}.', services.map(({ name }) => name).join(', ')),
    });
  }
  return services.map((service) => ({
    ...service,
    build: {
      ...service.build,
      ...(context === undefined ? {} : { context: absolutePath(folder, context) }),
      ...(dockerfile === undefined ? {} : { dockerfile: absolutePath(folder, dockerfile) }),
    },
    hosts: hosts ?? service.hosts,
    port: port ?? service.port,
    health: { ...service.health, ...(health === undefined ? {} : { path: health }) },
    proxy: { ...service.proxy, ...(publish === undefined ? {} : { publish }) },
  }));
}

function checkOverrides(overrides: Overrides): void {
  const check = (label: string, value: string | Complaint): void => {
    if (value instanceof Complaint) {
      const more = value.hint === undefined ? {} : { hint: value.hint };
      throw new DeployError('usage', value.says(label), more);
    }
  };
  if (overrides.service !== undefined) {
    check(quoted(overrides.service), checkServiceName(overrides.service));
  }
  if (overrides.health !== undefined) {
    check(t('The health check'), checkHealthPath(overrides.health));
  }
  for (const host of overrides.hosts ?? []) {
    check(t('The host'), checkDestination(host));
  }
  for (const port of [overrides.port, overrides.publish]) {
    if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
      throw new DeployError('usage', t('A port is a whole number from 1 to 65535, not {0}.', port));
    }
  }
}

function checkBuildPaths({ build }: ServiceConfig): void {
  checkDockerfile(build.dockerfile);
  if (kindOfPath(build.context) !== 'folder') {
    throw new DeployError('config', t('There is no folder {0}.', quoted(build.context)), {
      hint: t('It is the context of the build.'),
    });
  }
}

function checkDockerfile(dockerfile: string): void {
  if (kindOfPath(dockerfile) !== 'file') {
    throw new DeployError('config', t('There is no Dockerfile {0}.', quoted(dockerfile)), {
      hint: t('Write one, name another one, or describe the services in {0}.', CONFIG_FILE_NAME),
    });
  }
}

/** Windows file names are the same in either case. */
function samePath(a: string, b: string): boolean {
  return process.platform === 'win32' ? a.toLowerCase() === b.toLowerCase() : a === b;
}

const none: ParsedConfig['positionOf'] = () => undefined;
