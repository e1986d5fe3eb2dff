import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { formatNumber, t } from '../l10n';
import { DeployError, throwIfCancelled, toDeployError } from '../model';
import { buildError } from './buildError';
import { BuildLog } from './buildLog';
import { secretHider } from './buildSecrets';
import { type BuildEvents, type BuildSpec, type LogLevel, SILENCE_LIMIT_MS, silenceLimit } from './buildSpec';
import { readTrace, type Vertex } from './buildkitTrace';
import { buildWithDockerCommand, CommandMissingError, gainsByDockerCommand, needsDockerCommand } from './cliBuild';
import { contextArchive, ContextCount, type ContextRequest } from './context';
import { parseDockerfile, syntaxImage } from './dockerfile';
import { readIgnoreRules } from './dockerignore';
import { compareVersions, type DockerEngine } from './engine';
import { DockerError } from './errors';
import { jsonLines, lineError, object, text } from './json';
import type { StallLimit } from './limits';

/**
 * Builds an image with the engine's BuildKit and returns its id or name. The context is sent while it is read. Aborting the
 * signal ends the build, a RUN that is under way included.
 * @throws DeployError 'build', with the Dockerfile's line where it is known; 'config' when the Dockerfile or the
 * context is not there; 'cancelled'.
 */
export async function buildImage(
  engine: DockerEngine,
  spec: BuildSpec,
  events: BuildEvents,
  signal: AbortSignal,
): Promise<string> {
  throwIfCancelled(signal);
  refuseBrokenBuilder(engine);
  const source = await readSource(spec);
  const hide = secretHider(spec.args);
  const hidden = (message: string, failed: readonly Vertex[]) => ({
    message: hide(message),
    failed: failed.map((vertex) => ({ ...vertex, error: hide(vertex.error) })),
  });
  let foreignProgram = false;
  const say = (line: string, level: LogLevel): void => {
    foreignProgram ||= FOREIGN_PROGRAM.test(line);
    events.log(hide(line), level);
  };
  const refuseForeignProgram = (message: string): void => {
    if (foreignProgram || FOREIGN_PROGRAM.test(message)) {
      throw foreignPlatform(engine, spec.platform ?? engine.info.platform);
    }
  };
  const instructions = parseDockerfile(source.content);
  const described = { dockerfile: spec.dockerfile, instructions, syntax: syntaxImage(source.content) };
  let commandMissing = false;
  const needed = needsDockerCommand(spec, instructions);
  if (needed || (await gainsByDockerCommand(spec, source.content, instructions))) {
    try {
      const failure = await buildWithDockerCommand(engine, spec, instructions, { ...events, log: say }, signal);
      if (failure !== undefined) {
        refuseForeignProgram(failure.message);
        throw buildError({ ...described, ...hidden(failure.message, failure.failed), commandMissing });
      }
      return spec.tag;
    } catch (error) {
      commandMissing = error instanceof CommandMissingError && !needed;
      if (!commandMissing) {
        throw error;
      }
    }
  }
  const log = new BuildLog({ line: say, steps: (done, total) => events.step?.(done, total) });
  const count = new ContextCount();
  const archive = contextArchive(source.request, count);
  // docker-modem destroys the request when the archive fails, and the answer then says only that it broke off.
  let archiveError: Error | undefined;
  archive.once('error', (error) => (archiveError = error));
  archive.once('end', () => tellContext(count, events));
  const stall = silenceLimit(signal);
  try {
    const answer = await engine.stream(buildRequest(spec, source.name, archive), stall.signal, SILENCE_LIMIT_MS);
    const { id, failure } = await readAnswer(answer, log, stall);
    if (failure !== undefined) {
      refuseForeignProgram(failure);
      throw buildError({
        ...described,
        ...hidden(failure, log.failed),
        commandMissing,
      });
    }
    if (id === undefined) {
      throw new DeployError('build', t('The build ended without an image.'), {
        hint: t('Try again; look at the log of Docker if it stays so.'),
      });
    }
    return id;
  } catch (error) {
    throw buildFailure(
      archiveError !== undefined && !stall.signal.aborted ? archiveError : engine.explain(error, stall.signal),
    );
  } finally {
    stall.end();
    archive.destroy();
  }
}

/** A context of this size is seldom meant: bytes. */
const BIG_CONTEXT = 100_000_000;

function tellContext(count: ContextCount, events: BuildEvents): void {
  events.log(t('Sent the build context: {0} files, {1}.', count.files, megabytes(count.bytes)), 'info');
  if (count.bytes > BIG_CONTEXT) {
    const largest = count.largest(3).map(({ name, bytes }) => `${name} (${megabytes(bytes)})`);
    events.log(
      t(
        'The build context is large. Most of it: {0}. Leave out what the image does not need with .dockerignore.',
        largest.join(', '),
      ),
      'warning',
    );
  }
}

/** DockerErrors become build errors; what is a DeployError already (a lost connection, a cancel) stays what it is. */
function buildFailure(error: Error): DeployError {
  return error instanceof DockerError
    ? new DeployError('build', t('Docker refuses to build: {0}', error.message), { cause: error })
    : toDeployError(error, 'build');
}

/** The kernel's words for a program of another processor. */
const FOREIGN_PROGRAM = /exec format error/;

/** A RUN step needs a processor of its platform, or an emulator of one. */
function foreignPlatform(engine: DockerEngine, platform: string): DeployError {
  const architecture = platform.replace(/^[^/]*\//, '');
  return new DeployError('build', t('Docker on {0} cannot run programs for {1}.', engine.description, platform), {
    hint: t(
      'Nothing was sent. Let it emulate that platform (`docker run --privileged --rm tonistiigi/binfmt --install {0}`), or build on the host itself: "transfer": "host" in bluegreen.json.',
      architecture,
    ),
  });
}

/** Before 27.5, BuildKit over containerd's store cannot be given a context as an archive (moby issue 47717). */
function refuseBrokenBuilder(engine: DockerEngine): void {
  const { store, version } = engine.info;
  if (store === 'containerd' && compareVersions(version, '27.5') < 0) {
    throw new DeployError(
      'build',
      t('Docker {0} on {1} cannot build while it keeps images in containerd.', version, engine.description),
      {
        hint: t('Update Docker to 27.5 or newer, or turn "containerd image store" off in its settings.'),
      },
    );
  }
}

interface Source {
  readonly content: string;
  /** The Dockerfile's name in the archive. */
  readonly name: string;
  readonly request: ContextRequest;
}

async function readSource(spec: BuildSpec): Promise<Source> {
  const content = await readDockerfile(spec.dockerfile);
  const folder = await stat(spec.context).catch(() => undefined);
  if (folder?.isDirectory() !== true) {
    throw new DeployError('config', t('The build context {0} is not a folder.', spec.context), {
      hint: t('Check "build.context" in bluegreen.json.'),
    });
  }
  const rules = await readIgnoreRules(spec.context, spec.dockerfile);
  const relative = path.relative(spec.context, spec.dockerfile);
  const outside = relative.startsWith('..') || path.isAbsolute(relative);
  // Named so that it meets no file of the context, as the docker command does it.
  const name = outside ? `.dockerfile.${randomBytes(8).toString('hex')}` : relative.split(path.sep).join('/');
  return {
    content: content.toString(),
    name,
    request: {
      folder: spec.context,
      rules,
      always: outside ? [] : [name],
      extra: outside ? new Map([[name, content]]) : new Map(),
    },
  };
}

async function readDockerfile(file: string): Promise<Buffer> {
  let content: Buffer;
  try {
    content = await readFile(file);
  } catch (error) {
    throw new DeployError('config', t('There is no Dockerfile at {0}.', file), {
      hint: t('Create one, or name it with --dockerfile or "build.dockerfile" in bluegreen.json.'),
      cause: error,
    });
  }
  if (content.toString().trim() === '') {
    throw new DeployError('build', t('The Dockerfile is empty.'), {
      hint: t('It begins with a FROM line.'),
      position: { file, line: 1, column: 1 },
    });
  }
  return content;
}

function buildRequest(spec: BuildSpec, dockerfile: string, body: Readable): Parameters<DockerEngine['stream']>[0] {
  return {
    method: 'POST',
    path: '/build',
    query: {
      // BuildKit; version 1 is the builder of old.
      version: '2',
      dockerfile,
      t: spec.tag,
      buildargs: JSON.stringify(spec.args),
      labels: JSON.stringify(spec.labels),
      target: spec.target,
      platform: spec.platform,
    },
    headers: { 'Content-Type': 'application/x-tar' },
    body,
  };
}

async function readAnswer(
  answer: Readable,
  log: BuildLog,
  stall: StallLimit,
): Promise<{ id: string | undefined; failure: string | undefined }> {
  let id: string | undefined;
  let failure: string | undefined;
  for await (const line of jsonLines(answer)) {
    stall.alive();
    failure ??= lineError(line);
    if (line['id'] === 'moby.buildkit.trace') {
      const trace = readTrace(line['aux']);
      if (trace !== undefined) {
        log.add(trace);
      }
    } else if (line['id'] === 'moby.image.id') {
      id = text(object(line['aux'])['ID']) || id;
    }
  }
  return { id, failure };
}

function megabytes(bytes: number): string {
  return bytes < 100_000 ? t('{0} KB', Math.ceil(bytes / 1000)) : t('{0} MB', formatNumber(bytes / 1e6, 1));
}
