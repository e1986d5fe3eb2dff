import type { ErrorCode } from '../model';

/** What passes by itself: a host that restarts, its engine, a network that was away. Nobody has to be asked anything. */
export const PASSING: ReadonlySet<ErrorCode> = new Set(['host-unreachable', 'docker-unreachable']);
