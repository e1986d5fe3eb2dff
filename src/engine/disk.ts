import { statfs } from 'node:fs/promises';
import { shellQuote } from '../ssh/quote';
import type { Host } from './host';

/** Limit for one look at the host's disk, in milliseconds. */
const LOOK_LIMIT_MS = 10_000;
/** Where containerd keeps images when it is not Docker's own. */
const CONTAINERD_ROOT = '/var/lib/containerd';

/**
 * Bytes that are free where the host's Docker keeps images. Undefined where that cannot be told: an account that may not
 * run commands, an engine in a virtual machine.
 */
export async function freeDiskBytes(host: Host, signal: AbortSignal): Promise<number | undefined> {
  const { dataRoot, store } = host.engine.info;
  const folders = [dataRoot, ...(store === 'containerd' ? [CONTAINERD_ROOT] : [])].filter((it) => it.startsWith('/'));
  const { transport } = host;
  const free =
    transport === undefined
      ? await Promise.all(folders.map(freeHere))
      : await transport
          .exec(`LC_ALL=C df -Pk ${folders.map(shellQuote).join(' ')} 2>/dev/null`, {
            timeoutMs: LOOK_LIMIT_MS,
            signal,
          })
          .then(({ stdout }) => parseDf(stdout))
          .catch(() => []);
  const known = free.filter((bytes) => bytes !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

async function freeHere(folder: string): Promise<number | undefined> {
  const stats = await statfs(folder).catch(() => undefined);
  return stats === undefined ? undefined : stats.bavail * stats.bsize;
}

/** The column Available of `df -Pk` (POSIX), in bytes. */
export function parseDf(output: string): number[] {
  return output
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const kilobytes = /\s\d+\s+\d+\s+(\d+)\s+\d+%\s/.exec(line)?.[1];
      return kilobytes === undefined ? [] : [Number(kilobytes) * 1024];
    });
}
