import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasProgram } from './command';
import { labDirectory } from './directory';

/**
 * Lets one at a time do a kind of work on this machine, named by `name`. The lock belongs to a `flock`
 * process whose standard input is a pipe of ours, so it is released whatever way this process ends.
 * Where there is no `flock` (macOS) the work runs unlocked.
 */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (!hasProgram('flock')) return work();
  mkdirSync(labDirectory(), { recursive: true });
  const file = join(labDirectory(), `${name}.lock`);
  const holder = spawn('flock', ['-x', file, 'sh', '-c', 'echo held; cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // Ctrl-C is for us: the lock is held until we let go
  });
  const ended = once(holder, 'close');
  await Promise.race([
    once(holder.stdout, 'data'),
    ended.then(() => Promise.reject(new Error(`flock could not lock ${file}`))),
  ]);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
