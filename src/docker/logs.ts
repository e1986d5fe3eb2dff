import type { DockerEngine } from './engine';
import { object } from './json';
import { demultiplex, LineCutter, type OutputStream } from './multiplex';

/** Characters of one line; what is beyond is left out. */
const MAX_LINE = 8192;
/** Limit for the lines that go with a failure, in milliseconds. */
const LAST_LINES_LIMIT_MS = 10_000;

export interface LogOptions {
  /** Lines from the end; all when undefined. */
  readonly tail?: number;
  readonly follow: boolean;
  /** Milliseconds since the epoch. */
  readonly since?: number;
}

export interface LogLine {
  readonly stream: OutputStream;
  /** When Docker read the line, in its own form: `2025-01-01T10:00:00.123456789Z`. */
  readonly time: string;
  readonly text: string;
}

/**
 * The lines a container wrote, as they come. Ends when the container stops, also with `follow`: the caller decides
 * whether to ask again. Breaking off the loop ends the request.
 */
export async function* containerLogs(
  engine: DockerEngine,
  id: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const name = encodeURIComponent(id);
  const details = object(
    await engine.call<unknown>((docker, abortSignal) => docker.getContainer(name).inspect({ abortSignal }), signal),
  );
  const tty = object(details['Config'])['Tty'] === true;
  const stream = await engine.stream(
    {
      method: 'GET',
      path: `/containers/${name}/logs`,
      query: {
        stdout: true,
        stderr: true,
        timestamps: true,
        follow: options.follow,
        tail: options.tail === undefined ? 'all' : String(options.tail),
        since: options.since === undefined ? undefined : (options.since / 1000).toFixed(3),
      },
    },
    signal,
  );
  const cutters = { stdout: new LineCutter(MAX_LINE), stderr: new LineCutter(MAX_LINE) };
  try {
    for await (const { stream: from, data } of demultiplex(stream, tty)) {
      for (const line of cutters[from].push(data)) {
        yield readLine(from, line);
      }
    }
    for (const from of ['stdout', 'stderr'] as const) {
      for (const line of cutters[from].end()) {
        yield readLine(from, line);
      }
    }
  } catch (error) {
    throw engine.explain(error, signal);
  } finally {
    stream.destroy();
  }
}

/** The last `count` lines of a container's output, oldest first, without times. */
export async function lastLines(
  engine: DockerEngine,
  id: string,
  count: number,
  signal: AbortSignal,
): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of containerLogs(engine, id, { tail: count, follow: false }, signal)) {
    lines.push(line.text);
  }
  return lines.slice(-count);
}

/**
 * The last lines of a container that go with a failure, with a limit of their own. None where they cannot be had, as with
 * Docker's log driver `none`: the failure is what has to be told.
 */
export async function lastLinesIfAny(engine: DockerEngine, id: string, count: number): Promise<string[]> {
  try {
    return await lastLines(engine, id, count, AbortSignal.timeout(LAST_LINES_LIMIT_MS));
  } catch {
    return [];
  }
}

function readLine(stream: OutputStream, line: string): LogLine {
  const space = line.indexOf(' ');
  return space < 0
    ? { stream, time: line, text: '' }
    : { stream, time: line.slice(0, space), text: line.slice(space + 1) };
}
