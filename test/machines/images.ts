import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { ensureDebian, type Suite } from './debian';
import type { Engine } from './engine';
import { finished, hasImage, imageLabels, tryPull } from './engineStreams';
import { withLock } from './lock';
import { timed, type Log } from './log';

/** The Docker versions that the hosts run: Debian 12, 13 and 14. The newest keeps images in containerd's store. */
export type DockerVersion = '20.10' | '26.1' | '28.5';

/** The label that images of the lab carry; its value changes with what they are made from. */
export const imageLabel = 'blue-green-lab.image';

interface Recipe {
  /** Folder below images/ that holds the Dockerfile. */
  readonly folder: string;
  readonly suite: Suite;
  /** The official image that serves as well where a registry answers. */
  readonly official?: string;
  /** Whether it is to be as small as official images are: its Dockerfile removes what UNUSED names. */
  readonly small?: true;
}

/** What a proxy or a service has no use for in Debian: package manager, perl, terminals. */
const unused = [
  '/var/lib/apt /var/lib/dpkg /var/cache/* /usr/bin/apt* /usr/bin/dpkg* /usr/bin/perl*',
  '/usr/lib/*/perl* /usr/share/perl* /usr/lib/apt /usr/lib/dpkg /usr/lib/*/libapt* /usr/lib/*/gconv',
  '/usr/lib/terminfo /usr/share/terminfo /usr/share/zoneinfo /usr/share/keyrings',
  '/usr/lib/*/libstdc++* /usr/lib/systemd /usr/sbin/e2* /usr/sbin/mke2fs /usr/sbin/fsck* /usr/sbin/debugfs',
].join(' ');

const suiteOf: Record<DockerVersion, Suite> = { '20.10': 'bookworm', '26.1': 'trixie', '28.5': 'forky' };

/** Image of a host with a Docker version (a bastion and a host without Docker are started from it as well). */
export function hostImage(version: DockerVersion): string {
  return `blue-green-test/host:${version}`;
}

/** The product's default proxy image. Made here from Debian's nginx 1.30 where no registry answers. */
export const proxyImage = 'nginx:1.30-alpine';
/** Older nginx: no `keepalive_min_timeout` (1.27.4), no `resolve` in an upstream (1.27.3). */
export const oldProxyImages = ['blue-green-test/nginx:1.22', 'blue-green-test/nginx:1.26'] as const;
/** nginx 1.30 with the tools of busybox in the place of Debian's, and with wget alone. */
export const busyboxProxyImage = 'blue-green-test/nginx-busybox:1.30';
/** What the example apps are built FROM. Made here from Debian's python3 where no registry answers. */
export const pythonImage = 'python:3.13-alpine';
/** Two megabytes of busybox, whose httpd serves /www on port 8080: for many deployments fast. */
export const tinyImage = 'blue-green-test/tiny:1';

const recipes: Record<string, Recipe> = {
  [hostImage('20.10')]: { folder: 'host', suite: suiteOf['20.10'] },
  [hostImage('26.1')]: { folder: 'host', suite: suiteOf['26.1'] },
  [hostImage('28.5')]: { folder: 'host', suite: suiteOf['28.5'] },
  [proxyImage]: { folder: 'nginx', suite: 'forky', official: proxyImage, small: true },
  [oldProxyImages[0]]: { folder: 'nginx', suite: 'bookworm', official: 'nginx:1.22-alpine', small: true },
  [oldProxyImages[1]]: { folder: 'nginx', suite: 'trixie', official: 'nginx:1.26-alpine', small: true },
  [busyboxProxyImage]: { folder: 'nginx-busybox', suite: 'forky' },
  [pythonImage]: { folder: 'python', suite: 'trixie', official: pythonImage, small: true },
  [tinyImage]: { folder: 'tiny', suite: 'bookworm' },
};

/** Every image the lab can make. */
export const imageNames: readonly string[] = Object.keys(recipes);

/**
 * Makes images available in an engine under these names: what is there and still current is used, then
 * the official image where a registry answers, else one is built from Debian's packages. An image of
 * that name which the lab has not made is left as it is.
 */
export async function ensureImages(engine: Engine, names: readonly string[], log: Log): Promise<void> {
  await Promise.all([...new Set(names)].map((name) => ensureImage(engine, name, log)));
}

async function ensureImage(engine: Engine, name: string, log: Log): Promise<void> {
  if (await isCurrent(engine, name)) return;
  const recipe = recipeOf(name);
  await withLock(`image-${recipe.folder}-${recipe.suite}`, async () => {
    if (await isCurrent(engine, name)) return; // another was faster
    await make(engine, name, recipe, log);
  });
}

function recipeOf(name: string): Recipe {
  const recipe = recipes[name];
  if (recipe === undefined)
    throw new Error(`The lab has no recipe for an image ${name}; it has ${imageNames.join(', ')}.`);
  return recipe;
}

async function isCurrent(engine: Engine, name: string): Promise<boolean> {
  const labels = await imageLabels(engine.docker, name);
  if (labels === undefined) return false;
  const made = labels[imageLabel];
  return made === undefined || made === fingerprint(recipeOf(name));
}

/** Changes whenever the image has to be made anew. */
function fingerprint(recipe: Recipe): string {
  const hash = createHash('sha256').update(Object.values(buildArgs(recipe)).join('\0'));
  for (const file of filesOf(recipe)) hash.update(`\0${file}\0`).update(readFileSync(join(contextOf(recipe), file)));
  return hash.digest('hex').slice(0, 16);
}

function buildArgs({ suite, small }: Recipe): Record<string, string> {
  return { SUITE: suite, ...(small === true && { UNUSED: unused }) };
}

function contextOf(recipe: Recipe): string {
  return join(__dirname, 'images', recipe.folder);
}

function filesOf(recipe: Recipe): string[] {
  return readdirSync(contextOf(recipe)).sort();
}

async function make(engine: Engine, name: string, recipe: Recipe, log: Log): Promise<void> {
  const { docker } = engine;
  if (recipe.official !== undefined && (await tryPull(docker, recipe.official, log))) {
    const [repo = '', tag = ''] = name.split(':');
    if (name !== recipe.official) await docker.getImage(recipe.official).tag({ repo, tag });
    return;
  }
  await ensureDebian(engine, recipe.suite, log);
  const before = await imageId(docker, name);
  await timed(log, `building ${name}`, async () => {
    const answer = await docker.buildImage(
      { context: contextOf(recipe), src: filesOf(recipe) },
      {
        t: name,
        buildargs: buildArgs(recipe),
        labels: { [imageLabel]: fingerprint(recipe) },
        pull: false,
        forcerm: true,
      },
    );
    await finished(docker, answer);
  });
  // What it replaces goes, unless a container still runs from it.
  if (before !== undefined)
    await docker
      .getImage(before)
      .remove()
      .catch(() => undefined);
}

async function imageId(docker: Docker, name: string): Promise<string | undefined> {
  return (await hasImage(docker, name)) ? (await docker.getImage(name).inspect()).Id : undefined;
}
