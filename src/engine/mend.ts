import {
  type ContainerDetails,
  inspectContainer,
  readFileInContainer,
  stopContainer,
  writeFileInContainer,
} from '../docker/containers';
import { DockerError } from '../docker/errors';
import { t } from '../l10n';
import { PROXY_CONTAINER, type SlotName, toDeployError } from '../model';
import { confPath, EDITED_SUFFIX, isEdited, readConf, renderConf, renderRoute, tlsLine } from '../nginx/conf';
import { waitForWorkers } from '../nginx/proxy';
import type { Run } from './context';
import { entries } from './findings';
import { isCandidate, type ServiceView } from './observe';
import { portOf, serviceFromContainer } from './release';
import { lookAtService } from './settle';
import { startSlot } from './stages/start';

/** Seconds between the stop signal and the end for a proxy that serves nothing. */
const PROXY_GRACE_SECONDS = 5;
/** Milliseconds after which a proxy that was started counts as one that stays up. */
const SETTLED_MS = 15_000;
/** Limit for the first worker of a proxy that was started just now, in milliseconds. */
const WORKERS_LIMIT_MS = 10_000;

/**
 * Takes away what keeps a proxy that does not run from running: a slot that its file names and that is not there, and a
 * file of ours that is not as we wrote it. The file is written into the stopped container; a copy stays beside it.
 */
export async function mendStoppedProxy(run: Run): Promise<void> {
  const { engine, signal } = run;
  const proxy = await inspectContainer(engine, PROXY_CONTAINER, signal);
  if (proxy === undefined || (await staysUp(run, proxy))) {
    return;
  }
  const view = await lookAtService(run);
  const path = confPath(run.service.name);
  const text = await readFileInContainer(engine, proxy.id, path, signal);
  const named = text === undefined ? undefined : readConf(text).find((it) => it.service === run.service.name);
  const slot = named !== undefined && view.slots[named.slot] !== undefined ? named.slot : slotToServe(view);
  const container = slot === undefined ? undefined : view.slots[slot];
  if (slot === undefined || container === undefined) {
    return;
  }
  const service = serviceFromContainer(run.service.name, container)?.service ?? run.service;
  const port = portOf(service, container);
  if (!container.running) {
    await startSlot(run, container.id, slot, port);
    run.note(t('Started {0}.', container.name));
  }
  // A proxy that was stopped in order starts with what somebody changed by hand.
  const failed = proxy.restartCount > 0 || proxy.exitCode !== 0;
  const mayBeReplaced = text !== undefined && tlsLine(text) === undefined && (named === undefined || isEdited(text));
  if (failed && mayBeReplaced) {
    const { deployment } = run;
    // The version is not known while it does not run: with none, the files say nothing that an old nginx refuses.
    const input = { service: service.name, slot, deployment, port, route: service.route, nginxVersion: '0.0.0' };
    await writeFileInContainer(engine, proxy.id, `${path}${EDITED_SUFFIX}`, text, signal);
    for (const file of [{ path, text: renderConf(input) }, ...renderRoute(input)]) {
      await writeFileInContainer(engine, proxy.id, file.path, file.text, signal);
    }
    run.note(t('Wrote {0} anew. What was in it is beside it as {1}.', path, `${path}${EDITED_SUFFIX}`));
  }
  await stopContainer(engine, proxy.id, PROXY_GRACE_SECONDS, signal);
}

/** One that ends again and again runs for a moment each time, and never has a worker. */
async function staysUp({ engine, signal }: Run, proxy: ContainerDetails): Promise<boolean> {
  if (proxy.state !== 'running') {
    return proxy.state === 'paused';
  }
  if (Date.now() + engine.info.clockAheadMs - proxy.startedAt > SETTLED_MS) {
    return true;
  }
  try {
    await waitForWorkers(engine, proxy.id, WORKERS_LIMIT_MS, signal);
    return true;
  } catch (error) {
    if (error instanceof DockerError || toDeployError(error).code === 'proxy') {
      return false;
    }
    throw error;
  }
}

/**
 * The slot that nginx serves, as long as its container is there; else the one that was live before nginx lost its file:
 * the one that runs, and of two the one that was started last.
 */
export function slotToServe(view: ServiceView): SlotName | undefined {
  if (view.served !== undefined && view.slots[view.served.slot] !== undefined) {
    return view.served.slot;
  }
  const [best] = entries(view.slots)
    .filter(([name]) => !isCandidate(view, name))
    .sort(([, a], [, b]) => Number(b.running) - Number(a.running) || b.startedAt - a.startedAt);
  return best?.[0];
}
