import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { aptInstall } from './apt';
import { hasProgram, mustRun } from './command';
import type { Engine } from './engine';
import { timed, type Log } from './log';
import { finished, hasImage, tryPull } from './engineStreams';
import { withLock } from './lock';

/** The Debian suites whose Docker and nginx versions the test machines have. */
export type Suite = 'bookworm' | 'trixie' | 'forky';

/** What `-slim` images leave out, and what only costs time on a machine that lives for minutes. */
const dpkgOptions = [
  ...['man', 'doc', 'info', 'locale', 'lintian', 'linda', 'groff', 'bash-completion'].map(
    (name) => `path-exclude=/usr/share/${name}/*`,
  ),
  'force-unsafe-io',
];
const aptOptions = [
  'Acquire::Check-Valid-Until "false"',
  'Acquire::Languages "none"',
  'APT::Install-Recommends "false"',
];

/**
 * Makes `debian:SUITE-slim` available in an engine: the official image where a registry answers,
 * else (on Debian, as root) the same made by mmdebstrap under the same name.
 */
export async function ensureDebian(engine: Engine, suite: Suite, log: Log): Promise<void> {
  const name = `debian:${suite}-slim`;
  await withLock(`debian-${suite}`, async () => {
    if ((await hasImage(engine.docker, name)) || (await tryPull(engine.docker, name, log))) return;
    await installMmdebstrap(log);
    await timed(log, `making ${name} from Debian's packages`, () => bootstrap(engine.docker, suite, name));
  });
}

async function installMmdebstrap(log: Log): Promise<void> {
  if (hasProgram('mmdebstrap')) return;
  await aptInstall(['mmdebstrap'], log, 'Or connect this machine to an image registry: none answers.');
}

async function bootstrap(docker: Docker, suite: Suite, name: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'blue-green-lab-'));
  try {
    const file = join(folder, `${suite}.tar`);
    const options = [
      ...dpkgOptions.map((option) => `--dpkgopt=${option}`),
      ...aptOptions.map((option) => `--aptopt=${option}`),
    ];
    await mustRun('mmdebstrap', ['--mode=root', '--variant=minbase', ...options, suite, file]);
    const [repo = '', tag = ''] = name.split(':');
    await finished(docker, await docker.importImage(createReadStream(file), { repo, tag, changes: 'CMD ["bash"]' }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
