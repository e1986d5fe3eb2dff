import { containerEvents } from '../docker/events';
import { PROXY_CONTAINER } from '../model';
import type { Host } from './host';

/**
 * Calls each time that something of ours changes on a host: a slot, what was put aside, a lock, the proxy. Learned from
 * the engine's own events, so that nothing needs to be asked again and again. `sinceMs`, of this machine's clock, is when
 * the host was last looked at: nothing after that is missed. Ends with the connection; throws when that breaks and when
 * the signal is aborted.
 */
export async function watchHost(
  host: Host,
  onChange: () => void,
  signal: AbortSignal,
  sinceMs: number | undefined,
): Promise<void> {
  for await (const { container } of containerEvents(host.engine, signal, sinceMs)) {
    if (container === PROXY_CONTAINER || /_(?:BLUE|GREEN|ASIDE|LOCK)$/.test(container)) {
      onChange();
    }
  }
}
