import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { run } from './command';

/** Names a process so that a later one with the same id is not taken for it: `machine:pid:start`. */
export async function ownerId(pid = process.pid): Promise<string> {
  return `${hostname()}:${String(pid)}:${await startOf(pid)}`;
}

/** True while the process that {@link ownerId} named still runs. One of another machine counts as alive. */
export async function ownerAlive(id: string): Promise<boolean> {
  const [machine, pid, start] = id.split(':');
  if (machine !== hostname()) return true;
  return start !== '' && (await startOf(Number(pid))) === start;
}

/** When a process started, in the system's own words; empty when there is none. */
async function startOf(pid: number): Promise<string> {
  try {
    // Field 22 of /proc/PID/stat (proc(5)), counted after the name, which may hold spaces.
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    if (process.platform === 'linux') return '';
    const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]);
    return stdout.trim().replaceAll(/[^A-Za-z0-9]+/g, '-');
  }
}
