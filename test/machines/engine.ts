import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { aptInstall, canInstall } from './apt';
import { atEnd } from './atEnd';
import { hasProgram, lastLines } from './command';
import { labDirectory } from './directory';
import { withLock } from './lock';
import { timed, toStderr, type Log } from './log';
import { ownerId } from './owner';

/** A Docker engine on this machine that tests may use. */
export interface Engine {
  readonly docker: Docker;
  readonly socketPath: string;
  readonly version: string;
  /** True when the lab started this engine itself, in its own folder. */
  readonly isPrivate: boolean;
  /** Lets go of the engine. A private one ends with its last user; another is left as it is. */
  stop(): Promise<void>;
}

const startLimitMs = 60_000;

/**
 * Makes a Docker engine available: the one that answers already, or, on Debian as root, a private one
 * with its own folders (Docker is installed first when it is missing). Several processes may share the
 * private engine; it ends with the last of them, whatever way that one ends.
 */
export async function startEngine(log: Log = toStderr): Promise<Engine> {
  const running = await answering();
  if (running !== undefined) return running;
  await installDocker(log);
  // Where a service manager started the engine on installation, that one serves.
  return (await answering()) ?? (await startPrivate(log));
}

async function answering(): Promise<Engine | undefined> {
  const given = process.env['DOCKER_HOST'];
  if (given !== undefined && given !== '') {
    const socketPath = /^unix:\/\/(.+)$/.exec(given)?.[1];
    if (socketPath === undefined) {
      throw new Error(
        `The test machines need an engine on this machine, but DOCKER_HOST is ${given}: unset it, or set it to a unix:// socket.`,
      );
    }
    const engine = await connect(socketPath, false);
    if (engine === undefined)
      throw new Error(`No Docker engine answers at DOCKER_HOST (${given}): start it, or unset DOCKER_HOST.`);
    return engine;
  }
  for (const socketPath of ['/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock')]) {
    const engine = await connect(socketPath, false);
    if (engine !== undefined) return engine;
  }
  return undefined;
}

async function connect(
  socketPath: string,
  isPrivate: boolean,
  stop: () => Promise<void> = () => Promise.resolve(),
): Promise<Engine | undefined> {
  if (!existsSync(socketPath)) return undefined;
  const docker = new Docker({ socketPath });
  try {
    const { Version: version } = await docker.version();
    return { docker, socketPath, version, isPrivate, stop };
  } catch {
    return undefined;
  }
}

async function installDocker(log: Log): Promise<void> {
  if (!canInstall()) {
    throw new Error(
      'The test machines need Docker: install it, start it, and let this user reach it (or, on Debian, run as root, and it is installed and started for you).',
    );
  }
  const missing = [
    ['dockerd', 'docker.io'],
    ['iptables', 'iptables'],
    ['ssh', 'openssh-client'],
  ].flatMap(([program, name]) => (program !== undefined && name !== undefined && !hasProgram(program) ? [name] : []));
  await aptInstall(missing, log);
}

async function startPrivate(log: Log): Promise<Engine> {
  const directory = labDirectory();
  const users = join(directory, 'users');
  mkdirSync(users, { recursive: true });
  const socketPath = join(directory, 'docker.sock');
  return withLock('engine', async () => {
    if ((await connect(socketPath, true)) === undefined) {
      await timed(log, 'starting a private Docker engine', () => launch(directory, socketPath));
    }
    const start = (await ownerId()).split(':')[2] ?? '';
    writeFileSync(join(users, String(process.pid)), `${start}\n`);
    const stop = keep(directory);
    const engine = await connect(socketPath, true, stop);
    if (engine === undefined) throw new Error('The private Docker engine stopped answering.');
    return engine;
  });
}

/** Starts the daemon apart from this process's group, so that Ctrl-C leaves it time to be cleaned up. */
async function launch(directory: string, socketPath: string): Promise<void> {
  const pidFile = join(directory, 'pid');
  const logFile = join(directory, 'dockerd.log');
  rmSync(socketPath, { force: true });
  if (!isOurDaemon(directory, pidFile)) {
    rmSync(pidFile, { force: true });
    forgetNetworks(directory);
  }
  // Docker leaves its bridge behind. One that it had to make goes with the engine (engine-keeper.sh).
  if (!existsSync('/sys/class/net/docker0')) writeFileSync(join(directory, 'made-bridge'), '');
  const output = openSync(logFile, 'w');
  const daemon = spawn(
    hasProgram('dockerd') ? 'dockerd' : '/usr/sbin/dockerd',
    [
      '--data-root',
      join(directory, 'data'),
      '--exec-root',
      join(directory, 'exec'),
      '-H',
      `unix://${socketPath}`,
      '-p',
      pidFile,
      // The subnets of labs (network.ts), where a registry speaks no TLS.
      '--insecure-registry',
      '10.128.0.0/9',
    ],
    {
      detached: true,
      stdio: ['ignore', output, output],
      env: daemonEnv(),
    },
  );
  closeSync(output);
  let ended: string | undefined;
  daemon.on('error', (error) => (ended = error.message));
  daemon.on('exit', (code, signal) => (ended = `ended with ${String(code ?? signal)}`));
  const limit = performance.now() + startLimitMs;
  while ((await connect(socketPath, true)) === undefined) {
    if (ended !== undefined || performance.now() > limit) {
      const why = ended ?? `gave no answer in ${String(startLimitMs / 1000)} s`;
      if (ended === undefined) daemon.kill();
      throw new Error(
        `The private Docker engine ${why}. Its last lines:\n${lastLines(readFileSync(logFile, 'utf8'), 15)}`,
      );
    }
    await sleep(50);
  }
  daemon.removeAllListeners();
  daemon.unref();
}

function isOurDaemon(directory: string, pidFile: string): boolean {
  try {
    const pid = readFileSync(pidFile, 'utf8').trim();
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(join(directory, 'data'));
  } catch {
    return false;
  }
}

/**
 * Removes what an engine that was killed left of its networks: their bridges, and its record of them.
 * A record that was being written makes dockerd 20.10 panic at each later start, and an engine that no
 * process uses has no network that anyone needs.
 */
function forgetNetworks(directory: string): void {
  const record = join(directory, 'data/network/files/local-kv.db');
  if (!existsSync(record)) return;
  const ids = readFileSync(record, 'latin1').matchAll(/docker\/network\/v1\.0\/[a-z_]+\/([0-9a-f]{12})/g);
  for (const bridge of new Set(Array.from(ids, ([, id = '']) => `br-${id}`))) {
    if (existsSync(join('/sys/class/net', bridge))) spawnSync('ip', ['link', 'delete', bridge], { env: daemonEnv() });
  }
  rmSync(record);
}

/** The environment of programs that only root's PATH names on some systems. */
function daemonEnv(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}

/** Starts the keeper that ends the engine after its last user; what it returns lets go and waits. */
function keep(directory: string): () => Promise<void> {
  const keeper = spawn('sh', [join(__dirname, 'engine-keeper.sh'), directory, String(process.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = new Promise<void>((resolve) =>
    keeper.on('close', () => {
      resolve();
    }),
  );
  keeper.unref();
  // An idle pipe must not keep this process running.
  (keeper.stdin as unknown as { unref(): void }).unref();
  const stop = (): Promise<void> => {
    forget();
    keeper.ref();
    keeper.stdin.end();
    return ended;
  };
  const forget = atEnd(stop);
  return stop;
}
