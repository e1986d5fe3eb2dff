/** The extension as it ships: built for production and packed into a VSIX. */
import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const limit = 120_000;

/** Builds dist/ and packs it. @returns the path of the VSIX. @throws Error with what the tools said. */
export async function packExtension(): Promise<string> {
  const vsix = path.join(root, 'dist', 'blue-green.vsix');
  await node(path.join(root, 'esbuild.mjs'), '--production');
  rmSync(vsix, { force: true });
  await node(
    path.join(root, 'node_modules/@vscode/vsce/vsce'),
    ...['package', '--no-dependencies', '--allow-missing-repository', '--no-rewrite-relative-links', '--out', vsix],
  );
  if (!existsSync(vsix)) {
    throw new Error(`vsce wrote no ${vsix}.`);
  }
  return vsix;
}

function node(program: string, ...args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...args], { cwd: root, timeout: limit }, (error, stdout, stderr) => {
      if (error === null) {
        resolve();
      } else {
        reject(new Error(`${path.basename(program)} failed: ${error.message}\n${stdout}\n${stderr}`));
      }
    });
  });
}
