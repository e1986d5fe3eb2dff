import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { DockerEngine } from './engine';
import { DockerError } from './errors';
import { number, object, text } from './json';
import { onAbort, withLimit } from './limits';
import { demultiplex } from './multiplex';
import { inSeconds, t } from '../l10n';

/** Output of one command beyond this many bytes is a mistake, not a result. */
const MAX_OUTPUT = 16 * 1024 * 1024;
/** Milliseconds between two questions whether a command whose output has ended has ended as well. */
const ASK_AGAIN_MS = 10;

export interface ExecOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until the command must have ended. It runs on in the container when it has not. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command in a running container. A command that fails is a result, not an error; one whose program is not in
 * the image ends with 126 or 127.
 * @throws DockerError when the container does not run (`isConflict`) or is not there (`isNotFound`), and when the limit
 * passes. The command itself runs on then, and also when the signal is aborted.
 */
export async function execInContainer(
  engine: DockerEngine,
  id: string,
  argv: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  return withLimit((signal) => run(engine, id, argv, options, signal), {
    signal: options.signal,
    limitMs: options.timeoutMs,
    engine: engine.description,
    late: () => t('{0} in the container did not end within {1}.', argv[0] ?? 'sh', inSeconds(options.timeoutMs)),
  });
}

async function run(
  engine: DockerEngine,
  id: string,
  argv: readonly string[],
  options: ExecOptions,
  signal: AbortSignal,
): Promise<ExecResult> {
  const created = await engine.call(
    (docker, abortSignal) =>
      docker.getContainer(encodeURIComponent(id)).exec({
        Cmd: [...argv],
        Env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
        abortSignal,
      }),
    signal,
    options.timeoutMs,
  );
  const stream = await engine.callLong(
    (docker, abortSignal) => docker.getExec(created.id).start({ hijack: true, Tty: false, abortSignal }),
    signal,
    options.timeoutMs,
  );
  // Whoever reads it sees the error all the same.
  stream.on('error', () => undefined);
  const release = onAbort(signal, () => stream.destroy(signal.reason as Error));
  try {
    const output = await collect(stream);
    return { ...output, exitCode: await exitCode(engine, created.id, signal) };
  } catch (error) {
    throw engine.explain(error, signal);
  } finally {
    release();
    stream.end();
    stream.destroy();
  }
}

async function collect(stream: Duplex): Promise<{ stdout: string; stderr: string }> {
  const chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  let size = 0;
  for await (const { stream: name, data } of demultiplex(stream, false)) {
    size += data.length;
    if (size > MAX_OUTPUT) {
      throw new DockerError(t('A command in the container wrote more than {0} MB.', MAX_OUTPUT / 1024 / 1024));
    }
    chunks[name].push(data);
  }
  return { stdout: Buffer.concat(chunks.stdout).toString(), stderr: Buffer.concat(chunks.stderr).toString() };
}

/** The end of the output may be seen before Docker has written down the end of the command. */
async function exitCode(engine: DockerEngine, exec: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    const state = object(
      await engine.call<unknown>((docker, abortSignal) => docker.getExec(exec).inspect({ abortSignal }), signal),
    );
    if (text(state['ID']) === '') {
      throw new DockerError(t('Docker does not know how the command in the container ended.'));
    }
    if (state['Running'] !== true) {
      return number(state['ExitCode']);
    }
    await delay(ASK_AGAIN_MS, undefined, { signal });
  }
}
