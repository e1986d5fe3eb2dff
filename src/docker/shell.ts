import type { Duplex } from 'node:stream';
import type { DockerEngine } from './engine';

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A shell in a container, on a terminal of its own. */
export interface Shell {
  /** Bytes to and from the terminal. Its end is the end of the shell; destroying it leaves the shell without a reader. */
  readonly stream: Duplex;
  resize(size: TerminalSize): Promise<void>;
}

/** Prefers bash where the image has one. */
const SHELL_COMMAND = ['/bin/sh', '-c', 'command -v bash >/dev/null && exec bash || exec sh'];

/** Opens a shell in a running container. @throws DockerError when it does not run, or has no shell. */
export async function openShell(
  engine: DockerEngine,
  id: string,
  size: TerminalSize,
  signal: AbortSignal,
): Promise<Shell> {
  const exec = await engine.callLong(
    (docker, abortSignal) =>
      docker.getContainer(encodeURIComponent(id)).exec({
        Cmd: SHELL_COMMAND,
        Env: ['TERM=xterm-256color'],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: true,
        abortSignal,
      }),
    signal,
  );
  const stream = await engine.callLong(
    (docker, abortSignal) => docker.getExec(exec.id).start({ hijack: true, stdin: true, Tty: true, abortSignal }),
    signal,
  );
  const resize = async ({ columns, rows }: TerminalSize): Promise<void> => {
    await engine.call(
      (docker, abortSignal) => docker.getExec(exec.id).resize({ h: rows, w: columns, abortSignal }),
      signal,
    );
  };
  await resize(size);
  return { stream, resize };
}
