import type Docker from 'dockerode';
import { lastLines } from './command';
import { timed, type Log } from './log';

/** One line of the engine's progress answers to build, pull, import and load. */
interface ProgressLine {
  readonly stream?: string;
  readonly status?: string;
  readonly errorDetail?: { readonly message?: string };
}

/** Reads a progress answer to its end. Rejects with the engine's error and the last lines it wrote. */
export async function finished(docker: Docker, answer: NodeJS.ReadableStream): Promise<void> {
  const lines = await new Promise<ProgressLine[]>((resolve, reject) => {
    docker.modem.followProgress(answer, (error: Error | null, output: ProgressLine[]) => {
      if (error === null) resolve(output);
      else reject(error);
    });
  });
  const failure = lines.find((line) => line.errorDetail !== undefined)?.errorDetail?.message;
  if (failure === undefined) return;
  const said = lines.map((line) => line.stream ?? (line.status === undefined ? '' : `${line.status}\n`)).join('');
  throw new Error(`${failure}\n${lastLines(said, 20)}`);
}

/** True when the engine has an image of this name. */
export async function hasImage(docker: Docker, name: string): Promise<boolean> {
  return (await imageLabels(docker, name)) !== undefined;
}

/** An image's labels, or undefined when the engine has no such image. */
export async function imageLabels(docker: Docker, name: string): Promise<Record<string, string> | undefined> {
  try {
    const { Config: config } = await docker.getImage(name).inspect();
    // Images made by `import` may have no configuration of their own.
    return (config as typeof config | null)?.Labels ?? {};
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** True for the engine's answer that a thing does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'statusCode' in error && error.statusCode === 404;
}

let registryAnswers: Promise<boolean> | undefined;

/** Pulls an image; false when no registry answers, which the first attempt of the process finds out. */
export async function tryPull(docker: Docker, name: string, log: Log): Promise<boolean> {
  if (registryAnswers === undefined) {
    registryAnswers = pull(docker, name, log);
    return registryAnswers;
  }
  return (await registryAnswers) && pull(docker, name, log);
}

async function pull(docker: Docker, name: string, log: Log): Promise<boolean> {
  try {
    await timed(log, `pulling ${name}`, async () => finished(docker, await docker.pull(name)));
    return true;
  } catch (error) {
    log(`lab: no registry: ${error instanceof Error ? error.message.trim() : String(error)}`);
    return false;
  }
}
