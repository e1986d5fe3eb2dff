import { type ContainerDetails } from '../../docker/containers';
import { formatNumber, t } from '../../l10n';
import { type DrainChoice, type DrainConfig, GATEWAY_NETWORK } from '../../model';
import { KEEPALIVE_MINIMUM_MS } from '../../nginx/conf';
import { countDraining } from '../../nginx/proxy';
import type { ReadyProxy, Run } from '../context';
import { pause } from '../wait';

/** Milliseconds between two looks. */
const LOOK_EVERY_MS = 250;
/** Counted on top of the keep-alive minimum, so that nginx's own timer has surely fired. */
const MARGIN_MS = 1_000;

/** The end of a wait that has no other. */
const LONGEST_WAIT_MS = 24 * 60 * 60_000;

/** `1 connection`, `3 connections` */
export function countConnections(count: number): string {
  return count === 1 ? t('1 connection') : t('{0} connections', formatNumber(count));
}

export interface Drained {
  /** Connections to the slot that were still open at the end. */
  readonly connections: number;
}

/**
 * Waits until nothing uses a slot any more: either every old worker of nginx is gone, or no connection to the slot is
 * left and the time is over in which an old worker may still pass a request on (an old worker that another service's
 * WebSocket keeps alive does not hold this one up). At most as long as `limits` say, but never less than that time while
 * an old worker is there; what is open then is said.
 * `check` is called at each look.
 */
export async function drainSlot(
  run: Run,
  proxy: ReadyProxy,
  slot: { readonly container: ContainerDetails; readonly port: number },
  check: () => void,
  signal: AbortSignal,
  limits: DrainConfig = run.service.drain,
): Promise<Drained> {
  const address = slot.container.networks[GATEWAY_NETWORK]?.ipAddress ?? '';
  if (address === '') {
    return { connections: 0 };
  }
  const begin = performance.now();
  let isSaid = false;
  for (;;) {
    check();
    const { connections, leavingWorkers } = await countDraining(run.engine, proxy.id, address, slot.port, signal);
    const elapsed = performance.now() - begin;
    run.emit({ type: 'drain', connections, oldWorkers: leavingWorkers });
    const least = leavingWorkers === 0 ? 0 : KEEPALIVE_MINIMUM_MS + MARGIN_MS;
    if (connections === 0 && elapsed >= least) {
      return { connections };
    }
    if (elapsed > Math.max(limits.timeoutMs, least)) {
      if (!isSaid) {
        run.note(openText(slot.container.name, elapsed, connections, limits.atTimeout), 'warning');
        isSaid = true;
      }
      if (limits.atTimeout !== 'wait' || elapsed > LONGEST_WAIT_MS) {
        return { connections };
      }
    }
    await pause(LOOK_EVERY_MS, signal);
  }
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
