/** The ways to bring an image to a host that are compared: ours, the article's pipeline, and a tunnelled registry. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { DockerEngine } from '../../src/docker/engine';
import { learnLayers } from '../../src/docker/pushedImage';
import { mustRun } from '../machines/command';
import type { Host } from '../machines/host';
import type { Lab } from '../machines/lab';
import { startRegistry } from '../machines/registry';
import type { SenderResult } from './sender';

/** Where images are built and sent from. */
export interface Builder {
  /** `Docker 20.10` */
  readonly name: string;
  readonly socketPath: string;
  /** The machine that it runs on, where that is not this one. */
  readonly host?: Host;
}

/** One way, ready to be used for one host. */
export interface Way {
  readonly name: string;
  /** It takes the same whatever changed: once is enough. */
  readonly alwaysTheSame: boolean;
  /** Brings an image of the local engine to the host of this ssh alias. Returns what is known of it besides the time. */
  readonly send: (alias: string, image: string) => Promise<{ readonly peakBytes?: number }>;
  /** What a deployment does beside the stages that follow. */
  readonly afterwards?: (image: string) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Ours, run by this Node. */
export async function ourWay(
  lab: Lab,
  builder: Builder,
  source: DockerEngine,
  name: string,
  node: string,
): Promise<Way> {
  const program = path.join(__dirname, '../../dist/bench/sender.cjs');
  const builderOfPrograms = path.join(__dirname, '../../esbuild.mjs');
  await mustRun(process.execPath, [builderOfPrograms, '--production', path.join(__dirname, 'sender.ts'), program]);
  return {
    name,
    alwaysTheSame: false,
    send: async (alias, image) => {
      const files = [lab.sshConfigFile, lab.knownHostsFile, lab.identityFile];
      const [command = node, ...more] = [...(await besideEngine(builder)), node, program, alias, image, ...files];
      const said = await mustRun(command, more, { env: environment(builder) });
      const { peakBytes } = JSON.parse(said) as SenderResult;
      return { peakBytes };
    },
    ...(source.info.store === 'layers' && {
      afterwards: (image: string) => learnLayers(source, image, new AbortController().signal),
    }),
    stop: () => rm(path.dirname(program), { recursive: true, force: true }),
  };
}

/** `docker save | gzip | ssh | docker load`, the article's. */
export function pipeline(lab: Lab, builder: Builder): Way {
  return {
    name: 'save | gzip | ssh | load',
    alwaysTheSame: true,
    send: async (alias, image) => {
      const script = 'set -o pipefail; docker save "$1" | gzip | ssh -F "$2" "$3" docker load';
      await mustRun('bash', ['-c', script, 'bash', image, lab.sshConfigFile, alias], { env: environment(builder) });
      return {};
    },
    stop: () => Promise.resolve(),
  };
}

/** One login with a tunnel, which is closed at once: ssh waits half a minute for idle connections when its command ends. */
const PULL = `set -e
on() { ssh -F "$config" -S "$socket" "$@"; }
config=$1 socket=$2 alias=$3 port=$4 image=$5
on -M -f -N -R "$port:127.0.0.1:$port" "$alias" >/dev/null 2>&1
on "$alias" docker pull --quiet "$image"
on -O exit "$alias"`;

/**
 * A registry of this machine that the host reaches through the SSH connection, as Kamal 2 does it. A builder on a machine
 * of its own has a tunnel to it as well, which is there before the first push.
 */
export async function registry(lab: Lab, builder: Builder): Promise<Way> {
  const { port, stop } = await startRegistry();
  const tunnel = path.join(lab.folder, `builder-${port}`);
  const ssh = ['-F', lab.sshConfigFile, '-S', tunnel];
  if (builder.host !== undefined) {
    await mustRun('bash', [
      '-c',
      'ssh "$@" >/dev/null 2>&1',
      'ssh',
      ...[...ssh, '-M', '-f', '-N', '-R', `${port}:127.0.0.1:${port}`, builder.host.name],
    ]);
  }
  return {
    name: 'registry through ssh',
    alwaysTheSame: false,
    send: async (alias, image) => {
      const name = `localhost:${port}/${image}`;
      const env = environment(builder);
      await mustRun('docker', ['tag', image, name], { env });
      await mustRun('docker', ['push', '--quiet', name], { env });
      await mustRun(
        'bash',
        ['-c', PULL, 'bash', lab.sshConfigFile, path.join(lab.folder, 'tunnel'), alias, `${port}`, name],
        {
          env,
        },
      );
      await mustRun('docker', ['rmi', name], { env });
      return {};
    },
    stop: async () => {
      if (builder.host !== undefined) {
        await mustRun('ssh', [...ssh, '-O', 'exit', builder.host.name]);
      }
      await stop();
    },
  };
}

/** What runs a program as if it were on the builder's machine: with its network, so that the engine there can reach it. */
async function besideEngine({ host }: Builder): Promise<string[]> {
  return host === undefined ? [] : ['nsenter', `--net=${await host.proc('ns/net')}`];
}

function environment({ socketPath }: Builder): NodeJS.ProcessEnv {
  return { ...process.env, DOCKER_HOST: `unix://${socketPath}` };
}
