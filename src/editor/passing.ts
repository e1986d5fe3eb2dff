import type { ErrorCode } from '../model';
import type { KnownHost } from './treeRows';

/** What passes by itself: a host that restarts, its engine, a network that was away. Nobody has to be asked anything. */
export const PASSING: ReadonlySet<ErrorCode> = new Set(['host-unreachable', 'docker-unreachable']);

/** Whether only a person can bring the host back. Whoever has dismissed its question is not to be asked it unbidden. */
export function wantsPerson(view: KnownHost): boolean {
  return view.kind === 'offline' && !PASSING.has(view.error.code);
}
