import { type ChildProcess, execFile } from 'node:child_process';
import { homedir } from 'node:os';

/**
 * How every program is started. Windows looks for one in the current folder first, which may be a stranger's project: be
 * at home.
 */
export const STARTED = { cwd: homedir(), windowsHide: true } as const;

/** Milliseconds that a program has to end by itself. */
const GRACE_MS = 10_000;

/**
 * Ends a program that was started `detached`, with all that it has started itself: asks it to end, and makes it after
 * some seconds. Windows knows no asking.
 */
export function endProgram(child: ChildProcess, graceMs = GRACE_MS): void {
  const { pid } = child;
  if (pid === undefined) {
    return;
  }
  if (process.platform === 'win32') {
    execFile('taskkill', ['/PID', String(pid), '/T', '/F'], STARTED, () => undefined);
    return;
  }
  signalGroup(pid, 'SIGTERM');
  const timer = setTimeout(() => {
    signalGroup(pid, 'SIGKILL');
    // Whoever left the group may hold the output open: nobody waits for that.
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, graceMs);
  child.once('close', () => clearTimeout(timer));
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
