import { containerLogs } from '../docker/containers';
import { hostLabel } from '../hostNames';
import { t } from '../l10n';
import { DeployError, type SlotName, slotContainer } from '../model';
import type { Host } from './host';
import { viewHost } from './observe';

export interface LogLine {
  readonly slot: SlotName;
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339, as the engine wrote it. */
  readonly time: string;
  readonly text: string;
}

/** The last `tail` lines of a slot, the live one unless another is named, and what follows if asked for. */
export async function* serviceLogs(
  host: Host,
  service: string,
  options: { readonly slot?: SlotName; readonly tail: number; readonly follow: boolean },
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const { services } = await viewHost(host.engine, signal, service);
  const view = services[0];
  const slot = options.slot ?? view?.live ?? (view?.slots.BLUE !== undefined ? 'BLUE' : 'GREEN');
  const container = view?.slots[slot];
  if (container === undefined) {
    throw new DeployError(
      'not-found',
      t('There is no {0} on {1}.', slotContainer(service, slot), hostLabel(host.name)),
      {
        hint: t('See what is there: blue-green status.'),
      },
    );
  }
  const { tail, follow } = options;
  for await (const line of containerLogs(host.engine, container.id, { tail, follow }, signal)) {
    yield { slot, ...line };
  }
}
