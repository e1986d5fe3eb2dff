import { t } from '../l10n';
import { DeployError, type SourcePosition } from '../model';
import type { Vertex } from './buildkitTrace';
import { type Instruction, instructionOfBase, instructionOfStep, type syntaxImage } from './dockerfile';
import { sentence } from './errors';
import { fullReference } from './images';

export interface BuildFailure {
  /** Docker's own message. */
  readonly message: string;
  /** Steps that carry an error, in the order they were told. */
  readonly failed: readonly Vertex[];
  readonly dockerfile: string;
  readonly instructions: readonly Instruction[];
  /** What `# syntax=` names. */
  readonly syntax: ReturnType<typeof syntaxImage>;
  /** The docker command, which alone knows the person's logins, would have built it, but is not here. */
  readonly commandMissing: boolean;
}

type Reading = (failure: BuildFailure) => DeployError | undefined;

/** What a failed build means for the person: one sentence, what to do, and the line of the Dockerfile where it is known. */
export function buildError(failure: BuildFailure): DeployError {
  const readings: readonly Reading[] = [syntaxError, pullError, missingTarget, stepError, contextError, baseError];
  for (const read of readings) {
    const error = read(failure);
    if (error !== undefined) {
      return error;
    }
  }
  return new DeployError('build', t('The build failed: {0}', reason(failure.message)), { detail: failure.message });
}

function syntaxError({ message, dockerfile }: BuildFailure): DeployError | undefined {
  const match = /dockerfile parse error (?:on )?line (\d+): ([^]*)/i.exec(message);
  if (match?.[1] === undefined) {
    return undefined;
  }
  return new DeployError(
    'build',
    t('The Dockerfile has a mistake in line {0}: {1}', match[1], sentence(match[2] ?? '')),
    {
      hint: t('Correct that line and build again.'),
      position: { file: dockerfile, line: Number(match[1]), column: 1 },
    },
  );
}

/** Names of steps that look up or fetch an image: for a FROM, or for a --from that names no stage. */
const PULLING = [
  /^\[internal\] load metadata for (\S+)$/,
  /^(?:\[.*\] )?FROM (\S+)/,
  /^resolve image config for (?:docker-image:\/\/)?(\S+)$/,
  /^docker-image:\/\/(\S+)$/,
];

function pullError(failure: BuildFailure): DeployError | undefined {
  const { message, failed, dockerfile, instructions, syntax, commandMissing } = failure;
  for (const { name, error } of failed) {
    const image = PULLING.map((pattern) => pattern.exec(name)?.[1]).find((match) => match !== undefined);
    if (image === undefined || isCancelled(error)) {
      continue;
    }
    const short = image.replace(/^docker\.io\/(library\/)?/, '').replace(/@sha256:.*$/, '');
    const base = instructionOfBase(instructions, image);
    const source = base ?? instructionOfCopyFrom(instructions, short);
    const { why, hint } = pullCause(`${error}\n${message}`, short, commandMissing);
    if (base === undefined && syntax !== undefined && isSame(syntax.image, image)) {
      return new DeployError('build', t('{0}, which the syntax line names, cannot be pulled: {1}', short, why), {
        hint,
        detail: message,
        position: { file: dockerfile, line: syntax.line, column: 1 },
      });
    }
    const sentenceOfImage =
      base === undefined
        ? t('The image {0} cannot be pulled: {1}', short, why)
        : t('The base image {0} cannot be pulled: {1}', short, why);
    return new DeployError('build', sentenceOfImage, {
      hint: base === undefined && source !== undefined ? t('No stage has that name: check --from. {0}', hint) : hint,
      detail: message,
      ...(source !== undefined && { position: at(dockerfile, source) }),
    });
  }
  return undefined;
}

function isSame(image: string, resolved: string): boolean {
  return fullReference(image) === fullReference(resolved.replace(/(:[^/@]+)@sha256:.*$/, '$1'));
}

function instructionOfCopyFrom(instructions: readonly Instruction[], image: string): Instruction | undefined {
  const names = [`from=${image}`, `from=${image.replace(/:latest$/, '')}`];
  return instructions.find((it) => it.text.split(/[\s,]+/).some((word) => names.includes(word.replace(/^--/, ''))));
}

function pullCause(text: string, image: string, commandMissing: boolean): { why: string; hint: string } {
  if (/no match for platform|does not match the specified platform/i.test(text)) {
    return {
      why: t('it does not exist for the platform of the host.'),
      hint: t('Take a base image that is made for that platform too.'),
    };
  }
  if (/not found|manifest unknown|no such manifest/i.test(text)) {
    return { why: t('there is no such image.'), hint: t('Check the name and the tag after FROM.') };
  }
  // BuildKit looks for credentials in a session with the docker command, and a build without one has none.
  if (/no active session|access denied|authorization|unauthorized|forbidden|\b401\b|\b403\b/i.test(text)) {
    return {
      why: t('there is no such image, or you have to log in to its registry.'),
      hint: commandMissing
        ? t(
            'Your logins are used by the docker command, which is not installed here with buildx. Install it (https://docs.docker.com/go/buildx/), or run `docker pull {0}` on the machine that builds first.',
            image,
          )
        : t(
            'Check the name. For a private image run `docker login` on this machine, or `docker pull {0}` on the one that builds.',
            image,
          ),
    };
  }
  if (/toomanyrequests|rate limit/i.test(text)) {
    return {
      why: t('the registry allows no more downloads for now.'),
      hint: t('Log in with `docker login`, or try again later.'),
    };
  }
  if (/no such host|dial tcp|timeout|connection refused|network is unreachable|TLS handshake|x509/i.test(text)) {
    return {
      why: t('its registry cannot be reached from the machine that builds.'),
      hint: t('Check the network, and the proxy settings of Docker if you use one.'),
    };
  }
  return { why: t('see the details.'), hint: t('Try `docker pull {0}` on the machine that builds.', image) };
}

function missingTarget({ message, dockerfile }: BuildFailure): DeployError | undefined {
  const match = /target stage "?([^"\s]+)"? could not be found|failed to reach build target (\S+)/.exec(message);
  if (match === null) {
    return undefined;
  }
  return new DeployError('build', t('The Dockerfile has no stage named {0}.', match[1] ?? match[2] ?? ''), {
    hint: t('Check "build.target" in bluegreen.json against the FROM … AS lines.'),
    position: { file: dockerfile, line: 1, column: 1 },
  });
}

function stepError({ message, failed, dockerfile, instructions }: BuildFailure): DeployError | undefined {
  const culprits = failed
    .filter(({ error }) => !isCancelled(error))
    .map((vertex) => ({ vertex, instruction: instructionOfStep(instructions, vertex.name) }));
  const { vertex, instruction } = culprits.find((it) => it.instruction !== undefined) ?? {};
  if (vertex === undefined || instruction === undefined) {
    return undefined;
  }
  const fail = (what: string, hint?: string): DeployError =>
    new DeployError('build', t('The build stopped in line {0}: {1}', instruction.line, what), {
      ...(hint !== undefined && { hint }),
      detail: message,
      position: at(dockerfile, instruction),
    });
  const command = `\`${abbreviate(instruction.text)}\``;
  const code = /exit code: (\d+)/.exec(`${vertex.error} ${message}`)?.[1];
  if (code !== undefined) {
    const killed = code === '137';
    return fail(
      t('{0} ended with code {1}.', command, code),
      killed ? t('The step was killed, most likely for lack of memory.') : t('Its last lines of output say why.'),
    );
  }
  const missing = missingFile(vertex.error) ?? missingFile(message);
  if (missing !== undefined) {
    const stage = /--from=(\S+)/.exec(instruction.text)?.[1];
    if (stage === undefined) {
      const { what, hint } = missingFromContext(missing);
      return fail(what, hint);
    }
    return fail(t('{0} is not in {1}.', missing, stage), t('Check the path, and whether that stage makes it.'));
  }
  return diskFull(message) ?? fail(t('{0}: {1}', command, reason(vertex.error)));
}

function missingFromContext(file: string): { readonly what: string; readonly hint: string } {
  return {
    what: t('{0} is not in the build context.', file),
    hint: t('Check the path (it is relative to the context) and .dockerignore.'),
  };
}

/** A file that COPY or ADD asks for, out of the words of BuildKit's several versions. */
function missingFile(text: string): string | undefined {
  return /"\/?([^"]+)":? not found/.exec(text)?.[1] ?? /lstat \S*?([^/\s]+): no such file or directory/.exec(text)?.[1];
}

function contextError({ message, dockerfile, instructions }: BuildFailure): DeployError | undefined {
  const missing = missingFile(message);
  if (missing === undefined) {
    return diskFull(message);
  }
  const source = instructions.find((it) => mentions(it, missing));
  const { what, hint } = missingFromContext(missing);
  const stopped =
    source === undefined
      ? t('The build stopped: {0}', what)
      : t('The build stopped in line {0}: {1}', source.line, what);
  return new DeployError('build', stopped, {
    hint,
    detail: message,
    ...(source !== undefined && { position: at(dockerfile, source) }),
  });
}

function diskFull(message: string): DeployError | undefined {
  return /no space left on device/i.test(message)
    ? new DeployError('build', t('The disk of the machine that builds is full.'), {
        hint: t('Make room, for example with `docker builder prune`, then try again.'),
        detail: message,
      })
    : undefined;
}

function baseError({ message, dockerfile, instructions }: BuildFailure): DeployError | undefined {
  if (message.includes('no build stage in current context')) {
    return new DeployError('build', t('The Dockerfile has no FROM line before its other instructions.'), {
      hint: t('Begin it with FROM and the name of a base image.'),
      detail: message,
      position: { file: dockerfile, line: instructions[0]?.line ?? 1, column: 1 },
    });
  }
  const blank = /base name \((.+)\) should not be blank/.exec(message)?.[1];
  const source = instructions.find((it) => blank !== undefined && it.keyword === 'FROM' && it.text.includes(blank));
  if (blank === undefined || source === undefined) {
    return undefined;
  }
  return new DeployError('build', t('The base image in line {0} is empty: {1} has no value.', source.line, blank), {
    hint: t('Give the ARG a default, or a value in "build.args" of bluegreen.json.'),
    detail: message,
    position: at(dockerfile, source),
  });
}

function mentions(instruction: Instruction, file: string): boolean {
  const words = instruction.text.split(/[\s"',[\]]+/).map((word) => word.replace(/^\.?\//, ''));
  return (instruction.keyword === 'COPY' || instruction.keyword === 'ADD') && words.includes(file);
}

/** BuildKit puts the names of its own parts before what went wrong. */
const PREFIX =
  /^(?:failed to solve(?: with frontend \S+)?: |rpc error: code = \w+ desc = |failed to create LLB definition: )+/;

function reason(message: string): string {
  return sentence(message.replace(PREFIX, ''));
}

/** Steps that were stopped because another one failed. */
function isCancelled(error: string): boolean {
  return error === '' || /context canceled|^canceled/i.test(error);
}

function at(file: string, instruction: Instruction): SourcePosition {
  return { file, line: instruction.line, column: 1 };
}

const MAX_SHOWN = 80;

function abbreviate(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN - 1)}…`;
}
