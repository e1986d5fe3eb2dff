import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { aptInstall } from '../machines/apt';
import { toStderr } from '../machines/log';

const SSHD = '/usr/sbin/sshd';

/** Sees to it that there is an sshd to be started: installs the server on Debian when run as root. */
export async function ensureSshd(): Promise<void> {
  if (!existsSync(SSHD)) await aptInstall(['openssh-server'], toStderr);
  // Where sshd drops its rights in; a package's service would make it.
  if (process.getuid?.() === 0) {
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  }
}

export function tempFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'blue-green-ssh-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function makeKey(
  file: string,
  type: 'ed25519' | 'rsa' | 'ecdsa' = 'ed25519',
  more: readonly string[] = [],
): void {
  const passphrase = more.includes('-N') ? [] : ['-N', ''];
  execFileSync('ssh-keygen', ['-q', '-t', type, '-f', file, '-C', `test-${type}`, ...passphrase, ...more]);
}

/** `type base64` of a public key file. */
export function publicKey(file: string): string {
  return readFileSync(`${file}.pub`, 'utf8').trim().split(' ').slice(0, 2).join(' ');
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

export interface RunningSshd {
  readonly port: number;
  readonly pid: number;
  readonly user: string;
  /** Files of the host's private keys, by type. */
  readonly hostKeys: Readonly<Record<string, string>>;
  readonly authorizedKeys: string;
  /** What sshd said so far. */
  log(): string;
  /** Processes that serve one connection each. */
  connections(): readonly number[];
  stop(): Promise<void>;
}

export interface SshdOptions {
  readonly hostKeyTypes?: readonly ('ed25519' | 'rsa' | 'ecdsa')[];
  /** Lines of sshd_config, put first so that they win. */
  readonly config?: readonly string[];
}

/** A real sshd on a free port of 127.0.0.1, everything it needs in `folder`. */
export async function startSshd(folder: string, name: string, options: SshdOptions = {}): Promise<RunningSshd> {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  const hostKeys: Record<string, string> = {};
  for (const type of options.hostKeyTypes ?? ['ed25519']) {
    const file = join(home, `host_${type}`);
    if (!existsSync(file)) {
      makeKey(file, type);
    }
    hostKeys[type] = file;
  }
  const authorizedKeys = join(home, 'authorized_keys');
  if (!existsSync(authorizedKeys)) {
    writeFileSync(authorizedKeys, '');
    chmodSync(authorizedKeys, 0o600);
  }
  const port = await freePort();
  const configFile = join(home, 'sshd_config');
  const lines = [
    ...(options.config ?? []),
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...Object.values(hostKeys).map((file) => `HostKey ${file}`),
    `AuthorizedKeysFile ${authorizedKeys}`,
    `PidFile ${join(home, 'pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'LogLevel VERBOSE',
  ];
  writeFileSync(configFile, `${lines.join('\n')}\n`);
  const child = spawn(SSHD, ['-D', '-e', '-f', configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  await listening(port, child, () => log);
  const pid = child.pid ?? 0;
  return {
    port,
    pid,
    user: userInfo().username,
    hostKeys,
    authorizedKeys,
    log: () => log,
    connections: () => childrenOf(pid),
    stop: () => stopChild(child),
  };
}

async function listening(port: number, child: ChildProcess, log: () => string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline;) {
    if (child.exitCode !== null) {
      break;
    }
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => setTimeout(resolve, 20, false));
    });
    if (open) {
      return;
    }
  }
  throw new Error(`sshd did not start: ${log()}`);
}

export function stopChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    for (const connection of child.pid === undefined ? [] : childrenOf(child.pid)) {
      kill(connection);
    }
    // 'close' comes after the last line of its log.
    child.once('close', () => resolve());
    child.kill('SIGKILL');
  });
}

/** Ends one process this test started. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

/** All processes below one, deepest last (Linux). */
function childrenOf(pid: number): readonly number[] {
  return directChildren(pid).flatMap((child) => [child, ...childrenOf(child)]);
}

function directChildren(pid: number): readonly number[] {
  try {
    const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return list.trim().split(' ').filter(Boolean).map(Number);
  } catch {
    // It ended between being listed and being asked.
    return [];
  }
}
