import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, parse as parsePath, sep } from 'node:path';

/** ssh stops at this depth too. */
const MAX_DEPTH = 16;

/** One configuration file, or a pair: the user's and the system's. */
export interface ConfigFile {
  readonly file: string;
  /** Where relative Include paths start: `~/.ssh` for user files, `/etc/ssh` for the system's. */
  readonly includeFrom: string;
}

/** The files ssh reads, in order; `override` replaces both as `ssh -F` does. */
export function configFiles(override: string | undefined, platform = process.platform): readonly ConfigFile[] {
  const userFolder = join(homedir(), '.ssh');
  if (override !== undefined) {
    return [{ file: override, includeFrom: userFolder }];
  }
  const systemFolder = platform === 'win32' ? join(process.env.ProgramData ?? 'C:\\ProgramData', 'ssh') : '/etc/ssh';
  return [
    { file: join(userFolder, 'config'), includeFrom: userFolder },
    { file: join(systemFolder, 'ssh_config'), includeFrom: systemFolder },
  ];
}

export interface ConfigLine {
  /** In lower case; `section-again` for a section's line repeated after an Include. */
  readonly keyword: string;
  /** Values with quotes removed. */
  readonly values: readonly string[];
  readonly text: string;
}

/** Splits a line into keyword and values; undefined for comments and empty lines. */
export function parseConfigLine(text: string): ConfigLine | undefined {
  const found = /^\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+)(.*?)\s*$/.exec(text);
  if (found === null) {
    return undefined;
  }
  const values: string[] = [];
  for (const [token, quoted, bare] of (found[2] ?? '').matchAll(/"([^"]*)"?|([^\s"]+)/g)) {
    if (token.startsWith('#')) {
      break;
    }
    values.push(quoted ?? bare ?? '');
  }
  return { keyword: (found[1] ?? '').toLowerCase(), values, text };
}

/**
 * The lines of a configuration file with those of its Includes in their place. `follow` may leave an Include out: it is
 * told the section (`Host …` or `Match …` line) the Include stands in. A file that cannot be read has no lines, as in ssh.
 */
export async function* configLines(
  source: ConfigFile,
  follow: (section: string | undefined) => boolean,
  depth = 0,
): AsyncGenerator<ConfigLine> {
  let section: string | undefined;
  for (const text of await linesOf(source.file)) {
    const line = parseConfigLine(text);
    if (line === undefined) {
      continue;
    }
    if (line.keyword !== 'include') {
      section = line.keyword === 'host' || line.keyword === 'match' ? text : section;
      yield line;
      continue;
    }
    if (depth >= MAX_DEPTH || !follow(section)) {
      continue;
    }
    for (const pattern of line.values) {
      for (const file of await includedFiles(pattern, source.includeFrom)) {
        yield* configLines({ ...source, file }, follow, depth + 1);
      }
    }
    // Sections of the included file end with it: what follows belongs to the section around the Include again.
    const reopened = parseConfigLine(section ?? 'Host *');
    if (reopened !== undefined) {
      yield { ...reopened, keyword: 'section-again' };
    }
  }
}

async function linesOf(file: string): Promise<readonly string[]> {
  try {
    return (await readFile(file, 'utf8')).split(/\r?\n/);
  } catch {
    return [];
  }
}

async function includedFiles(pattern: string, from: string): Promise<readonly string[]> {
  const home = pattern.replace(/^~(?=[/\\])/, () => homedir());
  const path = home.replace(/\$\{(\w+)\}/g, (whole, name: string) => process.env[name] ?? whole);
  return expandGlob(isAbsolute(path) ? path : join(from, path));
}

/** Files a glob(7) pattern names, sorted. `*` and `?` and `[...]` stay within one folder name and never match a leading dot. */
async function expandGlob(path: string): Promise<readonly string[]> {
  if (!/[*?[]/.test(path)) {
    return [path];
  }
  const { root } = parsePath(path);
  const folder = dirname(path);
  const name = basename(path);
  const found: string[] = [];
  for (const parent of folder === root ? [root] : await expandGlob(folder)) {
    if (!/[*?[]/.test(name)) {
      found.push(parent.endsWith(sep) ? parent + name : join(parent, name));
      continue;
    }
    const matches = globToRegExp(name);
    const entries = await readdir(parent).catch(() => []);
    found.push(
      ...entries
        .filter((entry) => matches.test(entry))
        .sort()
        .map((entry) => join(parent, entry)),
    );
  }
  return found;
}

function globToRegExp(pattern: string): RegExp {
  const source = pattern.replace(/\[!?[^\]]+\]|[*?]|[\\^$.|+(){}[\]]/g, (token) => {
    if (token === '*') {
      return '.*';
    }
    if (token === '?') {
      return '.';
    }
    return token.length > 1 ? token.replace(/^\[!/, '[^').replace(/\\/g, '\\\\') : `\\${token}`;
  });
  return new RegExp(`^${pattern.startsWith('.') ? '' : '(?!\\.)'}${source}$`);
}
