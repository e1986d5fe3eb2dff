import type { DockerEngine } from './engine';
import { DockerError, isConflict, isNotFound } from './errors';
import { array, object, text } from './json';

interface Network {
  readonly id: string;
  readonly created: string;
}

/**
 * Makes sure there is one bridge network of that name. One that exists is taken as it is. Engines before API 1.44 let
 * two callers at once make two networks of one name, which no container could then join: one of them is removed.
 */
export async function ensureNetwork(
  engine: DockerEngine,
  name: string,
  labels: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<'created' | 'existed'> {
  if ((await findNetworks(engine, name, signal)).length > 0) {
    await keepOne(engine, name, signal);
    return 'existed';
  }
  let id: string;
  try {
    const network = await engine.call(
      (docker, abortSignal) =>
        docker.createNetwork({
          Name: name,
          Driver: 'bridge',
          CheckDuplicate: true,
          Labels: { ...labels },
          abortSignal,
        }),
      signal,
    );
    ({ id } = network);
  } catch (error) {
    if (isConflict(error)) {
      return 'existed';
    }
    throw error;
  }
  return (await keepOne(engine, name, signal)) === id ? 'created' : 'existed';
}

/** How many networks have exactly that name; engines before API 1.44 allow several. */
export async function countNetworks(engine: DockerEngine, name: string, signal: AbortSignal): Promise<number> {
  return (await findNetworks(engine, name, signal)).length;
}

/**
 * Everybody who sees the same networks keeps the same one: the oldest, or else the one that containers have joined.
 * Returns its id.
 */
async function keepOne(engine: DockerEngine, name: string, signal: AbortSignal): Promise<string | undefined> {
  const [oldest, ...others] = await findNetworks(engine, name, signal);
  let kept = oldest?.id;
  for (const { id } of others) {
    if (kept !== undefined && (await removeNetwork(engine, id, signal)) === 'in-use') {
      await removeNetwork(engine, kept, signal);
      kept = id;
    }
  }
  return kept;
}

/** How often work is done again that Docker refuses because of a second network. */
const JOIN_AGAIN = 5;

/**
 * Does what has a container join a network by its name. Another one's first deployment may have made a second network of
 * that name a moment ago, and Docker refuses to choose: one of them is removed, and the work done again.
 */
export async function joining<T>(engine: DockerEngine, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const [, name] = (error instanceof DockerError && /network (\S+) is ambiguous/i.exec(error.message)) || [];
      if (name === undefined || attempt === JOIN_AGAIN) {
        throw error;
      }
      await keepOne(engine, name, signal);
    }
  }
}

/** Networks of exactly that name, oldest first. */
async function findNetworks(engine: DockerEngine, name: string, signal: AbortSignal): Promise<Network[]> {
  const answer: unknown = await engine.call(
    // Docker's filter matches anywhere in a name.
    (docker, abortSignal) => docker.listNetworks({ filters: { name: [name] }, abortSignal }),
    signal,
  );
  return array(answer)
    .map(object)
    .filter((network) => network['Name'] === name)
    .map((network) => ({ id: text(network['Id']), created: text(network['Created']) }))
    .sort((a, b) => compare(a.created, b.created) || compare(a.id, b.id));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Removes a network, unless containers are connected to it or it is not there. */
export async function removeNetwork(
  engine: DockerEngine,
  name: string,
  signal: AbortSignal,
): Promise<'removed' | 'in-use' | 'absent'> {
  try {
    await engine.call((docker) => docker.getNetwork(encodeURIComponent(name)).remove(), signal);
    return 'removed';
  } catch (error) {
    if (isNotFound(error)) {
      return 'absent';
    }
    // Engine API, NetworkDelete; nothing else is forbidden of a network that is not Docker's own.
    if (error instanceof DockerError && error.status === 403) {
      return 'in-use';
    }
    throw error;
  }
}

/** Connects a container to a network; one that is connected already is fine. */
export async function connectToNetwork(
  engine: DockerEngine,
  network: string,
  container: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await joining(engine, signal, () =>
      engine.call((docker) => docker.getNetwork(encodeURIComponent(network)).connect({ Container: container }), signal),
    );
  } catch (error) {
    // Docker answers 403 both for this and for real refusals.
    if (!(
      error instanceof DockerError && /already exists in network|already attached to network/.test(error.message)
    )) {
      throw error;
    }
  }
}
