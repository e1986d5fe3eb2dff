import { type Dirent, type Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { t } from '../l10n';
import { DeployError } from '../model';
import type { IgnoreRules } from './dockerignore';
import { type EntryHeader, TarWriter } from './tarWriter';

/** Files up to this size are read at once; larger ones are streamed. */
const WHOLE_FILE = 256 * 1024;

export interface ContextRequest {
  /** The folder, absolute. */
  readonly folder: string;
  readonly rules: IgnoreRules;
  /** Files of the context that are sent although a rule ignores them. */
  readonly always: readonly string[];
  /** Files that are not in the folder, by their name in the archive. */
  readonly extra: ReadonlyMap<string, Buffer>;
}

/** What has gone into the archive so far. */
export class ContextCount {
  files = 0;
  bytes = 0;
  /** Bytes below each entry of the context's top, folders with a slash at the end. */
  readonly #tops = new Map<string, number>();

  add(name: string, bytes: number): void {
    const top = /^[^/]+\/?/.exec(name)?.[0] ?? name;
    this.files++;
    this.bytes += bytes;
    this.#tops.set(top, (this.#tops.get(top) ?? 0) + bytes);
  }

  /** The largest entries of the context's top, largest first. */
  largest(count: number): { readonly name: string; readonly bytes: number }[] {
    return [...this.#tops]
      .map(([name, bytes]) => ({ name, bytes }))
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, count);
  }
}

/**
 * A build context as a tar archive, read while it is sent: no temporary file, and memory for one chunk only. Entries
 * come in the order of their names; owner is root as in `docker build`; modes and times are the files' own.
 */
export function contextArchive(request: ContextRequest, count: ContextCount): Readable {
  const archive = new TarWriter();
  fill(archive, request, count).then(
    () => archive.end(),
    (error: unknown) => archive.fail(error as Error),
  );
  return archive.stream;
}

async function fill(archive: TarWriter, request: ContextRequest, count: ContextCount): Promise<void> {
  for await (const { name, stats } of walk(request, '')) {
    if (archive.stream.destroyed) {
      return;
    }
    await addEntry(archive, request.folder, name, stats);
    if (stats.isFile()) {
      count.add(name, stats.size);
    }
  }
  for (const [name, content] of request.extra) {
    await archive.add({ name, mode: 0o644, mtime: new Date(0) }, content);
  }
}

interface Found {
  /** Relative to the context, with slashes. */
  readonly name: string;
  readonly stats: Stats;
}

/** Depth first. An ignored folder is told only when something in it is kept, just before that. */
async function* walk(request: ContextRequest, folder: string): AsyncGenerator<Found> {
  for (const entry of await list(request.folder, folder)) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
    const ignored = request.rules.ignores(name) && !request.always.includes(name);
    if (entry.isDirectory()) {
      yield* walkFolder(request, name, ignored);
    } else if (!ignored && (entry.isFile() || entry.isSymbolicLink())) {
      yield { name, stats: await stat(request.folder, name) };
    }
  }
}

async function* walkFolder(request: ContextRequest, name: string, ignored: boolean): AsyncGenerator<Found> {
  const { rules, always } = request;
  if (ignored && !rules.mayKeepBelow(name) && !always.some((file) => file.startsWith(`${name}/`))) {
    return;
  }
  let told = false;
  if (!ignored) {
    told = true;
    yield { name, stats: await stat(request.folder, name) };
  }
  for await (const found of walk(request, name)) {
    if (!told) {
      told = true;
      yield { name, stats: await stat(request.folder, name) };
    }
    yield found;
  }
}

async function list(root: string, folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(path.join(root, folder), { withFileTypes: true });
    // By bytes, whatever the locale and the file system: the same context makes the same archive.
    return entries.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  } catch (error) {
    throw unreadable(folder === '' ? root : folder, error);
  }
}

async function stat(root: string, name: string): Promise<Stats> {
  try {
    return await lstat(path.join(root, name));
  } catch (error) {
    throw unreadable(name, error);
  }
}

async function addEntry(archive: TarWriter, root: string, name: string, stats: Stats): Promise<void> {
  const header = { name, mode: modeOf(stats), mtime: stats.mtime };
  if (stats.isDirectory()) {
    await archive.add({ ...header, type: 'directory' });
  } else if (stats.isSymbolicLink()) {
    const linkname = await readlink(path.join(root, name));
    await archive.add({ ...header, type: 'symlink', linkname: toSlashes(linkname) });
  } else {
    await addFile(archive, path.join(root, name), { ...header, size: stats.size });
  }
}

async function addFile(archive: TarWriter, file: string, header: EntryHeader & { size: number }): Promise<void> {
  const { name, size } = header;
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw unreadable(name, error);
  });
  try {
    if (size > WHOLE_FILE) {
      await archive.addStream(
        header,
        exactly(size, name, handle.createReadStream({ autoClose: false, end: size - 1 })),
      );
      return;
    }
    const content = Buffer.alloc(size);
    const { bytesRead } = await handle.read(content, 0, size, 0);
    if (bytesRead !== size) {
      throw changed(name);
    }
    await archive.add(header, content);
  } finally {
    await handle.close();
  }
}

/** As many bytes as the header promises: a log that grows meanwhile does no harm, a file that shrinks does. */
async function* exactly(size: number, name: string, source: Readable): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const chunk of source) {
    read += (chunk as Buffer).length;
    yield chunk as Buffer;
  }
  if (read !== size) {
    throw changed(name);
  }
}

/** Windows knows no execute bit: as `docker build` does, everything may be executed there. */
function modeOf(stats: Stats): number {
  return process.platform === 'win32' ? 0o755 : stats.mode & 0o7777;
}

function toSlashes(name: string): string {
  return process.platform === 'win32' ? name.replaceAll('\\', '/') : name;
}

function unreadable(name: string, cause: unknown): DeployError {
  return new DeployError('build', t('{0} of the build context cannot be read.', name), {
    hint: t('Check its rights, or leave it out with a line in .dockerignore.'),
    detail: cause instanceof Error ? cause.message : String(cause),
    cause,
  });
}

function changed(name: string): DeployError {
  return new DeployError('build', t('{0} changed while the build context was being sent.', name), {
    hint: t('Try again, or leave it out with a line in .dockerignore.'),
  });
}
