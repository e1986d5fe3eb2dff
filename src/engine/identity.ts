/** Names and times that tell one deployment and one release from another. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { STARTED } from '../ssh/program';

/** Limit for one question to git, in milliseconds. */
const GIT_LIMIT_MS = 5_000;

/** An id for one run, 12 hexadecimal digits. */
export function newDeploymentId(): string {
  return randomBytes(6).toString('hex');
}

/**
 * A release's name: UTC time, the commit where there is one, and the beginning of the deployment's id, which tells apart
 * two that are made at once for two hosts. Valid as an image tag: `20261122-204501-1a2b3c4-9f3c`.
 */
export function releaseName(time: Date, commit: string | undefined, deployment: string): string {
  const digits = time.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return [digits, commit?.replace(/[^A-Za-z0-9]/g, '-'), deployment.slice(0, 4)]
    .filter((part) => part !== undefined)
    .join('-');
}

/** When a release was named, in milliseconds since 1970; 0 when the name is none of ours. */
export function releaseTime(release: string): number {
  const [, year, month, day, hours, minutes, seconds] =
    /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/.exec(release)?.map(Number) ?? [];
  return year === undefined || month === undefined ? 0 : Date.UTC(year, month - 1, day, hours, minutes, seconds);
}

/** What git says of a folder; undefined where it is no work tree or git is not installed. */
export async function readCommit(
  folder: string,
  signal: AbortSignal,
): Promise<{ commit: string; dirty: boolean } | undefined> {
  const commit = await git(folder, ['rev-parse', '--short=10', 'HEAD'], signal);
  if (commit === undefined) {
    return undefined;
  }
  const changes = await git(folder, ['status', '--porcelain', '--', '.'], signal);
  return { commit: commit.trim(), dirty: changes !== undefined && changes.trim() !== '' };
}

/** `core.fsmonitor` could name a program of the repository's choice; it is not run. */
function git(folder: string, args: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(
      'git',
      ['-c', 'core.fsmonitor=false', '-C', folder, ...args],
      { ...STARTED, timeout: GIT_LIMIT_MS, signal },
      (error, stdout) => resolve(error === null ? stdout : undefined),
    );
  });
}
