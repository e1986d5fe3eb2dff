import { setTimeout as sleep } from 'node:timers/promises';
import { failure, hasProgram, run, type Outcome } from './command';
import { withLock } from './lock';
import { timed, type Log } from './log';

/** How long another program of the machine (an unattended upgrade, say) may keep apt for itself. */
const patienceMs = 300_000;

/**
 * apt waits by itself for the lock of its database only, not for those of its lists and its downloads: there it gives up
 * at once. Hence the wait in {@link apt}, and one installation of ours at a time.
 */
const options = ['-q', '-o', `DPkg::Lock::Timeout=${String(patienceMs / 1000)}`, '-o', 'Acquire::Retries=2'];

/** Whether this process may install Debian packages. */
export function canInstall(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && hasProgram('apt-get');
}

/**
 * Installs Debian packages, as root on Debian; anywhere else a sentence says what to install.
 * @param orElse what may be done in the place of it, a sentence
 */
export async function aptInstall(packages: readonly string[], log: Log, orElse = ''): Promise<void> {
  if (packages.length === 0) return;
  const names = packages.join(' ');
  if (!canInstall()) {
    throw new Error(`The tests need ${names}. On Debian: sudo apt-get install ${names}. ${orElse}`.trimEnd());
  }
  await withLock('apt', () =>
    timed(log, `installing ${names}`, async () => {
      const install = [...options, '--yes', '--no-install-recommends', 'install', ...packages];
      if ((await apt(install)).code === 0) return;
      // A fresh machine's lists are empty, or older than the mirror's files.
      for (const args of [[...options, 'update'], install]) {
        const outcome = await apt(args);
        if (outcome.code !== 0) throw failure('apt-get', args, outcome);
      }
    }),
  );
}

async function apt(args: readonly string[]): Promise<Outcome> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const limit = performance.now() + patienceMs;
  for (;;) {
    const outcome = await run('apt-get', args, { env });
    const isTaken = outcome.code !== 0 && /Could not get lock|Unable to lock/.test(outcome.stderr);
    if (!isTaken || performance.now() > limit) return outcome;
    await sleep(1_000);
  }
}
