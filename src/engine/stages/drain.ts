import { type ContainerDetails, inspectContainer } from '../../docker/containers';
import { formatNumber, t } from '../../l10n';
import { type DrainChoice, type DrainConfig, GATEWAY_NETWORK, type ServiceConfig } from '../../model';
import { KEEPALIVE_MINIMUM_MS } from '../../nginx/conf';
import { countDraining } from '../../nginx/proxy';
import type { ReadyProxy, Run } from '../context';

/** Longest wait for one count, in milliseconds. Nothing open is counted at once. */
const COUNT_EVERY_MS = 1_000;
/** Milliseconds between two looks at what is left of the wait. */
const LOOK_EVERY_MS = 100;
/** The keep-alive minimum, and a margin on top of it so that nginx's own timer has surely fired. */
const LEAST_MS = KEEPALIVE_MINIMUM_MS + 1_000;

/** The end of a wait that has no other. */
const LONGEST_WAIT_MS = 24 * 60 * 60_000;

/** `1 connection`, `3 connections` */
export function countConnections(count: number): string {
  return count === 1 ? t('1 connection') : t('{0} connections', formatNumber(count));
}

/** As a slot is drained that stands in the way of another run: nobody decided to wait for it without end. */
export function untilTimeout({ drain }: ServiceConfig): DrainConfig {
  return { timeoutMs: drain.timeoutMs, atTimeout: 'cut' };
}

export interface Drained {
  /** Connections to the slot that were still open at the end. */
  readonly connections: number;
}

/** Drains the slot that is no longer live, for as long as the configuration says, or somebody has the patience for. */
export function drainStage(run: Run, proxy: ReadyProxy, slot: ContainerDetails, check: () => void): Promise<Drained> {
  const { timeoutMs, atTimeout } = run.service.drain;
  const given = Math.max(timeoutMs, LEAST_MS);
  const limits = { timeoutMs, atTimeout };
  let secondsSaid = -1;
  const look = (leftMs: number): void => {
    check();
    const seconds = Math.ceil(leftMs / 1000);
    if (atTimeout !== 'wait' && seconds !== secondsSaid) {
      secondsSaid = seconds;
      run.emit({ type: 'wait', stage: 'drain', left: Math.max(0, leftMs), given });
    }
  };
  return run.patience.during(
    () => {
      limits.timeoutMs = Math.max(limits.timeoutMs, LEAST_MS) + given;
      run.note(t('Open connections are waited for as asked: up to {0} s.', Math.round(limits.timeoutMs / 1000)));
    },
    () => drainSlot(run, proxy, slot, look, run.signal, limits),
  );
}

/**
 * Waits until nothing uses a slot any more: either every old worker of nginx is gone, or no connection to the slot is
 * left and the time is over in which an old worker may still pass a request on (an old worker that another service's
 * WebSocket keeps alive does not hold this one up). At most as long as `limits` say, but never less than that time while
 * an old worker is there; what is open then is said. `limits` may change meanwhile. `onLook` is called again and again
 * with the milliseconds that are left; what it throws ends the wait.
 */
export async function drainSlot(
  run: Run,
  proxy: ReadyProxy,
  slot: ContainerDetails,
  onLook: (leftMs: number) => void,
  signal: AbortSignal,
  limits: DrainConfig,
): Promise<Drained> {
  // As it is now: one that was restarted since it was seen has another address.
  const container = await inspectContainer(run.engine, slot.id, signal);
  const address = container?.networks[GATEWAY_NETWORK]?.ipAddress ?? '';
  if (address === '') {
    return { connections: 0 };
  }
  const begin = performance.now();
  let leastMs = 0;
  const leftMs = (): number => Math.max(limits.timeoutMs, leastMs) - (performance.now() - begin);
  const looks = lookEvery(() => onLook(leftMs()));
  const ended = AbortSignal.any([signal, looks.signal]);
  let isSaid = false;
  try {
    for (let waitMs = 0; ; waitMs = COUNT_EVERY_MS) {
      const { connections, leavingWorkers } = await countDraining(run.engine, proxy.id, address, waitMs, ended);
      run.emit({ type: 'drain', connections, oldWorkers: leavingWorkers });
      const elapsed = performance.now() - begin;
      leastMs = leavingWorkers === 0 ? 0 : LEAST_MS;
      if (connections === 0 && elapsed >= leastMs) {
        return { connections };
      }
      if (leftMs() < 0) {
        if (!isSaid) {
          run.note(openText(slot.name, elapsed, connections, limits.atTimeout), 'warning');
          isSaid = true;
        }
        if (limits.atTimeout !== 'wait' || elapsed > LONGEST_WAIT_MS) {
          return { connections };
        }
      }
    }
  } finally {
    looks.end();
  }
}

/** Calls `look` until the end. The signal is aborted with what it throws. */
function lookEvery(look: () => void): { readonly signal: AbortSignal; end(): void } {
  const control = new AbortController();
  const timer = setInterval(() => {
    try {
      look();
    } catch (error) {
      control.abort(error);
    }
  }, LOOK_EVERY_MS);
  return { signal: control.signal, end: () => clearInterval(timer) };
}

function openText(container: string, elapsedMs: number, connections: number, choice: DrainChoice): string {
  const seconds = Math.round(elapsedMs / 1000);
  const open = countConnections(connections);
  switch (choice) {
    case 'cut':
      return t('Still open to {0} after {1} s: {2}, cut now.', container, seconds, open);
    case 'leave':
      return t('Still open to {0} after {1} s: {2}, left to it.', container, seconds, open);
    case 'wait':
      return t('Still open to {0} after {1} s: {2}, waited for.', container, seconds, open);
  }
}
