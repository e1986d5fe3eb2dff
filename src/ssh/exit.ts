import type { ClientChannel } from 'ssh2';

/** How a command ended, as the host says it: with a code, or by a signal (`TERM`). */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | undefined;
}

const exits = new WeakMap<ClientChannel, Exit>();

/**
 * Notes how the command of a channel ends. To be called in the very callback that hands the channel out: for a command
 * that is quick, the answer that it was started and the one that it has ended are often read from the line at once.
 */
export function watchExit(channel: ClientChannel): void {
  channel.once('exit', (code: number | null, signal?: string) => exits.set(channel, { code, signal }));
}

/** Undefined while the command runs, and when the host did not say how it ended. */
export function exitOf(channel: ClientChannel): Exit | undefined {
  return exits.get(channel);
}
