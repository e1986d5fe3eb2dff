import path from 'node:path';
import { buffer as readBuffer, text as readText } from 'node:stream/consumers';
import tar from 'tar-stream';
import type { DockerEngine } from './engine';
import { isNotFound } from './errors';

/** Links followed before a path counts as one that leads nowhere. */
const MAX_LINKS = 8;
const FILE_LIMIT_MS = 30_000;

/**
 * Writes a file into a container's file system, running or not. Its folder must exist; a file that is there is replaced.
 * @throws DockerError, `isNotFound` when the container or the folder is not there.
 */
export async function writeFileInContainer(
  engine: DockerEngine,
  id: string,
  file: string,
  content: string,
  signal: AbortSignal,
): Promise<void> {
  const pack = tar.pack();
  pack.entry({ name: path.posix.basename(file), mode: 0o644, mtime: new Date() }, content);
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
    const [found] = await readEntries(engine, id, target, signal);
    if (found?.link === undefined) {
      return found?.content;
    }
    target = path.posix.resolve(path.posix.dirname(target), found.link);
  }
  return undefined;
}

/** The files of a folder in a container's file system, running or not, and of the folders in it; links are left out. */
export async function readFolderInContainer(
  engine: DockerEngine,
  id: string,
  folder: string,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly text: string }[]> {
  const entries = await readEntries(engine, id, folder, signal);
  // The names begin with the folder's own.
  const parent = path.posix.dirname(folder);
  return entries.flatMap(({ name, content }) =>
    content === undefined ? [] : [{ path: path.posix.join(parent, name), text: content }],
  );
}

/** What an archive of Docker's holds; `link` is where a symbolic link leads. */
interface Entry {
  readonly name: string;
  readonly content: string | undefined;
  readonly link: string | undefined;
}

/** The entries of a path's archive (Engine API, `GET /containers/{id}/archive`); none when it is not there. */
async function readEntries(engine: DockerEngine, id: string, file: string, signal: AbortSignal): Promise<Entry[]> {
  try {
    const archive = await engine.stream(
      { method: 'GET', path: `/containers/${encodeURIComponent(id)}/archive`, query: { path: file } },
      signal,
      FILE_LIMIT_MS,
    );
    const unpacked = archive.pipe(tar.extract());
    archive.on('error', (error) => unpacked.destroy(error));
    const entries: Entry[] = [];
    try {
      for await (const entry of unpacked) {
        const { name, type, linkname } = entry.header;
        const content = await readText(entry);
        entries.push({
          name,
          content: type === 'file' ? content : undefined,
          link: type === 'symlink' ? linkname : undefined,
        });
      }
      return entries;
    } finally {
      archive.destroy();
    }
  } catch (error) {
    if (isNotFound(error)) {
      return [];
    }
    throw engine.explain(error, signal);
  }
}
