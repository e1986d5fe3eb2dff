/** What commands, panel buttons and message buttons have in common. */
import * as vscode from 'vscode';
import {
  DeployError,
  type HostState,
  type ServiceState,
  SLOT_NAMES,
  slotContainer,
  type SlotName,
  toDeployError,
} from '../model';
import { hostLabel, liveSentence } from '../hostNames';
import { t } from '../l10n';
import type { Parts } from './parts';
import { pickHost, pickOneOf } from './pickHost';
import { openPosition } from './problems';
import { joinSentences } from './runText';
import type { RunRecord } from './runs';
import { siteUrl } from './siteUrl';
import { readTarget, reloadTarget, type Target } from './target';

const LAST_HOST_KEY = 'blueGreen.lastHost';

/** What a host is chosen for. Each remembers its own: who tries on one host does not want to deploy there by habit. */
export type HostPurpose = 'deploy' | 'plan' | 'rollback';

/** Asks for the host and remembers the answer for this workspace, purpose and service. */
export async function chooseHost(
  app: Parts,
  purpose: HostPurpose,
  title: string,
  target: Target,
): Promise<string | undefined> {
  const key = `${LAST_HOST_KEY}:${purpose}:${target.service.name}`;
  const host = await pickHost(title, app.hostList, {
    last: app.memory.get<string>(key),
    configured: target.service.hosts,
  });
  if (host !== undefined) {
    await app.memory.update(key, host);
  }
  return host;
}

/** Does what a plan has shown. The configuration is read again: where it leads to another plan, that is to be read. */
export async function deployAsPlanned(app: Parts, { origin, service, host, snapshot }: RunRecord): Promise<void> {
  if (origin !== undefined) {
    await app.runner.deploy(await reloadTarget(origin, service), host, snapshot?.plan);
  }
}

/** Repeats a run on the same host, with the configuration as it is now. What no plan is read before is asked for. */
export async function repeatRun(app: Parts, run: RunRecord): Promise<void> {
  const { kind, origin, service, host, to } = run;
  if (kind === 'rollback') {
    await rollbackRun(app, run);
  } else if (kind === 'switch') {
    if (to !== undefined && (await confirmSwitch(host, service, to))) {
      await app.runner.switchTo(host, service, to);
    }
  } else if (origin !== undefined) {
    await app.runner[kind](await reloadTarget(origin, service), host);
  }
}

/**
 * Goes back from what a run has made live, after the person was told from what to what: the run may be one of long ago.
 * The configuration helps where it can still be read.
 */
export async function rollbackRun(app: Parts, run: RunRecord): Promise<void> {
  if (await confirmRollback(await serviceOnHost(app, run.host, run.service))) {
    const target = run.origin && (await readTarget(run.origin, run.service).catch(() => undefined));
    await app.runner.rollback(run.host, run.service, target);
  }
}

/** Says what a rollback would do, and asks whether it is to be done. */
export async function confirmRollback({ host, service }: ServiceOnHost): Promise<boolean> {
  const previous = service.slots.find((slot) => !slot.live);
  const goBack = t('Roll Back');
  const answer = await vscode.window.showWarningMessage(
    previous === undefined
      ? t('Roll back {0} on {1}?', service.name, hostLabel(host))
      : t('Roll back {0} on {1} to {2}?', service.name, hostLabel(host), previous.name),
    {
      modal: true,
      detail: [
        previous?.release === undefined ? undefined : t('It runs release {0}.', previous.release),
        t('The kept slot is started, probed and switched to. No request is lost.'),
      ]
        .filter((line) => line !== undefined)
        .join('\n'),
    },
    goBack,
  );
  return answer === goBack;
}

/** Says what a switch would do, and asks whether it is to be done. */
export async function confirmSwitch(host: string, service: string, slot: SlotName): Promise<boolean> {
  const yes = t('Switch');
  const answer = await vscode.window.showWarningMessage(
    t('Switch {0} on {1} to {2}?', service, hostLabel(host), slot),
    { modal: true, detail: t('The kept slot is started, probed and switched to. No request is lost.') },
    yes,
  );
  return answer === yes;
}

/** A service as it is now. Throws `not-found` when the host does not have it. */
export async function serviceOnHost(app: Parts, host: string, name: string): Promise<ServiceOnHost> {
  const service = (await lookAt(app, host)).services.find((it) => it.name === name);
  if (service === undefined) {
    throw new DeployError('not-found', t('{0} is not on {1}.', name, hostLabel(host)));
  }
  return { host, service };
}

/** Opens a service in the browser. */
export async function openSite(app: Parts, host: string, service: string): Promise<void> {
  const state = await lookAt(app, host);
  const found = state.services.find((it) => it.name === service);
  if (found?.live === undefined) {
    throw new DeployError('not-found', liveSentence(service, undefined, host), {
      hint: t('Deploy it first.'),
    });
  }
  const address = await app.hosts.use(host, new AbortController().signal, (open) => Promise.resolve(open.address));
  const url = siteUrl({ route: found.route, ports: state.proxy.ports, address });
  await vscode.env.openExternal(vscode.Uri.parse(url, true));
}

/** Follows a service's log: of one slot, or of both interleaved. */
export function showServiceLogs(app: Parts, host: string, service: string, slot?: SlotName): void {
  const slots = slot === undefined ? SLOT_NAMES : [slot];
  const name = slot === undefined ? service : `${service} ${slot}`;
  app.logs.show(
    host,
    `${name} @ ${hostLabel(host)}`,
    slots.map((it) => slotContainer(service, it)),
  );
}

/** The services of a host as they are now. Throws what makes the host unreachable. */
export async function lookAt(app: Parts, host: string): Promise<HostState> {
  const view = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: t('Blue-Green: looking at {0}…', hostLabel(host)) },
    () => app.hosts.observe(host),
  );
  if (view.kind === 'seen') {
    return view.state;
  }
  throw view.kind === 'offline' ? view.error : new DeployError('internal', t('{0} was not looked at.', host));
}

export interface ServiceOnHost {
  readonly host: string;
  readonly service: ServiceState;
}

/** Asks for one of the known hosts; undefined when dismissed. */
export async function chooseKnownHost(app: Parts, title: string): Promise<string | undefined> {
  const hosts = app.hostList.all();
  if (hosts.length === 0) {
    return pickHost(title, app.hostList, { last: undefined, configured: [] });
  }
  return hosts.length === 1 ? hosts[0] : pickOneOf(hosts, title);
}

/** Asks for a service that is on a host; undefined when dismissed. */
export async function chooseService(
  app: Parts,
  title: string,
  wanted: (service: ServiceState) => boolean,
  none: string,
): Promise<ServiceOnHost | undefined> {
  const host = await chooseKnownHost(app, title);
  if (host === undefined) {
    return undefined;
  }
  const services = (await lookAt(app, host)).services.filter(wanted);
  const [only] = services;
  if (only === undefined) {
    throw new DeployError('not-found', none, { hint: t('Looked at: {0}.', hostLabel(host)) });
  }
  if (services.length === 1) {
    return { host, service: only };
  }
  const picked = await vscode.window.showQuickPick(
    services.map((service) => ({
      label: service.name,
      description: service.live === undefined ? t('not live') : t('{0} is live', service.live),
      service,
    })),
    { title, placeHolder: t('Service') },
  );
  return picked && { host, service: picked.service };
}

/** Tells why a command could not do its work. A dismissed question or a cancel needs no words. */
export function showError(app: Parts, error: unknown): void {
  const cause = toDeployError(error);
  if (cause.code === 'cancelled') {
    return;
  }
  app.log.error(joinSentences(cause.message, cause.hint), ...(cause.detail === undefined ? [] : [cause.detail]));
  if (cause.code === 'internal') {
    app.log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const open = t('Open the File');
  const trust = t('Manage Workspace Trust');
  const log = t('Show Log');
  const text = joinSentences(cause.message, cause.hint);
  // Nothing is broken when there is merely nothing to do.
  const harmless = cause.position === undefined && (cause.code === 'usage' || cause.code === 'not-found');
  const shown = harmless
    ? vscode.window.showWarningMessage(text, ...(vscode.workspace.isTrusted ? [] : [trust]))
    : vscode.window.showErrorMessage(text, cause.position === undefined ? log : open);
  void shown.then(async (choice) => {
    if (choice === open && cause.position !== undefined) {
      await openPosition(cause.position);
    } else if (choice === trust) {
      await vscode.commands.executeCommand('workbench.trust.manage');
    } else if (choice === log) {
      app.log.show(true);
    }
  });
}

/** Work on a host that takes a moment: its progress in a notification, from which it can be cancelled. */
export function withProgress<T>(title: string, work: (signal: AbortSignal) => Promise<T>): Thenable<T> {
  return vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    (_progress, token) => work(signalOf(token)),
  );
}

function signalOf(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}
