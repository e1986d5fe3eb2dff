import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { Engine } from './engine';
import { isNotFound } from './engineStreams';
import { withLock } from './lock';
import { timed, type Log } from './log';
import { ownerAlive } from './owner';

/** The label on every container and network of a lab; its value is the lab's id. */
export const labLabel = 'blue-green-lab';
/** The label, and the file in a lab's folder, that name the process whose lab it is. */
export const ownerLabel = 'blue-green-lab.owner';
export const ownerFile = 'owner';

/** Removes what labs left behind whose process is gone: containers, networks and folders. One at a time does so. */
export function removeLeftovers(engine: Engine, log: Log): Promise<void> {
  return withLock('leftovers', () => removeUnowned(engine, log));
}

async function removeUnowned(engine: Engine, log: Log): Promise<void> {
  const filters = { label: [ownerLabel] };
  const found = [
    ...(await engine.docker.listContainers({ all: true, filters })),
    ...(await engine.docker.listNetworks({ filters })),
  ];
  for (const owner of new Set(found.map(({ Labels: labels }) => labels?.[ownerLabel] ?? ''))) {
    if (await ownerAlive(owner)) continue;
    await timed(log, 'removing what an earlier lab left behind', () =>
      removeLabelled(engine, `${ownerLabel}=${owner}`),
    );
  }
  for (const name of readdirSync(tmpdir())) {
    const folder = join(tmpdir(), name);
    const owner = join(folder, ownerFile);
    if (!name.startsWith('blue-green-lab-') || !existsSync(owner)) continue;
    if (!(await ownerAlive(readFileSync(owner, 'utf8')))) rmSync(folder, { recursive: true, force: true });
  }
}

/** Removes all containers (with their disks) and networks that carry a label. */
export async function removeLabelled({ docker }: Engine, label: string): Promise<void> {
  const filters = { label: [label] };
  const containers = await docker.listContainers({ all: true, filters });
  await Promise.all(containers.map(({ Id: id }) => removeContainer(docker.getContainer(id))));
  const networks = await docker.listNetworks({ filters });
  await Promise.all(networks.map(({ Id: id }) => gone(docker.getNetwork(id).remove())));
}

/** Where its removal is under way, because who began it was killed, the end of that is waited for: it holds its network. */
async function removeContainer(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    if (error instanceof Error && /removal of container .* is already in progress/.test(error.message)) {
      await gone(container.wait({ condition: 'removed' }));
    } else if (!isNotFound(error)) {
      throw error;
    }
  }
}

/** What is gone already is as good as removed. */
async function gone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
