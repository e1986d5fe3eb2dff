import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { t } from '../l10n';
import { DeployError, type Environment, type SourcePosition } from '../model';
import { endProgram, STARTED } from '../ssh/program';
import { looksSecret } from './buildSecrets';
import { type BuildEvents, type BuildSpec, silenceLimit } from './buildSpec';
import type { Vertex } from './buildkitTrace';
import { imagesNeeded, type Instruction, syntaxImage } from './dockerfile';
import type { DockerEngine } from './engine';
import { abortReason } from './errors';
import { onAbort } from './limits';
import { hasLogin, registryOf } from './registry';

/** What a build by the docker command ended with. */
export interface CliFailure {
  /** BuildKit's own words. */
  readonly message: string;
  readonly failed: readonly Vertex[];
}

/** There is no docker command here that could build. */
export class CommandMissingError extends DeployError {}

/**
 * Whether a build asks for what only the docker command can give: it answers BuildKit's questions while it runs, for
 * secrets and for the ssh agent.
 */
export function needsDockerCommand(spec: BuildSpec, instructions: readonly Instruction[]): boolean {
  return (
    Object.keys(spec.secrets ?? {}).length > 0 || spec.ssh === true || instructionWithMount(instructions) !== undefined
  );
}

function instructionWithMount(instructions: readonly Instruction[]): Instruction | undefined {
  return instructions.find(({ text }) => /^RUN .*--mount=\S*type=(?:secret|ssh)\b/i.test(text));
}

/**
 * Whether the docker command may build what the engine alone may not: it knows the person's logins, and so gets private
 * base images, and what `# syntax=` names. Everything else goes straight to the engine.
 */
export async function gainsByDockerCommand(
  spec: BuildSpec,
  dockerfile: string,
  instructions: readonly Instruction[],
  env: Environment = process.env,
): Promise<boolean> {
  const registries = new Set([...imagesNeeded(instructions, spec.args).keys()].map(registryOf));
  const logins = await Promise.all([...registries].map((registry) => hasLogin(registry, env)));
  return syntaxImage(dockerfile) !== undefined || logins.includes(true);
}

/**
 * Builds with `docker build`, which must be installed here. Secrets go by their file or by the name of their variable,
 * never by their value; so do build arguments that look secret, as everybody on this machine can read command lines.
 * Returns undefined when the image is built, and why not otherwise.
 * @param instructions the Dockerfile's, for the place of what the command is needed for.
 * @throws CommandMissingError 'build' when the command, or its buildx, is not there; DeployError 'cancelled'.
 */
export async function buildWithDockerCommand(
  engine: Pick<DockerEngine, 'cliEnvironment' | 'description'>,
  spec: BuildSpec,
  instructions: readonly Instruction[],
  events: BuildEvents,
  signal: AbortSignal,
  env: Environment = process.env,
): Promise<CliFailure | undefined> {
  const { cliEnvironment } = engine;
  const line = instructionWithMount(instructions)?.line;
  const position = line === undefined ? {} : { position: { file: spec.dockerfile, line, column: 1 } };
  if (cliEnvironment === undefined) {
    throw new CommandMissingError(
      'build',
      t('Secrets and ssh mounts cannot be used in a build on {0}.', engine.description),
      {
        hint: t('Build on this machine: "transfer": "ssh" in bluegreen.json.'),
        ...position,
      },
    );
  }
  const hidden = hiddenArgs(spec.args, env);
  const child = spawn('docker', commandLine(spec, hidden), {
    ...STARTED,
    // BuildKit of this very engine, and an image without attestations, as one built without the command.
    env: {
      ...env,
      ...hidden,
      ...cliEnvironment,
      DOCKER_BUILDKIT: '1',
      BUILDX_BUILDER: 'default',
      BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that buildx, which does the work, ends with it.
    detached: process.platform !== 'win32',
  });
  const stall = silenceLimit(signal);
  const release = onAbort(stall.signal, () => endProgram(child));
  const progress = new PlainProgress(events);
  for (const output of [child.stdout, child.stderr]) {
    createInterface(output).on('line', (line) => {
      stall.alive();
      progress.add(line);
    });
  }
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', (error) => reject(commandMissing(error, position)));
      child.once('close', resolve);
    });
    if (stall.signal.aborted) {
      throw abortReason(stall.signal, engine.description);
    }
    return code === 0 ? undefined : progress.failure(position);
  } finally {
    release();
    stall.end();
  }
}

/** Variables that docker and its builder are steered by. */
const STEERING = /^(?:DOCKER|BUILDX|BUILDKIT|SSH|OTEL)_/;

/** Arguments that are given by the name of a variable alone; none that would mean something else to the command itself. */
function hiddenArgs(args: BuildSpec['args'], env: Environment): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(args).filter(
      ([name, value]) => looksSecret(name) && !STEERING.test(name) && (env[name] ?? value) === value,
    ),
  );
}

function commandLine(spec: BuildSpec, hidden: BuildSpec['args']): string[] {
  const { context, dockerfile, target, platform, args, labels, secrets = {}, ssh = false, tag } = spec;
  return [
    'build',
    ...['--progress', 'plain', '--file', dockerfile, '--tag', tag],
    ...Object.entries(args).flatMap(([name, value]) => [
      '--build-arg',
      Object.hasOwn(hidden, name) ? name : `${name}=${value}`,
    ]),
    ...Object.entries(labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]),
    ...(target === undefined ? [] : ['--target', target]),
    ...(platform === undefined ? [] : ['--platform', platform]),
    ...Object.entries(secrets).flatMap(([id, from]) => [
      '--secret',
      'env' in from ? `id=${id},env=${from.env}` : `"id=${id}","src=${from.file.replaceAll('"', '""')}"`,
    ]),
    ...(ssh ? ['--ssh', 'default'] : []),
    context,
  ];
}

function commandMissing(cause: Error, position: { position?: SourcePosition }): CommandMissingError {
  return new CommandMissingError(
    'build',
    t('This build uses secrets or ssh mounts, and the docker command is not installed here.'),
    {
      hint: t(
        'Install the docker command with buildx (https://docs.docker.com/engine/install/), or do without these mounts.',
      ),
      detail: cause.message,
      cause,
      ...position,
    },
  );
}

/** Reads what `--progress plain` writes: `#5 [2/3] RUN npm ci`, `#5 1.234 words`, `#5 ERROR: why`. */
class PlainProgress {
  readonly #events: BuildEvents;
  readonly #names = new Map<string, string>();
  readonly #failed: Vertex[] = [];
  readonly #others: string[] = [];

  constructor(events: BuildEvents) {
    this.#events = events;
  }

  add(line: string): void {
    const [, number, rest = ''] = /^#(\d+) (.*)$/.exec(line) ?? [];
    if (number === undefined) {
      if (line.trim() !== '') {
        this.#others.push(line);
      }
      return;
    }
    const name = this.#names.get(number);
    const error = /^ERROR: (.*)$/.exec(rest)?.[1];
    if (name === undefined) {
      this.#names.set(number, rest);
      this.#step(rest);
      this.#events.log(`#${number} ${rest}`, 'info');
    } else if (error !== undefined) {
      this.#failed.push({ digest: number, name, cached: false, started: true, completed: true, error });
      this.#events.log(`#${number} ${rest}`, 'error');
    } else if (!/^sha256:[0-9a-f]{64}/.test(rest)) {
      this.#events.log(`#${number} ${rest.replace(/^\d+\.\d+ /, '')}`, 'info');
    }
  }

  failure(position: { position?: SourcePosition }): CliFailure {
    const last = this.#others.filter((line) => /error/i.test(line)).at(-1) ?? this.#others.at(-1) ?? '';
    if (this.#others.some((line) => line.includes('buildx component is missing'))) {
      throw new CommandMissingError(
        'build',
        t('This build uses secrets or ssh mounts, and the docker command here has no buildx.'),
        {
          hint: t('Install buildx (https://docs.docker.com/go/buildx/), or do without these mounts.'),
          ...position,
        },
      );
    }
    return { message: last.replace(/^ERROR: /, ''), failed: this.#failed };
  }

  #step(name: string): void {
    const [, done, total] = /^\[(?:\S+ )?(\d+)\/(\d+)\]/.exec(name) ?? [];
    if (done !== undefined && total !== undefined) {
      this.#events.step?.(Number(done), Number(total));
    }
  }
}
