import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** How a program ended, and what it wrote. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program without a shell and waits for its end. Rejects only when it cannot be started. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: options.env ?? process.env });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({
        code: code ?? (signal === null ? 1 : 128),
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
    child.stdin.on('error', () => undefined); // the program may end before it has read everything
    child.stdin.end(options.input ?? '');
  });
}

/** As {@link run}, but a non-zero exit is an error that shows the last lines the program wrote. */
export async function mustRun(
  program: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const outcome = await run(program, args, options);
  if (outcome.code !== 0) throw failure(program, args, outcome);
  return outcome.stdout;
}

/** The error of a program that ended with another code than 0: its command, and the last lines it wrote. */
export function failure(program: string, args: readonly string[], { code, stdout, stderr }: Outcome): Error {
  const said = lastLines(stderr.trim() === '' ? stdout : stderr, 15);
  return new Error(`${program} ${args.join(' ')} ended with ${String(code)}:\n${said}`);
}

/** True when a program of this name is in PATH (or in the system's sbin folders). */
export function hasProgram(name: string): boolean {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The last lines of a text, for an error message. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
