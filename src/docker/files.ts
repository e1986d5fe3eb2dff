import path from 'node:path';
import { buffer as readBuffer, text as readText } from 'node:stream/consumers';
import tar from 'tar-stream';
import type { DockerEngine } from './engine';
import { isNotFound } from './errors';

/** Links followed before a path counts as one that leads nowhere. */
const MAX_LINKS = 8;
const FILE_LIMIT_MS = 30_000;

export interface FileOptions {
  /** Permission bits; default 0o644. */
  readonly mode?: number;
  readonly mtime?: Date;
}

/**
 * Writes a file into a container's file system, running or not. Its folder must exist; a file that is there is replaced.
 * @throws DockerError, `isNotFound` when the container or the folder is not there.
 */
export async function writeFileInContainer(
  engine: DockerEngine,
  id: string,
  file: string,
  content: string,
  options: FileOptions,
  signal: AbortSignal,
): Promise<void> {
  const pack = tar.pack();
  const { mode = 0o644, mtime = new Date() } = options;
  pack.entry({ name: path.posix.basename(file), mode, mtime }, content);
  pack.finalize();
  const archive = await readBuffer(pack);
  await engine.call(
    (docker, abortSignal) =>
      docker.getContainer(encodeURIComponent(id)).putArchive(archive, { path: path.posix.dirname(file), abortSignal }),
    signal,
    FILE_LIMIT_MS,
  );
}

/** A file's content from a container's file system, running or not; undefined when the file is not there. */
export async function readFileInContainer(
  engine: DockerEngine,
  id: string,
  file: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  let target = file;
  for (let links = 0; links < MAX_LINKS; links++) {
    const found = await readEntry(engine, id, target, signal);
    if (found === undefined || 'content' in found) {
      return found?.content;
    }
    target = path.posix.resolve(path.posix.dirname(target), found.link);
  }
  return undefined;
}

async function readEntry(
  engine: DockerEngine,
  id: string,
  file: string,
  signal: AbortSignal,
): Promise<{ content: string } | { link: string } | undefined> {
  try {
    const archive = await engine.stream(
      { method: 'GET', path: `/containers/${encodeURIComponent(id)}/archive`, query: { path: file } },
      signal,
      FILE_LIMIT_MS,
    );
    const entries = archive.pipe(tar.extract());
    archive.on('error', (error) => entries.destroy(error));
    try {
      for await (const entry of entries) {
        const { type, linkname } = entry.header;
        return type === 'symlink' ? { link: linkname } : { content: await readText(entry) };
      }
      return undefined;
    } finally {
      archive.destroy();
    }
  } catch (error) {
    if (isNotFound(error)) {
      return undefined;
    }
    throw engine.explain(error, signal);
  }
}
