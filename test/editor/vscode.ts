/** A real VS Code (code-server, of the same source) on a port of this machine, with everything it writes in one temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { atEnd } from '../machines/atEnd';
import { isAlive, temporaryFolder } from './cleanup';
import { installEditor } from './install';

/** The four kinds of colour theme that VS Code has. */
export type ColourTheme = 'light' | 'dark' | 'hc-black' | 'hc-light';

/** The default theme of each kind, by the name that `workbench.colorTheme` takes. */
export const THEMES: Readonly<Record<ColourTheme, string>> = {
  light: 'Light 2026',
  dark: 'Dark 2026',
  'hc-black': 'Default High Contrast',
  'hc-light': 'Default High Contrast Light',
};

/** What a VS Code for a test is started with. */
export interface VsCodeOptions {
  /** The folder that is opened as the workspace. */
  readonly folder: string;
  /** A packaged extension, installed as a person would install it. */
  readonly vsix?: string;
  /** An unpacked extension, linked into the extensions folder. Quicker than `vsix`, and proves less. */
  readonly extensionFolder?: string;
  /** false leaves Workspace Trust on: VS Code then asks about the folder, and starts in Restricted Mode. */
  readonly trust: boolean;
  /** User settings over the quiet defaults of the harness. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Settings of the scope `machine`, which VS Code reads from a file of their own where it runs as a server. */
  readonly machineSettings?: Readonly<Record<string, unknown>>;
  /**
   * Environment of VS Code and thus of the extension host, over a bare one: PATH, language and an empty HOME.
   * The person's own SSH_AUTH_SOCK, DOCKER_HOST and ~/.ssh are therefore out of sight unless they are named here.
   */
  readonly env?: Readonly<Record<string, string>>;
  /** Dark if not given. */
  readonly colourTheme?: ColourTheme;
}

/** What a window has open, as its address says it: a folder, a file that names several, or nothing at all. */
export type Opened = { readonly folder: string } | { readonly workspace: string } | { readonly ew: 'true' };

/** A running VS Code. */
export interface VsCode {
  /** The workbench's address, to be opened in a browser. */
  readonly url: string;
  /** The address of another window. Paths are absolute. */
  urlOf(opened: Opened): string;
  /** HOME of the extension host: a temporary folder, or the one given in `env`. */
  readonly home: string;
  /** The colour theme it was started with. */
  readonly colourTheme: ColourTheme;
  /**
   * Merges user settings into those there are. A window has them for sure when it is opened or reloaded;
   * for a change under the eyes of an open one, write the folder's `.vscode/settings.json`.
   */
  setSettings(changes: Readonly<Record<string, unknown>>): void;
  /**
   * The display language of windows that are opened or reloaded from now on, as `Configure Display Language` sets it.
   * Its pack is an empty one, since the real ones are to be had from the marketplace only: VS Code's own words stay
   * English, and extensions speak the language.
   */
  setLanguage(tag: string): void;
  /** What the server printed, and the extension hosts' log files. */
  logs(): string;
  /** Ends every process and removes everything temporary. May be called twice. */
  stop(): Promise<void>;
}

const quietSettings: Readonly<Record<string, unknown>> = {
  'chat.disableAIFeatures': true,
  // As on the desktop; on the web it is on.
  'files.autoSave': 'off',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'window.autoDetectColorScheme': false,
  'window.autoDetectHighContrast': false,
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

const startLimit = 60_000;
const installLimit = 120_000;

/**
 * Starts a VS Code for a test, installing it on the machine first where that was never done.
 * @throws Error with what the server printed, if it does not answer within a minute; nothing is left behind then.
 */
export async function startVsCode(options: VsCodeOptions): Promise<VsCode> {
  const { node, codeServer } = await installEditor();
  const temporary = temporaryFolder('vscode');
  const inside = (name: string): string => path.join(temporary.path, name);
  const home = options.env?.['HOME'] ?? inside('home');
  for (const folder of [home, inside('user/User'), inside('extensions')]) mkdirSync(folder, { recursive: true });

  const settingsFile = inside('user/User/settings.json');
  const colourTheme = options.colourTheme ?? 'dark';
  const setSettings = (changes: Readonly<Record<string, unknown>>): void => {
    // VS Code writes into the file too.
    const before: unknown = existsSync(settingsFile) ? JSON.parse(readFileSync(settingsFile, 'utf8')) : {};
    writeFileSync(settingsFile, JSON.stringify({ ...(before as object), ...changes }, undefined, 2));
  };
  setSettings({ ...quietSettings, 'workbench.colorTheme': THEMES[colourTheme], ...options.settings });
  mkdirSync(inside('user/Machine'), { recursive: true });
  writeFileSync(inside('user/Machine/settings.json'), JSON.stringify(options.machineSettings ?? {}, undefined, 2));

  const setLanguage = (tag: string): void => {
    const words = inside('words.json');
    writeFileSync(words, JSON.stringify({ version: '1.0.0', contents: {} }));
    const extensions = [{ extensionIdentifier: { id: `lab.language-pack-${tag}` }, version: '1.0.0' }];
    const pack = { hash: tag, label: tag, extensions, translations: { vscode: words } };
    writeFileSync(inside('user/languagepacks.json'), JSON.stringify({ [tag]: pack }));
    writeFileSync(inside('user/User/argv.json'), JSON.stringify({ locale: tag }));
  };

  const env = { ...bareEnvironment(), HOME: home, ...options.env };
  const places = [
    '--config',
    inside('config.yaml'),
    '--user-data-dir',
    inside('user'),
    '--extensions-dir',
    inside('extensions'),
  ];
  const servers: Server[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
    temporary.remove();
  };
  try {
    if (options.extensionFolder !== undefined) {
      symlinkSync(
        path.resolve(options.extensionFolder),
        inside(`extensions/${path.basename(options.extensionFolder)}`),
      );
    }
    if (options.vsix !== undefined) {
      const installer = new Server(
        node,
        [codeServer, ...places, '--install-extension', path.resolve(options.vsix)],
        env,
      );
      servers.push(installer);
      await installer.printed(/was successfully installed/, installLimit);
      await installer.stop();
    }
    const server = new Server(
      node,
      [
        codeServer,
        ...places,
        ...['--auth', 'none', '--bind-addr', '127.0.0.1:0', '--disable-telemetry', '--disable-update-check'],
        // Ends a server whose test process was killed without a chance to stop it.
        ...['--idle-timeout-seconds', '600', '--disable-getting-started-override'],
        ...(options.trust ? ['--disable-workspace-trust'] : []),
      ],
      env,
    );
    servers.push(server);
    const [, address] = await server.printed(/HTTP server listening on (http:\/\/[\d.:]+)/, startLimit);
    const urlOf = (opened: Opened): string => `${address ?? ''}/?${new URLSearchParams(opened).toString()}`;
    const logs = (): string => [server.output, ...extensionHostLogs(inside('user/logs'))].join('\n');
    return {
      url: urlOf({ folder: path.resolve(options.folder) }),
      urlOf,
      home,
      colourTheme,
      setSettings,
      setLanguage,
      logs,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Nothing of the person's own session but what a program needs to run at all. */
function bareEnvironment(): Record<string, string> {
  const env: Record<string, string> = {
    // The server otherwise asks a login shell for the environment, and that one overrules ours.
    VSCODE_CLI: '1',
    // No marketplace: nothing of a test goes out of this machine.
    EXTENSIONS_GALLERY: '{}',
  };
  for (const name of ['PATH', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'TERM', 'USER', 'LOGNAME', 'SHELL']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

function extensionHostLogs(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => path.basename(name) === 'remoteexthost.log')
    .map((name) => `--- ${name}\n${readFileSync(path.join(folder, name), 'utf8')}`);
}

/** One code-server process and its descendants. */
class Server {
  output = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #forget: () => void;
  readonly #listeners = new Set<() => void>();

  constructor(node: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    // A process group of its own, so that one signal reaches the extension host and its children too.
    this.#child = spawn(node, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = new Promise((resolve) => {
      const end = (reason: string): void => {
        this.#collect(`[${reason}]\n`);
        resolve();
      };
      this.#child.once('error', (error) => end(error.message));
      this.#child.once('exit', (code, signal) => end(`ended with ${signal ?? `code ${code ?? '?'}`}`));
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#collect(chunk.toString()));
    this.#child.stderr?.on('data', (chunk: Buffer) => this.#collect(chunk.toString()));
    this.#forget = atEnd(() => this.#signal('SIGKILL'));
  }

  #collect(text: string): void {
    this.output = (this.output + text).slice(-200_000);
    for (const listener of this.#listeners) listener();
  }

  /** Waits until the output matches. @throws Error with the output if the process ends or `limit` ms pass before. */
  async printed(pattern: RegExp, limit: number): Promise<RegExpExecArray> {
    let timer: NodeJS.Timeout | undefined;
    let listener: (() => void) | undefined;
    const fail = (reason: string): Error =>
      new Error(`code-server ${reason} before it printed ${String(pattern)}:\n${this.output}`);
    try {
      return await new Promise((resolve, reject) => {
        listener = () => {
          const match = pattern.exec(this.output);
          if (match !== null) resolve(match);
        };
        this.#listeners.add(listener);
        listener();
        timer = setTimeout(() => reject(fail(`took more than ${limit / 1000} s`)), limit);
        void this.#ended.then(() => reject(fail('ended')));
      });
    } finally {
      clearTimeout(timer);
      if (listener !== undefined) this.#listeners.delete(listener);
    }
  }

  /** Asks every process of the group to end, and ends those that have not within five seconds. */
  async stop(): Promise<void> {
    this.#signal('SIGTERM');
    const limit = performance.now() + 5_000;
    while (this.#groupIsAlive() && performance.now() < limit) await new Promise((resolve) => setTimeout(resolve, 20));
    this.#signal('SIGKILL');
    await this.#ended;
    this.#forget();
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#child.pid;
    if (pid !== undefined && this.#groupIsAlive()) process.kill(-pid, signal);
  }

  #groupIsAlive(): boolean {
    return this.#child.pid !== undefined && isAlive(-this.#child.pid);
  }
}
