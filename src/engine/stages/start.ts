import {
  type ContainerDetails,
  createContainer,
  inspectContainer,
  lastLinesIfAny,
  removeContainer,
  renameContainer,
  setRestartPolicy,
  startContainer,
  stopContainer,
} from '../../docker/containers';
import { t } from '../../l10n';
import {
  DeployError,
  GATEWAY_NETWORK,
  LABEL,
  type Plan,
  otherSlot,
  type ServiceConfig,
  slotContainer,
  type SlotName,
  throwIfCancelled,
  toDeployError,
} from '../../model';
import type { FilledSlot, ReadyProxy, Run } from '../context';
import { asideContainer, type ServiceView } from '../observe';
import { describeService, portOf } from '../release';
import type { BuiltImage } from './build';
import { drainSlot, untilTimeout } from './drain';

/** Limit for taking back what this stage did, beyond the container's own grace time, in seconds. */
const UNDO_GRACE_SECONDS = 2;

/**
 * Creates and starts the idle slot's container. What stood in that slot (the release to roll back to) steps aside under
 * another name and comes back if this deployment does not end well.
 */
export async function startStage(
  run: Run,
  proxy: ReadyProxy,
  plan: Plan,
  built: BuiltImage,
  view: ServiceView,
): Promise<FilledSlot> {
  const { engine, service } = run;
  // A proxy that was down when the plan was made may turn out to serve the slot that the plan meant to fill.
  const slot = view.served === undefined ? plan.slot : otherSlot(view.served.slot);
  await stepAside(run, proxy, slot, view);
  const id = await createContainer(
    engine,
    {
      name: slotContainer(service.name, slot),
      image: built.reference,
      labels: slotLabels(service, { ...plan, slot }, built.port),
      env: service.run.env,
      ...(service.run.command !== undefined && { command: service.run.command }),
      ...(service.run.user !== undefined && { user: service.run.user }),
      volumes: service.run.volumes,
      network: GATEWAY_NETWORK,
      restart: 'no',
      ...(service.run.memoryBytes !== undefined && { memoryBytes: service.run.memoryBytes }),
      ...(service.run.cpus !== undefined && { cpus: service.run.cpus }),
      extraHosts: service.run.extraHosts,
      stopGraceSeconds: service.retire.graceSeconds,
    },
    run.unbroken(),
  ).catch((error: unknown) => {
    throw notStarted(run, slot, error);
  });
  run.undo.push({
    what: t('container {0}', slotContainer(service.name, slot)),
    run: async (undoSignal) => {
      await stopContainer(engine, id, UNDO_GRACE_SECONDS, undoSignal);
      await removeContainer(engine, id, { force: true }, undoSignal);
    },
  });
  return startSlot(run, id, slot, built.port);
}

/** Starts a slot's container that exists, new or kept. Throws `start` with the container's last lines. */
export async function startSlot(run: Run, id: string, slot: FilledSlot['slot'], port: number): Promise<FilledSlot> {
  const { engine, signal } = run;
  try {
    throwIfCancelled(signal);
    await startContainer(engine, id, run.unbroken());
    throwIfCancelled(signal);
  } catch (error) {
    const lines = signal.aborted ? [] : await lastLinesIfAny(engine, id, 10);
    throw notStarted(run, slot, error, lines.join('\n'));
  }
  const container = await inspectContainer(engine, id, signal);
  if (container === undefined) {
    throw new DeployError('start', t('The container of {0} {1} was removed by somebody else.', run.service.name, slot));
  }
  return { slot, container, port };
}

/** What Docker says against a container, in our words; as it is when the run was cancelled or its host is out of reach. */
function notStarted({ service, signal }: Run, slot: SlotName, error: unknown, detail?: string): DeployError {
  const cause = toDeployError(error);
  return signal.aborted || cause.code !== 'internal'
    ? cause
    : new DeployError(
        'start',
        t('The container of {0} {1} cannot be started: {2}', service.name, slot, cause.message),
        {
          hint: t('Check "run" in bluegreen.json and the command of the image.'),
          ...(detail !== undefined && { detail }),
          cause,
        },
      );
}

/** A slot whose container exists. */
export interface KeptSlot {
  readonly slot: SlotName;
  readonly container: ContainerDetails;
}

/** Starts a slot that was kept, and stops it again if the run does not end well. */
export async function startKept(run: Run, { slot, container }: KeptSlot): Promise<FilledSlot> {
  if (!container.running) {
    run.undo.push({
      what: t('the start of {0}', container.name),
      run: (undoSignal) => stopContainer(run.engine, container.id, run.service.retire.graceSeconds, undoSignal),
    });
  }
  return startSlot(run, container.id, slot, portOf(run.service, container));
}

/**
 * Has Docker start a slot again whenever it ends or the host restarts, unless somebody stopped it. Not before it has
 * proven itself: an app that ends at once is seen with its exit code, and does not go on crashing when this program is
 * gone.
 */
export async function restartFromNowOn(run: Run, filled: FilledSlot): Promise<void> {
  await setRestartPolicy(run.engine, filled.container.id, 'unless-stopped', run.unbroken());
}

async function stepAside(run: Run, proxy: ReadyProxy, slot: SlotName, view: ServiceView): Promise<void> {
  const { engine, service, signal } = run;
  const old = view.slots[slot];
  if (old === undefined) {
    return;
  }
  if (old.running) {
    // Left running on purpose ("retire.old": "keep"): somebody may still be connected to it.
    await drainSlot(run, proxy, old, () => undefined, signal, untilTimeout(service));
    run.undo.push({
      what: t('the stop of {0}', old.name),
      run: (undoSignal) => startContainer(engine, old.id, undoSignal),
    });
    await stopContainer(engine, old.id, service.retire.graceSeconds, signal);
  }
  await renameContainer(engine, old.id, asideContainer(service.name, slot), run.unbroken());
  run.undo.push({
    what: t('the previous container of {0}', slot),
    run: (undoSignal) => renameContainer(engine, old.id, old.name, undoSignal),
  });
}

function slotLabels(service: ServiceConfig, plan: Plan, port: number): Record<string, string> {
  return {
    [LABEL.service]: service.name,
    [LABEL.slot]: plan.slot,
    [LABEL.deployment]: plan.deployment,
    [LABEL.release]: plan.release,
    ...(plan.commit !== undefined && { [LABEL.commit]: plan.commit }),
    [LABEL.person]: plan.person,
    [LABEL.time]: new Date().toISOString(),
    [LABEL.config]: JSON.stringify(describeService(service, port)),
  };
}
