/**
 * A deployment: the stages in their order, and what is taken back when one of them fails. Rollback goes the same way
 * from `probe` on, with a slot that exists already.
 */
import type { ContainerDetails } from '../docker/containers';
import type { DockerEngine } from '../docker/engine';
import { t } from '../l10n';
import { type DeployResult, type Emit, otherSlot, type Plan, type ServiceConfig } from '../model';
import { lookAtProxy } from '../nginx/proxy';
import { conduct } from './conduct';
import type { FilledSlot, ReadyProxy, Run } from './context';
import type { Host } from './host';
import { newDeploymentId } from './identity';
import { mendStoppedProxy } from './mend';
import type { ServiceView } from './observe';
import type { Patience } from './patience';
import { settle } from './settle';
import { buildStage } from './stages/build';
import { countConnections, type Drained, drainStage } from './stages/drain';
import { planStage } from './stages/plan';
import { probeStage } from './stages/probe';
import { proxyStage } from './stages/proxy';
import { retireStage } from './stages/retire';
import { restartFromNowOn, startStage } from './stages/start';
import { switchStage } from './stages/switch';
import { layersText, transferStage } from './stages/transfer';
import { beginTraffic, mustBeServed, trafficToLive, verifyStage } from './stages/verify';
import { describeTraffic } from './traffic';

export interface DeployRequest {
  readonly service: ServiceConfig;
  readonly host: Host;
  /** The engine that builds: the host's own where `buildsOnHost` says so, else this machine's. */
  readonly build: DockerEngine;
  /** Who deploys, as `user@machine`. */
  readonly person: string;
  /** Where somebody watches who may want to wait for longer. */
  readonly patience?: Patience;
  /** The plan that the person has read, if one was to be. What is done is that, or nothing: `plan-changed`. */
  readonly read?: Plan;
}

/** Whether a service is built on the host: the setting says so, or the host is this machine. */
export function buildsOnHost(service: ServiceConfig, host: Pick<Host, 'transport'>): boolean {
  return service.transfer.way === 'host' || host.transport === undefined;
}

/** What a deployment would do. Touches nothing; throws when the host or the Dockerfile cannot be read. */
export async function planDeployment(request: DeployRequest, signal: AbortSignal): Promise<Plan> {
  return (await planStage(request.service, request.host, request.build, request.person, newDeploymentId(), signal))
    .plan;
}

/**
 * Deploys. Never rejects: every failure ends in a result that names the state and the live slot, and the last event is
 * that result. An aborted signal cancels: what was done is taken back until the switch, and left as it is after it.
 */
export function deploy(request: DeployRequest, emit: Emit, signal: AbortSignal): Promise<DeployResult> {
  const { service, host, build, person, patience, read } = request;
  return conduct({ service, host, person, patience }, emit, signal, async (run) => {
    const planned = await run.during('plan', async () => {
      const found = await planStage(service, host, build, person, run.deployment, run.signal, read);
      run.live = found.service.live;
      return found;
    });
    const { plan } = planned;
    run.emit({ type: 'plan', plan });
    for (const warning of plan.warnings) {
      run.note(warning, 'warning');
    }
    const built = await run.during(
      'build',
      () => buildStage(run, build, plan),
      ({ reference }) => reference,
    );
    if (build === host.engine) {
      run.skip('transfer', t('The image was built there.'));
    } else {
      await run.during(
        'transfer',
        () => transferStage(run, build, built),
        (sent) => layersText(sent.sentLayers, sent.skippedLayers),
      );
    }
    const proxy = await run.during('proxy', async () => {
      await mendStoppedProxy(run);
      return proxyStage(run, build);
    });
    const { filled, view } = await run.during('start', async () => {
      const settled = await settle(run, proxy, proxy.seen);
      run.live = settled.live;
      return { filled: await startStage(run, proxy, plan, built, settled), view: settled };
    });
    await goLive(run, proxy, filled, view, [host.engine, build]);
    return plan.release;
  });
}

/**
 * The slot that was live; where nginx served none, as after its proxy was removed, the other one that runs: it was live
 * before that.
 */
function slotToRetire(view: ServiceView, filled: FilledSlot): ContainerDetails | undefined {
  if (view.live !== undefined) {
    return view.slots[view.live];
  }
  const other = view.slots[otherSlot(filled.slot)];
  return other?.running === true ? other : undefined;
}

/** From a container that runs to a slot that serves: probe, switch, verify, drain, retire. */
export async function goLive(
  run: Run,
  proxy: ReadyProxy,
  filled: FilledSlot,
  view: ServiceView,
  engines: readonly DockerEngine[],
): Promise<void> {
  await run.during(
    'probe',
    async () => {
      const tries = await probeStage(run, proxy, filled);
      await restartFromNowOn(run, filled);
      return tries;
    },
    (tries) => (tries === 1 ? t('healthy after 1 try') : t('healthy after {0} tries', tries)),
  );
  const oldSlot = view.live;
  const nginx = lookAtProxy(run.engine, proxy.id, [run.service.name], run.signal);
  // It is heard of when the switch waits for it.
  nginx.catch(() => undefined);
  // Requests are sent before the switch only where something answers them.
  let traffic =
    oldSlot === undefined ? undefined : await trafficToLive(run, proxy, view.served?.deployment === undefined);
  try {
    await run.during('switch', () => switchStage(run, proxy, filled, oldSlot, nginx));
    traffic ??= beginTraffic(run, proxy);
    const watched = traffic;
    await run.during(
      'verify',
      () => verifyStage(run, watched),
      () => describeTraffic(watched.count()),
    );
    const old = slotToRetire(view, filled);
    const drained = await run.during(
      'drain',
      async (): Promise<Drained> =>
        old === undefined ? { connections: 0 } : drainStage(run, proxy, old, () => mustBeServed(run, watched)),
      ({ connections }) => (connections === 0 ? undefined : t('{0} still open', countConnections(connections))),
    );
    await traffic.stop();
    mustBeServed(run, traffic);
    // From here on there is nothing to go back to: the new slot has proven itself.
    run.undo.length = 0;
    await run.during(
      'retire',
      () => retireStage(run, old, drained, engines),
      (text) => text,
    );
  } finally {
    // After a failure nothing waits for requests that hang: what was done is taken back at once.
    traffic?.drop();
  }
}
