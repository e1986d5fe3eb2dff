import type { Host } from '../engine/host';
import type { Questions } from '../model';
import type { HostCommand } from './arguments';
import type { Output } from './output';

/** What a command runs with. */
export interface Session {
  readonly output: Output;
  readonly questions: Questions;
  readonly signal: AbortSignal;
  /** Folder the program was called in. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What the command turns out to be about; a failure's JSON names it. */
  readonly subject: { service?: string; host?: string };
}

/** Opens a host for as long as `work` takes. The engine is loaded here, so that help and usage errors come at once. */
export async function withHost<T>(
  session: Session,
  command: HostCommand,
  name: string,
  work: (host: Host) => Promise<T>,
): Promise<T> {
  session.subject.host = name;
  const { sshConfigFile, knownHostsFile, identityFiles } = command;
  const { openHost } = await import('../engine/host');
  const options = {
    ...(sshConfigFile === undefined ? {} : { sshConfigFile }),
    ...(knownHostsFile === undefined ? {} : { knownHostsFile }),
    ...(identityFiles.length === 0 ? {} : { identityFiles }),
  };
  const host = await openHost(name, options, session.questions, session.signal);
  try {
    return await work(host);
  } finally {
    host.close();
  }
}
