import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const modules = 'node_modules';
/** What `git clone` does not bring. */
const made = [modules, 'dist', '.git'];

/** A copy of this tree, as a clone would be, with the dependencies that are installed here. */
export interface Tree {
  readonly folder: string;
  remove(): void;
}

export function copyTree(): Tree {
  const folder = mkdtempSync(path.join(tmpdir(), 'blue-green-tree-'));
  cpSync(root, folder, { recursive: true, filter: (source) => !made.includes(path.relative(root, source)) });
  // A folder of its own with a link a package: whatever `npm ci` removes in the copy, it removes links.
  mkdirSync(path.join(folder, modules));
  for (const name of readdirSync(path.join(root, modules))) {
    if (!name.startsWith('.') || name === '.bin') {
      symlinkSync(path.join(root, modules, name), path.join(folder, modules, name));
    }
  }
  // As test/bootstrap.mjs notes that they are installed.
  const lock = readFileSync(path.join(root, 'package-lock.json'));
  writeFileSync(path.join(folder, modules, '.installed'), createHash('sha256').update(lock).digest('hex'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
