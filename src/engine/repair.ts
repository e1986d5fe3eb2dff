/**
 * Repairs a host: every state that has a name and needs no person is brought back to one that needs none, without
 * touching a slot that serves. A deployment does the same for its own service on its way.
 */
import { setRestartPolicy } from '../docker/containers';
import { connectToNetwork } from '../docker/networks';
import { t } from '../l10n';
import {
  type DeployEvent,
  type Finding,
  GATEWAY_NETWORK,
  type HostState,
  type ServiceState,
  toDeployError,
} from '../model';
import { namesFileOf, readConf } from '../nginx/conf';
import { cleanProxy, confOf, examineProxy, lookAtProxy, missingFile, sharedByHand, tlsInTheWay } from '../nginx/proxy';
import { type ReadyProxy, Run } from './context';
import { entries } from './findings';
import { type Host, noSuchService } from './host';
import { newDeploymentId } from './identity';
import { type OnLockNote, withLock } from './lock';
import { observeHost } from './hostState';
import { type ServiceView, viewBehind, viewHost } from './observe';
import { mendStoppedProxy, slotToServe } from './mend';
import { bareService, serviceFromContainer } from './release';
import { lookAtService, removeTemporaryImages, settle } from './settle';
import { probeStage } from './stages/probe';
import { proxyStage } from './stages/proxy';
import { startKept } from './stages/start';
import { mustKeepWhatIsByHand, reloadAsItIs, switchStage } from './stages/switch';

/** A finding, and the service it is about; undefined for the host itself. */
export interface LeftFinding extends Finding {
  readonly service: string | undefined;
}

export interface RepairReport {
  /** What was done, a sentence each; a wait for somebody else is none. */
  readonly repaired: readonly string[];
  /** What could not be done for a service, a sentence each. */
  readonly failed: readonly string[];
  /** What is unusual still. */
  readonly left: readonly LeftFinding[];
}

/**
 * Repairs one service, or everything on the host. A service that is being deployed right now is left alone, which is
 * said. `onNote` is told of each step. Throws `not-found` for a service that is not there, and when the host cannot be
 * observed or the signal is aborted.
 */
export async function repairHost(
  host: Host,
  person: string,
  onNote: (text: string) => void,
  signal: AbortSignal,
  only?: string,
): Promise<RepairReport> {
  const before = await observeHost(host, signal);
  const repaired: string[] = [];
  const note = (text: string): void => {
    repaired.push(text);
    onNote(text);
  };
  const chosen = before.services.filter(({ name }) => only === undefined || only === name);
  if (only !== undefined && chosen.length === 0) {
    throw noSuchService(host, only);
  }
  // A lock may be that of a deployment which has just been killed: whoever takes it sees whether its owner lives.
  const onlyLocked = chosen.filter((service) => !needsRepair(service, before) && isLocked(service));
  const isOnlyLocked = (service: string): boolean => onlyLocked.some(({ name }) => name === service);
  const services = chosen
    .filter((service) => needsRepair(service, before) || isLocked(service))
    .map(({ name }) => name);
  const repairAll = async (services: readonly string[]): Promise<Map<string, string>> => {
    const failures = new Map<string, string>();
    for (const service of services) {
      try {
        await repairService(host, service, person, note, onNote, signal);
      } catch (error) {
        const { code, message } = toDeployError(error);
        if (code === 'cancelled') {
          throw error;
        }
        if (code === 'locked' && isOnlyLocked(service)) {
          onNote(message);
          continue;
        }
        failures.set(service, t('{0}: {1}', service, message));
        onNote(t('{0}: {1}', service, message));
      }
    }
    return failures;
  };
  let failures = await repairAll(services);
  if (failures.size > 0 && services.length > 1) {
    // What kept the proxy from starting may have been the affair of a service that came later.
    failures = await repairAll([...failures.keys()]);
  }
  await cleanShared(host, before, note, signal);
  await removeTemporaryImages(host.engine, note, signal);
  const left = unusual(await observeHost(host, signal));
  return {
    repaired,
    failed: [...failures.values()],
    left: left.filter(({ service }) => only === undefined || service === undefined || service === only),
  };
}

/** Every finding of a host that somebody has to end. */
export function unusual({ findings, services }: HostState): LeftFinding[] {
  return [
    ...findings.map((finding) => ({ ...finding, service: undefined })),
    ...services.flatMap(({ name, findings: own }) => own.map((finding) => ({ ...finding, service: name }))),
  ].filter(({ remedy }) => remedy !== 'nobody');
}

function isLocked({ findings }: ServiceState): boolean {
  return findings.some(({ code }) => code === 'locked');
}

/** What a cut switch left of the files that services share: no service's lock is needed for it. */
async function cleanShared(
  { engine }: Host,
  before: HostState,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const found = before.findings.find(({ code }) => code === 'switch-files');
  const { proxy } = await viewHost(engine, signal);
  if (found !== undefined && proxy?.state === 'running') {
    await cleanProxy(engine, proxy.id, undefined, signal);
    note(t('Removed what a switch that was cut had left.'));
  }
}

/** What is wrong with the proxy is wrong with every service behind it. */
function needsRepair({ findings }: ServiceState, host: HostState): boolean {
  const onProxy = host.findings.filter(({ code }) => code !== 'temporary-images' && code !== 'switch-files');
  return [...findings, ...onProxy].some(({ remedy }) => remedy === 'repair');
}

async function repairService(
  host: Host,
  service: string,
  person: string,
  note: (text: string) => void,
  onNote: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const deployment = newDeploymentId();
  // To look at somebody's lock mends nothing; to take a dead one over does.
  const onLock: OnLockNote = (text, what) => (what === 'took-over' ? note(text) : onNote(text));
  await withLock(host.engine, service, { deployment, person }, onLock, signal, async (lock) => {
    const emit = (event: DeployEvent): void => {
      if (event.type === 'log' && event.source === 'engine') {
        note(event.text);
      }
    };
    const run = new Run(deployment, bareService(service), host, emit, AbortSignal.any([signal, lock.lost]));
    run.lock = lock;
    describeFrom(run, await lookAtService(run));
    await mendStoppedProxy(run);
    const proxy = await proxyStage(run, host.engine);
    const view = await viewBehind(run.engine, proxy.seen, service, run.signal);
    describeFrom(run, view);
    await connectSlots(run, view);
    await serve(run, proxy, view, note);
    await run.mustHoldLock();
    const settled = await settle(run, proxy, await lookAtProxy(run.engine, proxy.id, [service], run.signal));
    const live = settled.live === undefined ? undefined : settled.slots[settled.live];
    if (live !== undefined && live.restart !== 'unless-stopped' && live.restart !== 'always') {
      await run.mustHoldLock();
      await setRestartPolicy(host.engine, live.id, 'unless-stopped', run.signal);
      note(t('{0} comes back after a restart of the host.', live.name));
    }
  });
}

/** Where the network was removed, the slots have lost it as well. */
async function connectSlots({ engine, signal }: Run, { slots }: ServiceView): Promise<void> {
  for (const [, { id, networks }] of entries(slots)) {
    if (networks[GATEWAY_NETWORK] === undefined) {
      await connectToNetwork(engine, GATEWAY_NETWORK, id, signal);
    }
  }
}

/** What the run knows of its service comes from the slot that is to be served. */
function describeFrom(run: Run, view: ServiceView): void {
  const slot = slotToServe(view);
  const container = slot === undefined ? undefined : view.slots[slot];
  run.service = (container && serviceFromContainer(view.service, container)?.service) ?? run.service;
}

/** Sees to it that nginx serves a slot that runs, and that its file on disk says the same. */
async function serve(run: Run, proxy: ReadyProxy, view: ServiceView, note: (text: string) => void): Promise<void> {
  const slot = slotToServe(view);
  const container = slot === undefined ? undefined : view.slots[slot];
  if (slot === undefined || container === undefined) {
    return;
  }
  const isUp = container.running && container.state === 'running';
  if (view.served?.slot === slot && isUp && (await isOnDisk(run, proxy, view))) {
    return;
  }
  const nginx = proxy.seen;
  const names = readConf(confOf(nginx, view.service)?.text ?? '').find((it) => it.service === view.service);
  // A file that may not be replaced, for what else it serves, stays as it is as long as it names the slot.
  const mayNotBeReplaced = (tlsInTheWay(nginx, view.service) ?? sharedByHand(nginx, view.service)) !== undefined;
  const isLedByHand = names?.slot === slot && mayNotBeReplaced;
  if (!isLedByHand) {
    mustKeepWhatIsByHand(nginx, run.service, slot);
  }
  const filled = await startKept(run, { slot, container });
  if (!isUp) {
    // Of a slot that nginx is led to by hand only that file knows the port.
    if (!isLedByHand) {
      await probeStage(run, proxy, filled);
    }
    note(t('Started {0}.', container.name));
  }
  await (isLedByHand
    ? reloadAsItIs(run, proxy)
    : switchStage(run, proxy, filled, view.live, lookAtProxy(run.engine, proxy.id, [view.service], run.signal)));
  note(t('nginx serves {0}.', container.name));
}

/** True when the file on disk names what the workers serve, and nginx would take it at its next start. */
async function isOnDisk(run: Run, proxy: ReadyProxy, { service, served }: ServiceView): Promise<boolean> {
  const { refusal } = await examineProxy(run.engine, proxy.id, run.signal);
  const conf = confOf(proxy.seen, service);
  const says = conf && readConf(conf.text).find((it) => it.service === service);
  return (
    says !== undefined &&
    missingFile(proxy.seen, service) === undefined &&
    says.slot === served?.slot &&
    says.deployment === served.deployment &&
    !(refusal !== undefined && (refusal.includes(`${conf?.path}:`) || namesFileOf(service, refusal)))
  );
}
