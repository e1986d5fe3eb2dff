/**
 * What Docker's folder of a prepared host is filled with, so that it has images from its first start: made once, and kept
 * between runs. To load them anew takes the machine seconds of work for every host.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { labDirectory } from './directory';
import type { Engine } from './engine';
import type { Host } from './host';
import { hostImage, proxyImage, pythonImage, type DockerVersion } from './images';
import { withLock } from './lock';

/** The images that a prepared host has. */
export const preparedImages = [proxyImage, pythonImage] as const;

/** The folder that they lie in, /roots on every host. */
export function dockerRootsFolder(): string {
  const folder = join(labDirectory(), 'roots');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * Sees to it that one is there. `startHost` starts a host with the same kind of Docker and nothing in it, to make it on.
 * @returns its name in the folder, and on a host.
 */
export async function ensureDockerRoot(
  engine: Engine,
  version: DockerVersion,
  store: 'overlay2' | 'containerd',
  startHost: (name: string) => Promise<Host>,
): Promise<string> {
  const images = [hostImage(version), ...preparedImages];
  const ids = await Promise.all(images.map(async (image) => (await engine.docker.getImage(image).inspect()).Id));
  const kind = `${version}-${store}`;
  const name = `${kind}-${createHash('sha256').update(ids.join()).digest('hex').slice(0, 16)}.tar`;
  const folder = dockerRootsFolder();
  const isThere = (): boolean => existsSync(join(folder, name));
  if (!isThere()) {
    await withLock(`root-${kind}`, async () => {
      if (isThere()) return; // another was faster
      const outdated = readdirSync(folder).filter((file) => file.startsWith(`${kind}-`));
      for (const file of outdated) rmSync(join(folder, file));
      const host = await startHost(`root-${randomBytes(3).toString('hex')}`);
      try {
        await host.dockerReady();
        for (const image of preparedImages) await host.load(image);
        await host.saveDockerRoot(name);
      } finally {
        await host.remove();
      }
    });
  }
  return name;
}
