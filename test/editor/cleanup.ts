/** Folders that must be gone when a test process ends, however it ends. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { atEnd } from '../machines/atEnd';

/** A folder of this process alone, and its removal. It is removed at the end of the process if nobody did so before. */
export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

const prefix = 'blue-green-editor-';

/** Makes a temporary folder that does not outlive this process, and removes those that killed processes left behind. */
export function temporaryFolder(label: string): TemporaryFolder {
  sweep();
  const folder = mkdtempSync(path.join(tmpdir(), `${prefix}${process.pid}-${label}-`));
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  const forget = atEnd(remove);
  return {
    path: folder,
    remove: () => {
      remove();
      forget();
    },
  };
}

/** A process ended with SIGKILL cleans nothing up; its id in the folder's name tells that it is gone. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) {
      rmSync(path.join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

/** Whether a process with this id exists, ours or another user's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
