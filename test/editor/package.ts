/** The extension as it ships: built for production and packed into a VSIX, by the command of the README. */
import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
/** As package.json's script names it. */
const vsix = path.join(root, 'dist', 'blue-green.vsix');
const limit = 120_000;

/** Names a VSIX that is packed already: all files of one `npm test` take the same, and none builds while another uses it. */
const PACKED = 'BLUE_GREEN_VSIX';

/** Builds dist/ and packs it. @returns the path of the VSIX. @throws Error with what the tools said. */
export async function packExtension(): Promise<string> {
  return process.env[PACKED] ?? (await pack());
}

/** Packs for this process and all that it starts. */
export async function packOnce(): Promise<void> {
  process.env[PACKED] = await pack();
}

function pack(): Promise<string> {
  rmSync(vsix, { force: true });
  return new Promise((resolve, reject) => {
    execFile(
      'npm',
      ['run', 'package'],
      { cwd: root, timeout: limit, shell: process.platform === 'win32' },
      (error, stdout, stderr) => {
        if (error === null && existsSync(vsix)) {
          resolve(vsix);
        } else {
          reject(new Error(`npm run package wrote no ${vsix}: ${error?.message ?? ''}\n${stdout}\n${stderr}`));
        }
      },
    );
  });
}
