import { readFile } from 'node:fs/promises';
import path from 'node:path';
import createIgnore from '@balena/dockerignore';

/** What of a build context is left out. Paths are relative to the context, with slashes. */
export interface IgnoreRules {
  /** Asked for every file on its own: a file may be kept although its folder is ignored. */
  ignores(file: string): boolean;
  /** False when an ignored folder cannot hold anything that a `!` pattern keeps: it need not be walked then. */
  mayKeepBelow(folder: string): boolean;
}

const NO_RULES: IgnoreRules = { ignores: () => false, mayKeepBelow: () => true };

/**
 * The rules for a build: `<Dockerfile>.dockerignore` beside the Dockerfile where there is one, `.dockerignore` of the
 * context otherwise (docs.docker.com, "Build context", "Filename and location").
 */
export async function readIgnoreRules(context: string, dockerfile: string): Promise<IgnoreRules> {
  for (const file of [`${dockerfile}.dockerignore`, path.join(context, '.dockerignore')]) {
    try {
      return parseIgnoreRules(await readFile(file, 'utf8'));
    } catch (error) {
      if (!isAbsent(error)) {
        throw error;
      }
    }
  }
  return NO_RULES;
}

export function parseIgnoreRules(text: string): IgnoreRules {
  const content = text.replace(/^\uFEFF/, '');
  // Docker matches case-sensitively on every platform; the package's default does not.
  const rules = createIgnore({ ignorecase: false }).add(content);
  const kept = content
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line.startsWith('!'))
    .map((line) =>
      path.posix
        .normalize(line.slice(1).trim())
        .replace(/^\/+|\/+$/g, '')
        .split('/'),
    );
  return {
    ignores: (file) => rules.ignores(file),
    mayKeepBelow: (folder) => kept.some((pattern) => mayMatchBelow(pattern, folder.split('/'))),
  };
}

/** True when the pattern could match the folder itself or something in it. In doubt true. */
function mayMatchBelow(pattern: readonly string[], folder: readonly string[]): boolean {
  for (const [i, part] of folder.entries()) {
    const wanted = pattern[i];
    if (wanted === undefined) {
      // The pattern names a folder above: everything below it is kept.
      return true;
    }
    if (wanted.includes('**')) {
      return true;
    }
    if (!/[*?[\\]/.test(wanted) && wanted !== part) {
      return false;
    }
  }
  return true;
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
