import { containerLogs } from '../docker/containers';
import { hostLabel } from '../hostNames';
import { t } from '../l10n';
import { DeployError, type SlotName, slotContainer } from '../model';
import { followLogs } from './followLogs';
import type { Host } from './host';
import { slotToServe } from './mend';
import { viewHost } from './observe';

export interface LogLine {
  readonly slot: SlotName;
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339, as the engine wrote it. */
  readonly time: string;
  readonly text: string;
}

/**
 * The last `tail` lines of a slot, the live one unless another is named. `follow`: and what it writes from then on, through
 * stops and deployments, until the signal.
 */
export async function* serviceLogs(
  host: Host,
  service: string,
  options: { readonly slot?: SlotName; readonly tail: number; readonly follow: boolean },
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const { services } = await viewHost(host.engine, signal, service);
  const view = services[0];
  const slot = options.slot ?? (view && slotToServe(view)) ?? 'BLUE';
  const container = view?.slots[slot];
  if (container === undefined) {
    throw new DeployError(
      'not-found',
      t('There is no {0} on {1}.', slotContainer(service, slot), hostLabel(host.name)),
      {
        hint: t('See in the status what is there.'),
      },
    );
  }
  const { tail, follow } = options;
  const lines = follow
    ? followLogs(host, [container.name], tail, signal)
    : containerLogs(host.engine, container.id, { tail, follow }, signal);
  for await (const { stream, time, text } of lines) {
    yield { slot, stream, time, text };
  }
}
