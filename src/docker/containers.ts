import type { DockerEngine } from './engine';
import { DockerError, isNotFound } from './errors';
import { array, type Json, number, object, optionalText, text, textRecord, texts, time } from './json';
import { joining } from './networks';

export { execInContainer, type ExecOptions, type ExecResult } from './exec';
export { readFileInContainer, readFolderInContainer, writeFileInContainer } from './files';
export { containerLogs, lastLines, lastLinesIfAny, type LogLine, type LogOptions } from './logs';

export type RestartPolicy = 'no' | 'always' | 'unless-stopped';

export interface PublishedPort {
  readonly hostPort: number;
  readonly containerPort: number;
  /** Address of the host it listens on; empty for all. */
  readonly hostIp: string;
}

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly user?: string;
  /** `source:target[:options]`, source a path of the host or the name of a volume. */
  readonly volumes: readonly string[];
  readonly network: string;
  readonly restart: RestartPolicy;
  readonly publish?: readonly { readonly hostPort: number; readonly containerPort: number }[];
  readonly memoryBytes?: number;
  readonly cpus?: number;
  /** `name:ip` lines for /etc/hosts. */
  readonly extraHosts?: readonly string[];
  readonly stopGraceSeconds?: number;
}

export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  /** Docker's word: created, running, restarting, exited, paused, dead, removing. */
  readonly state: string;
  readonly image: string;
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

export interface ContainerMount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface ContainerDetails extends ContainerSummary {
  readonly running: boolean;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Docker's own words when it could not be started. */
  readonly error: string;
  /** Milliseconds since the epoch; 0 when it never started. */
  readonly startedAt: number;
  /** HEALTHCHECK's verdict where there is one. */
  readonly health: 'healthy' | 'unhealthy' | 'starting' | undefined;
  /** Output of the last health check, where there is one. */
  readonly healthOutput: string | undefined;
  readonly restart: string;
  readonly restartCount: number;
  readonly ports: readonly PublishedPort[];
  /** By network name. The address is empty while it does not run. */
  readonly networks: Readonly<Record<string, { readonly ipAddress: string }>>;
  /** TCP ports that the image EXPOSEs or that are published, ascending. */
  readonly exposedPorts: readonly number[];
  /** `NAME=value`, the image's own included. May hold secrets. */
  readonly env: readonly string[];
  readonly mounts: readonly ContainerMount[];
}

/** All containers, running or not, that carry all the labels (`key` or `key=value`) and one of the names. */
export async function listContainers(
  engine: DockerEngine,
  filter: { readonly labels?: readonly string[]; readonly names?: readonly string[] },
  signal: AbortSignal,
): Promise<ContainerSummary[]> {
  const filters = {
    ...(filter.labels !== undefined && { label: [...filter.labels] }),
    // Docker takes a name as a regular expression and matches anywhere in it.
    ...(filter.names !== undefined && { name: filter.names.map((name) => `^/${escapeRegExp(name)}$`) }),
  };
  const answer: unknown = await engine.call(
    (docker, abortSignal) => docker.listContainers({ all: true, filters, abortSignal }),
    signal,
  );
  return array(answer).map((item) => readSummary(object(item)));
}

/** Everything about one container; undefined when there is none of that name or id. */
export async function inspectContainer(
  engine: DockerEngine,
  nameOrId: string,
  signal: AbortSignal,
): Promise<ContainerDetails | undefined> {
  try {
    const answer: unknown = await engine.call(
      (docker, abortSignal) => docker.getContainer(encode(nameOrId)).inspect({ abortSignal }),
      signal,
    );
    return readDetails(object(answer));
  } catch (error) {
    if (isNotFound(error)) {
      return undefined;
    }
    throw error;
  }
}

/**
 * Creates a container without starting it and returns its id.
 * @throws DockerError: `isConflict` when the name is taken, `isNotFound` when the image or the network is not there.
 */
export async function createContainer(engine: DockerEngine, spec: ContainerSpec, signal: AbortSignal): Promise<string> {
  const container = await engine.call(
    (docker, abortSignal) =>
      docker.createContainer({
        name: spec.name,
        abortSignal,
        Image: spec.image,
        Labels: { ...spec.labels },
        Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
        ...(spec.command !== undefined && { Cmd: [...spec.command] }),
        ...(spec.entrypoint !== undefined && { Entrypoint: [...spec.entrypoint] }),
        ...(spec.user !== undefined && { User: spec.user }),
        ...(spec.stopGraceSeconds !== undefined && { StopTimeout: spec.stopGraceSeconds }),
        ExposedPorts: Object.fromEntries((spec.publish ?? []).map(({ containerPort }) => [`${containerPort}/tcp`, {}])),
        HostConfig: {
          Binds: [...spec.volumes],
          NetworkMode: spec.network,
          RestartPolicy: { Name: spec.restart },
          PortBindings: portBindings(spec.publish ?? []),
          ExtraHosts: [...(spec.extraHosts ?? [])],
          ...(spec.memoryBytes !== undefined && { Memory: spec.memoryBytes }),
          ...(spec.cpus !== undefined && { NanoCpus: Math.round(spec.cpus * 1e9) }),
        },
      }),
    signal,
    60_000,
  );
  return container.id;
}

/** Starts a container, or lets a paused one go on; one that runs already is fine. */
export async function startContainer(engine: DockerEngine, id: string, signal: AbortSignal): Promise<void> {
  try {
    await unless(isNotModified, () =>
      joining(engine, signal, () =>
        engine.call((docker, abortSignal) => docker.getContainer(encode(id)).start({ abortSignal }), signal, 60_000),
      ),
    );
  } catch (error) {
    if (!(error instanceof DockerError && /paused container/.test(error.message))) {
      throw error;
    }
    await engine.call((docker, abortSignal) => docker.getContainer(encode(id)).unpause({ abortSignal }), signal);
  }
}

/** Asks a container to stop and kills it after `graceSeconds`. One that is stopped or gone is fine. */
export async function stopContainer(
  engine: DockerEngine,
  id: string,
  graceSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  await unless(
    (error) => isNotModified(error) || isNotFound(error),
    () =>
      engine.call(
        (docker, abortSignal) => docker.getContainer(encode(id)).stop({ t: graceSeconds, abortSignal }),
        signal,
        (graceSeconds + 30) * 1000,
      ),
  );
}

/** Stops a container as `stopContainer` does, and starts it again. */
export async function restartContainer(
  engine: DockerEngine,
  id: string,
  graceSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  await engine.call(
    (docker, abortSignal) => docker.getContainer(encode(id)).restart({ t: graceSeconds, abortSignal }),
    signal,
    (graceSeconds + 60) * 1000,
  );
}

/** Removes a container and its anonymous volumes. One that is gone, or being removed, is fine. */
export async function removeContainer(
  engine: DockerEngine,
  id: string,
  options: { readonly force: boolean },
  signal: AbortSignal,
): Promise<void> {
  await unless(
    (error) => isNotFound(error) || (error instanceof Error && /already in progress/.test(error.message)),
    () =>
      engine.call(
        (docker, abortSignal) => docker.getContainer(encode(id)).remove({ force: options.force, v: true, abortSignal }),
        signal,
        60_000,
      ),
  );
}

/** Says whether Docker starts a container again by itself, from now on. Throws as `DockerEngine.call`. */
export async function setRestartPolicy(
  engine: DockerEngine,
  id: string,
  policy: RestartPolicy,
  signal: AbortSignal,
): Promise<void> {
  await engine.call(
    (docker, abortSignal) => docker.getContainer(encode(id)).update({ RestartPolicy: { Name: policy }, abortSignal }),
    signal,
  );
}

/** @throws DockerError, `isConflict` when the name is taken. */
export async function renameContainer(
  engine: DockerEngine,
  id: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  await engine.call((docker, abortSignal) => docker.getContainer(encode(id)).rename({ name, abortSignal }), signal);
}

function readSummary(value: Json): ContainerSummary {
  return {
    id: text(value['Id']),
    name: (texts(value['Names'])[0] ?? '').replace(/^\//, ''),
    state: text(value['State']),
    image: text(value['Image']),
    imageId: text(value['ImageID']),
    labels: textRecord(value['Labels']),
    createdAt: number(value['Created']) * 1000,
  };
}

function readDetails(value: Json): ContainerDetails {
  const state = object(value['State']);
  const config = object(value['Config']);
  const hostConfig = object(value['HostConfig']);
  const network = object(value['NetworkSettings']);
  const health = object(state['Health']);
  const lastCheck = array(health['Log']).at(-1);
  return {
    id: text(value['Id']),
    name: text(value['Name']).replace(/^\//, ''),
    state: text(state['Status']),
    running: state['Running'] === true,
    exitCode: number(state['ExitCode']),
    oomKilled: state['OOMKilled'] === true,
    error: text(state['Error']),
    startedAt: time(state['StartedAt']),
    createdAt: time(value['Created']),
    health: readHealth(health['Status']),
    healthOutput: optionalText(object(lastCheck)['Output']),
    image: text(config['Image']),
    imageId: text(value['Image']),
    labels: textRecord(config['Labels']),
    restart: text(object(hostConfig['RestartPolicy'])['Name']),
    restartCount: number(value['RestartCount']),
    ports: readPorts(hostConfig['PortBindings']),
    networks: Object.fromEntries(
      Object.entries(object(network['Networks'])).map(([name, endpoint]) => [
        name,
        { ipAddress: text(object(endpoint)['IPAddress']) },
      ]),
    ),
    exposedPorts: readExposedPorts(config['ExposedPorts']),
    env: texts(config['Env']),
    mounts: array(value['Mounts']).map((item) => readMount(object(item))),
  };
}

function readHealth(value: unknown): ContainerDetails['health'] {
  return value === 'healthy' || value === 'unhealthy' || value === 'starting' ? value : undefined;
}

/** From the container's configuration, not its running state: known while it is stopped as well. */
function readPorts(bindings: unknown): PublishedPort[] {
  return Object.entries(object(bindings)).flatMap(([port, targets]) =>
    array(targets).map((target) => ({
      hostPort: Number(text(object(target)['HostPort'])),
      containerPort: Number.parseInt(port, 10),
      hostIp: text(object(target)['HostIp']),
    })),
  );
}

/** TCP ports of an `ExposedPorts` object (`{"8080/tcp": {}}`), ascending. */
export function readExposedPorts(value: unknown): number[] {
  return Object.keys(object(value))
    .filter((port) => /^\d+(\/tcp)?$/.test(port))
    .map((port) => Number.parseInt(port, 10))
    .sort((a, b) => a - b);
}

function readMount(value: Json): ContainerMount {
  return {
    type: text(value['Type']),
    source: optionalText(value['Name']) ?? text(value['Source']),
    target: text(value['Destination']),
    readOnly: value['RW'] === false,
  };
}

function portBindings(
  publish: readonly { readonly hostPort: number; readonly containerPort: number }[],
): Record<string, { HostPort: string }[]> {
  const bindings: Record<string, { HostPort: string }[]> = {};
  for (const { hostPort, containerPort } of publish) {
    (bindings[`${containerPort}/tcp`] ??= []).push({ HostPort: String(hostPort) });
  }
  return bindings;
}

/** dockerode puts names into paths as they are. */
function encode(nameOrId: string): string {
  return encodeURIComponent(nameOrId);
}

/** 304: the container is in that state already. */
function isNotModified(error: unknown): boolean {
  return error instanceof Error && 'status' in error && error.status === 304;
}

async function unless(fine: (error: unknown) => boolean, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!fine(error)) {
      throw error;
    }
  }
}

function escapeRegExp(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
