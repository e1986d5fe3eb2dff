import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type Docker from 'dockerode';
import type { Outcome } from './command';

/** Runs a program in a container as root and waits for its end. `input` is its standard input. */
export async function execInContainer(
  container: Docker.Container,
  command: readonly string[],
  input?: string | NodeJS.ReadableStream,
): Promise<Outcome> {
  const exec = await container.exec({
    Cmd: [...command],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true });
  const stdout = collector();
  const stderr = collector();
  (container.modem as Docker['modem']).demuxStream(stream, stdout.sink, stderr.sink);
  if (typeof input === 'object') input.pipe(stream);
  else stream.end(input ?? '');
  // The connection stays half open for us to write until we end it as well.
  stream.on('end', () => stream.end());
  await finished(stream, { writable: false });
  const { ExitCode: code } = await exec.inspect();
  return { code: code ?? -1, stdout: stdout.text(), stderr: stderr.text() };
}

function collector(): { sink: Writable; text: () => string } {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { sink, text: () => Buffer.concat(chunks).toString() };
}
