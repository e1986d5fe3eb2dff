/**
 * Going live with what the host has already: the kept slot is started if need be, probed, switched to and drained.
 * Nothing is built and nothing is sent, so that neither the project nor its images are needed here.
 */
import { hostLabel } from '../hostNames';
import { t } from '../l10n';
import {
  DeployError,
  type DeployResult,
  type Emit,
  LABEL,
  otherSlot,
  type ServiceConfig,
  type SlotName,
} from '../model';
import { conduct } from './conduct';
import type { Run } from './context';
import { goLive } from './deploy';
import { entries } from './findings';
import { type Host, noSuchService } from './host';
import { mendStoppedProxy } from './mend';
import { isCandidate, type ServiceView } from './observe';
import type { Patience } from './patience';
import { bareService, serviceFromContainer } from './release';
import { settle, lookAtService } from './settle';
import { proxyStage } from './stages/proxy';
import { type KeptSlot, startKept } from './stages/start';

export interface SwitchRequest {
  readonly service: string;
  readonly host: Host;
  /** The service as the project describes it: used only for a kept slot that another tool made. */
  readonly config?: ServiceConfig;
  /** The slot that is to be live. Default: the one that is not. */
  readonly to?: SlotName;
  readonly person: string;
  /** Where somebody watches who may want to wait for longer. */
  readonly patience?: Patience;
}

/** Goes back to the release that was kept. Never rejects; the last event is the result. */
export function rollback(request: Omit<SwitchRequest, 'to'>, emit: Emit, signal: AbortSignal): Promise<DeployResult> {
  return switchSlot(request, emit, signal);
}

/** Makes the idle slot live, or the one that is named. Never rejects; the last event is the result. */
export function switchSlot(request: SwitchRequest, emit: Emit, signal: AbortSignal): Promise<DeployResult> {
  const { host, person, patience } = request;
  const service = request.config ?? bareService(request.service);
  return conduct({ service, host, person, patience }, emit, signal, async (run) => {
    await run.during('plan', async () => {
      const view = await lookAtService(run);
      run.live = view.live;
      const kept = slotToSwitchTo(run, view, request.to);
      run.service = serviceFromContainer(request.service, kept.container)?.service ?? service;
    });
    run.skip('build', t('Nothing to build: the kept slot is used.'));
    run.skip('transfer', t('Nothing to send: the kept slot is used.'));
    const proxy = await run.during('proxy', async () => {
      await mendStoppedProxy(run);
      return proxyStage(run, host.engine);
    });
    const { filled, view } = await run.during('start', async () => {
      const settled = await settle(run, proxy, proxy.seen);
      const kept = slotToSwitchTo(run, settled, request.to);
      run.live = settled.live;
      return { filled: await startKept(run, kept), view: settled };
    });
    await goLive(run, proxy, filled, view, [host.engine]);
    return filled.container.labels[LABEL.release];
  });
}

/** The container to make live. One that has never been live is none; what stands aside for it is. */
function slotToSwitchTo({ host }: Run, view: ServiceView, wanted: SlotName | undefined): KeptSlot {
  const { service, live, served } = view;
  const kept = new Map(entries(view.slots).filter(([slot]) => !isCandidate(view, slot)));
  for (const [slot, container] of entries(view.aside).filter(([name]) => name !== served?.slot)) {
    kept.set(slot, container);
  }
  if (kept.size === 0) {
    throw noSuchService(host, service);
  }
  if (wanted !== undefined && wanted === live) {
    throw new DeployError('usage', t('{0} {1} is live on {2} already.', service, wanted, hostLabel(host.name)));
  }
  const slot = wanted ?? (served === undefined ? [...kept.keys()][0] : otherSlot(served.slot));
  const container = slot === undefined ? undefined : kept.get(slot);
  if (slot === undefined || container === undefined) {
    throw new DeployError('not-found', t('No earlier release of {0} is kept on {1}.', service, hostLabel(host.name)), {
      hint: t('A release is kept when the next one goes live, unless "retire.old" is "remove".'),
    });
  }
  return { slot, container };
}
