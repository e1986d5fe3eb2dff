/**
 * Everything a real VS Code in a real browser needs, installed once a machine and found again afterwards:
 * Chromium, the headers and tools for native modules, Node 24, and code-server from `vscode/package-lock.json`.
 *
 *     npx tsx test/editor/install.ts
 *
 * code-server is kept in `${XDG_CACHE_HOME:-~/.cache}/blue-green-lab/vscode/<hash of the lockfile>/`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { aptInstall } from '../machines/apt';
import { atEnd } from '../machines/atEnd';
import { hasProgram, lastLines } from '../machines/command';
import { labDirectory } from '../machines/directory';
import type { Log } from '../machines/log';
import { isAlive } from './cleanup';

const here = path.dirname(fileURLToPath(import.meta.url));
const manifests = ['package.json', 'package-lock.json', '.npmrc'];
const marker = 'installed.json';

/** Where the installed parts are. */
export interface EditorInstallation {
  /** Node 24, the only version that code-server's native modules are built for. */
  readonly node: string;
  /** code-server's entry script, to be run with `node`. */
  readonly codeServer: string;
  /** The browser's executable. */
  readonly chromium: string;
}

/**
 * Installs what is missing (about two minutes on a fresh machine) and says where everything is (at once afterwards).
 * Progress goes to standard error, a line a step with the seconds since the start; nothing is said when all is there.
 * @throws Error with a sentence saying what to install by hand, where this process may not install it itself.
 */
export async function installEditor(): Promise<EditorInstallation> {
  const started = performance.now();
  const say: Log = (line) => {
    console.error(`[editor ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s] ${line}`);
  };
  const root = path.join(cacheFolder(), lockHash());
  if (!existsSync(path.join(root, marker))) {
    // First the tools, then the browser, the latter while npm downloads and compiles.
    await installBuildTools(say);
    const [chromium] = await Promise.all([installChromium(say), installCodeServer(root, say)]);
    say('ready');
    return { ...readMarker(root), chromium };
  }
  return { ...readMarker(root), chromium: await installChromium(say) };
}

/* ---------- Chromium ---------- */

/** Names an executable to use instead of the one found on this machine. */
const chromiumVariable = 'BLUE_GREEN_CHROMIUM';

function findChromium(): string | undefined {
  const named = process.env[chromiumVariable];
  if (named !== undefined && named !== '') return named;
  const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const candidates = [
    ...names.flatMap((name) => ['/usr/bin', ...folders].map((folder) => path.join(folder, name))),
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ];
  return candidates.find(isExecutable);
}

async function installChromium(say: Log): Promise<string> {
  const found = findChromium();
  if (found !== undefined) return found;
  // A minimal Debian has no font at all: without one, every screenshot is empty boxes.
  await aptInstall(
    ['chromium', 'fonts-dejavu-core', 'fonts-liberation'],
    say,
    `Or name a Chrome in ${chromiumVariable}.`,
  );
  const installed = findChromium();
  if (installed === undefined)
    throw new Error(`apt-get installed chromium, but it is not in PATH. Name it in ${chromiumVariable}.`);
  return installed;
}

async function installBuildTools(say: Log): Promise<void> {
  if (process.platform !== 'linux') return;
  const tools = ['g++', 'gcc', 'make', 'python3'].filter((name) => !hasProgram(name));
  const headers = existsSync('/usr/include/gssapi/gssapi.h') ? [] : ['libkrb5-dev'];
  await aptInstall([...headers, ...tools], say);
}

/* ---------- Node 24 and code-server ---------- */

function cacheFolder(): string {
  return path.join(labDirectory(), 'vscode');
}

function lockHash(): string {
  const hash = createHash('sha256');
  for (const name of manifests) hash.update(readFileSync(path.join(here, 'vscode', name)));
  return hash.update(`${process.platform} ${process.arch}`).digest('hex').slice(0, 16);
}

function readMarker(root: string): { node: string; codeServer: string } {
  return JSON.parse(readFileSync(path.join(root, marker), 'utf8')) as { node: string; codeServer: string };
}

/**
 * Installs beside the final place and renames at the end, so that a killed installation is never taken for a whole one
 * and two at once do not disturb each other.
 */
async function installCodeServer(root: string, say: Log): Promise<void> {
  removeAbandoned();
  const partial = `${root}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const forget = atEnd(() => rmSync(partial, { recursive: true, force: true }));
  for (const name of manifests) copyFileSync(path.join(here, 'vscode', name), path.join(partial, name));

  say('npm ci: Node 24 and code-server (170 MB)');
  // Two steps, since code-server's own install script refuses any Node but 24, which comes in the first.
  await run(['npm', 'ci', '--ignore-scripts', '--loglevel=error'], { cwd: partial, env: npmEnvironment() });
  const node = findNode(partial);
  say('npm rebuild: compiling native modules');
  await run(['npm', 'rebuild', '--foreground-scripts', '--ignore-scripts=false'], {
    cwd: partial,
    env: npmEnvironment(node),
    onLine: (line) => {
      const script = /^> (\S+@\S+ (?:post)?install)$/.exec(line)?.[1];
      if (script !== undefined) say(`  ${script}`);
    },
  });
  const codeServer = path.join(partial, 'node_modules/code-server/out/node/entry.js');
  const version = lastLines(
    execFileSync(node, [codeServer, '--version', '--config', path.join(partial, 'config.yaml')], { encoding: 'utf8' }),
    1,
  );
  const moved = (file: string): string => (file.startsWith(partial) ? root + file.slice(partial.length) : file);
  writeFileSync(
    path.join(partial, marker),
    JSON.stringify({ node: moved(node), codeServer: moved(codeServer), version }),
  );
  try {
    renameSync(partial, root);
  } catch (error) {
    // Another process was first.
    if (!existsSync(path.join(root, marker))) throw error;
    rmSync(partial, { recursive: true, force: true });
  }
  forget();
  say(`code-server ${version}`);
}

function findNode(folder: string): string {
  const bundled = path.join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(bundled)) return bundled;
  if (process.versions.node.startsWith('24.')) return process.execPath;
  throw new Error(
    `code-server needs Node 24, and npm has none for ${process.platform} ${process.arch}: run the editor tests with Node 24.`,
  );
}

/** The environment of npm: a clean one, since `npm run` passes the settings of the project's own .npmrc on to us. */
function npmEnvironment(node?: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (
      !/^npm_/i.test(name) ||
      /^npm_config_(registry|cache|userconfig|globalconfig|https?_proxy|noproxy|cafile)$/i.test(name)
    )
      env[name] = value;
  }
  if (node === undefined) return env;
  const bin = path.dirname(node);
  env['PATH'] = `${bin}${path.delimiter}${process.env['PATH'] ?? ''}`;
  // Node's own headers lie beside it: node-gyp would otherwise download them.
  if (existsSync(path.join(bin, '../include/node'))) env['npm_config_nodedir'] = path.dirname(bin);
  env['JOBS'] = 'max';
  // Halves the time of the compilers. gyp puts these after its own -O3; nothing here is slow enough to miss it.
  env['CFLAGS'] = '-O0';
  env['CXXFLAGS'] = '-O0';
  return env;
}

function removeAbandoned(): void {
  mkdirSync(cacheFolder(), { recursive: true });
  for (const name of readdirSync(cacheFolder())) {
    const owner = /\.partial-(\d+)$/.exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner)))
      rmSync(path.join(cacheFolder(), name), { recursive: true, force: true });
  }
}

/* ---------- small things ---------- */

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Hears each line of standard output. */
  readonly onLine?: (line: string) => void;
}

/** Runs a command quietly, for at most fifteen minutes; when it fails, its last lines are the error. */
async function run(command: readonly string[], { cwd, env, onLine }: RunOptions): Promise<void> {
  const [file = '', ...args] = command;
  // A process group of its own, so that an interrupted npm takes its compilers with it.
  const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = (): void => {
    if (child.pid !== undefined && isAlive(-child.pid)) process.kill(-child.pid, 'SIGKILL');
  };
  const forget = atEnd(end);
  const timer = setTimeout(end, 900_000);
  let output = '';
  const collect = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-20_000));
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  if (onLine !== undefined) createInterface(child.stdout).on('line', onLine);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        const how = signal ?? `code ${code ?? '?'}`;
        if (code === 0) resolve();
        else reject(new Error(`${command.join(' ')} ended with ${how}:\n${lastLines(output, 40)}`));
      });
    });
  } finally {
    clearTimeout(timer);
    forget();
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  installEditor().then(
    (editor) => console.log(JSON.stringify(editor, undefined, 2)),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    },
  );
}
