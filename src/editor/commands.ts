import path from 'node:path';
import * as vscode from 'vscode';
import { personHere } from '../engine/person';
import { cancelledError, DeployError, PROXY_CONTAINER, slotContainer, type SlotName, type SlotState } from '../model';
import {
  chooseHost,
  chooseKnownHost,
  chooseService,
  confirmRollback,
  confirmSwitch,
  type HostPurpose,
  openSite,
  serviceOnHost,
  type ServiceOnHost,
  showError,
  showServiceLogs,
  withProgress,
} from './actions';
import { COMMAND_IDS, type CommandId } from './commandIds';
import { ServiceInFile } from './configEditing';
import { createConfiguration } from './createConfiguration';
import { loadEngine } from './engineLoader';
import type { Origin } from './history';
import { hostLabel } from '../hostNames';
import { t } from '../l10n';
import type { Parts } from './parts';
import { pickHost, pickOneOf } from './pickHost';
import { openShellTerminal } from './shellTerminal';
import { TreeNode } from './shownRows';
import { drill, repair } from './repair';
import { runDescription, runTitle } from './runText';
import { phaseOf, type RunRecord } from './runs';
import { chooseTarget, chooseTargetNamed, readTarget, reloadTarget, type Target } from './target';
import type { Row } from './treeRows';

/**
 * What a menu hands to its command: the file of an explorer or editor, the row of the Slots view, or the service of a
 * code lens. The status bar hands over the id of a run.
 */
type Argument = vscode.Uri | TreeNode | ServiceInFile | string | undefined;
type Command = (app: Parts, argument: Argument) => Promise<void>;

/**
 * Every command, in one place. A missing or misspelt one does not compile. VS Code hands the row that has the focus to
 * the buttons in the title of a view as well: those that are about no row have commands of their own.
 */
const COMMANDS: Readonly<Record<CommandId, Command>> = {
  'blueGreen.deploy': deploy,
  'blueGreen.deployFromTitle': (app) => deploy(app, undefined),
  'blueGreen.plan': plan,
  'blueGreen.rollback': rollback,
  'blueGreen.switch': switchTo,
  'blueGreen.repair': repairRow,
  'blueGreen.drill': drillRow,
  'blueGreen.cancel': cancel,
  'blueGreen.cancelFromTitle': (app) => cancel(app, undefined),
  'blueGreen.showPanel': showPanel,
  'blueGreen.showPanelFromTitle': (app) => showPanel(app, undefined),
  'blueGreen.showLogs': showLogs,
  'blueGreen.stopLogs': stopLogs,
  'blueGreen.openSite': site,
  'blueGreen.restart': restart,
  'blueGreen.shell': shell,
  'blueGreen.showConf': showConf,
  'blueGreen.copy': copy,
  'blueGreen.copyImage': (app, argument) => copySlot(app, argument, ({ image }) => image),
  'blueGreen.copyCommit': (app, argument) => copySlot(app, argument, ({ commit }) => commit),
  'blueGreen.remove': remove,
  'blueGreen.createConfiguration': configure,
  'blueGreen.addHost': addHost,
  'blueGreen.removeHost': removeHost,
  'blueGreen.refresh': refresh,
  'blueGreen.refreshAll': (app) => refresh(app, undefined),
};

/** Registers all commands. Each exists from then on; one that cannot do its work says why. */
export function registerCommands(app: Parts): vscode.Disposable {
  return vscode.Disposable.from(
    ...COMMAND_IDS.map((id) =>
      vscode.commands.registerCommand(id, async (argument: unknown) => {
        try {
          await COMMANDS[id](app, toArgument(argument));
        } catch (error) {
          showError(app, error);
        }
      }),
    ),
  );
}

async function deploy(app: Parts, argument: Argument): Promise<void> {
  const chosen = await chooseDeployment(app, 'deploy', argument);
  if (chosen !== undefined) {
    await app.runner.deploy(chosen.target, chosen.host);
  }
}

async function plan(app: Parts, argument: Argument): Promise<void> {
  const chosen = await chooseDeployment(app, 'plan', argument);
  if (chosen !== undefined) {
    await app.runner.plan(chosen.target, chosen.host);
  }
}

/** What is to be deployed where. A row of the tree names the host, and the service too if it is one. */
async function chooseDeployment(
  app: Parts,
  purpose: HostPurpose,
  argument: Argument,
): Promise<{ target: Target; host: string } | undefined> {
  const target = await targetOf(argument);
  if (target === undefined) {
    return undefined;
  }
  const title =
    purpose === 'deploy'
      ? t('Blue-Green: deploy {0} to…', target.service.name)
      : t('Blue-Green: plan {0} for…', target.service.name);
  const host = rowOf(argument)?.host ?? (await chooseHost(app, purpose, title, target));
  return host === undefined ? undefined : { target, host };
}

function targetOf(argument: Argument): Promise<Target | undefined> {
  if (argument instanceof ServiceInFile) {
    return reloadTarget(originOf(argument), argument.name);
  }
  const row = rowOf(argument);
  return row?.kind === 'service' ? chooseTargetNamed(row.service) : chooseTarget(fileOf(argument));
}

async function rollback(app: Parts, argument: Argument): Promise<void> {
  const chosen =
    (argument instanceof ServiceInFile ? await chooseHostOf(app, argument) : serviceOf(app, argument)) ??
    (await chooseService(
      app,
      t('Blue-Green: roll back'),
      (service) => service.slots.some((slot) => !slot.live),
      t('No service has a kept slot to go back to.'),
    ));
  if (chosen !== undefined && (await confirmRollback(chosen))) {
    await app.runner.rollback(chosen.host, chosen.service.name, undefined);
  }
}

/** Where a service that a file names is to be rolled back. Throws `cancelled` when the question is dismissed. */
async function chooseHostOf(app: Parts, argument: ServiceInFile): Promise<ServiceOnHost> {
  const target = await readTarget(originOf(argument), argument.name);
  const title = t('Blue-Green: roll back {0} on…', argument.name);
  const host = await chooseHost(app, 'rollback', title, target);
  if (host === undefined) {
    throw cancelledError();
  }
  return serviceOnHost(app, host, argument.name);
}

async function switchTo(app: Parts, argument: Argument): Promise<void> {
  const chosen = await chooseSlot(app, argument, {
    title: t('Blue-Green: switch'),
    wanted: (slot) => !slot.live,
    none: t('There is no idle slot to switch to.'),
  });
  if (chosen === undefined) {
    return;
  }
  const { host, service, slot } = chosen;
  if (await confirmSwitch(host, service.name, slot.name)) {
    await app.runner.switchTo(host, service.name, slot.name);
  }
}

async function repairRow(app: Parts, argument: Argument): Promise<void> {
  const row = rowOf(argument);
  const host = row?.host ?? (await chooseKnownHost(app, t('Blue-Green: repair')));
  if (host !== undefined) {
    await repair(app, host, row?.kind === 'service' ? row.service : undefined);
  }
}

async function drillRow(app: Parts, argument: Argument): Promise<void> {
  const host = rowOf(argument)?.host ?? (await chooseKnownHost(app, t('Blue-Green: would it come back?')));
  if (host !== undefined) {
    await drill(app, host);
  }
}

async function cancel(app: Parts, argument: Argument): Promise<void> {
  const run = await chooseRun(
    activeRuns(app, argument),
    t('Blue-Green: cancel'),
    new DeployError('usage', t('No deployment is under way.')),
  );
  if (run !== undefined) {
    app.runs.cancel(run.id);
  }
}

async function showPanel(app: Parts, argument: Argument): Promise<void> {
  const named = typeof argument === 'string' ? app.runs.get(argument) : undefined;
  const meant = named === undefined ? activeRuns(app, argument) : [named];
  const run = await chooseRun(
    meant.length === 1 ? meant : app.runs.all(),
    t('Blue-Green: deployments'),
    new DeployError('usage', t('There has been no deployment from this workspace yet.'), {
      hint: t('Run Blue-Green: Deploy.'),
    }),
  );
  if (run !== undefined) {
    app.panels.show(run, false);
  }
}

/** The runs under way: all, or those that work on what a row stands for. */
function activeRuns(app: Parts, argument: Argument): RunRecord[] {
  const row = rowOf(argument);
  const isMeant = ({ service, host }: RunRecord): boolean =>
    row === undefined || ('service' in row && row.service === service && row.host === host);
  return app.runs.active().filter(isMeant);
}

async function chooseRun(runs: readonly RunRecord[], title: string, none: DeployError): Promise<RunRecord | undefined> {
  const [first] = runs;
  if (first === undefined) {
    throw none;
  }
  if (runs.length === 1) {
    return first;
  }
  const picked = await vscode.window.showQuickPick(
    runs.map((run) => ({
      label: runTitle(run),
      description: runDescription(run, phaseOf(run)),
      detail: run.snapshot?.result?.summary ?? '',
      run,
    })),
    { title, matchOnDescription: true, matchOnDetail: true },
  );
  return picked?.run;
}

async function showLogs(app: Parts, argument: Argument): Promise<void> {
  const row = rowOf(argument);
  if (row?.kind === 'proxy') {
    const { host } = row;
    app.logs.show(host, `${PROXY_CONTAINER} @ ${hostLabel(host)}`, [PROXY_CONTAINER]);
    return;
  }
  const chosen =
    serviceOf(app, argument) ??
    (await chooseService(app, t('Blue-Green: show container logs'), () => true, t('No service is on this host.')));
  if (chosen !== undefined) {
    showServiceLogs(app, chosen.host, chosen.service.name, slotOf(argument));
  }
}

async function stopLogs(app: Parts): Promise<void> {
  const { names } = app.logs;
  const [first] = names;
  if (first === undefined) {
    throw new DeployError('usage', t('No log is followed.'));
  }
  const name =
    names.length === 1 ? first : await vscode.window.showQuickPick(names, { title: t('Blue-Green: stop following') });
  if (name !== undefined) {
    app.logs.stop(name);
  }
}

async function restart(app: Parts, argument: Argument): Promise<void> {
  const chosen = await chooseSlot(app, argument, {
    title: t('Blue-Green: restart'),
    wanted: (slot) => slot.state === 'running',
    none: t('There is no running container to restart.'),
  });
  if (chosen === undefined) {
    return;
  }
  const { host, service, slot } = chosen;
  const yes = t('Restart');
  const answer = await vscode.window.showWarningMessage(
    t('Restart {0} {1} on {2}?', service.name, slot.name, hostLabel(host)),
    {
      modal: true,
      detail: slot.live
        ? t('It is live: requests fail until it answers again. A new deployment of the same release loses none.')
        : t('It serves no requests.'),
    },
    yes,
  );
  if (answer !== yes) {
    return;
  }
  await withProgress(t('Restarting {0} on {1}…', slot.container, hostLabel(host)), async (signal) => {
    const { restartSlot } = await loadEngine();
    await app.hosts.use(host, signal, (open) => restartSlot(open, service.name, slot.container, personHere(), signal));
  });
  app.tree.lookAgain(host);
}

async function shell(app: Parts, argument: Argument): Promise<void> {
  const row = rowOf(argument);
  if (row?.kind === 'proxy') {
    openShellTerminal(app.hosts, row.host, PROXY_CONTAINER);
    return;
  }
  const chosen = await chooseSlot(app, argument, {
    title: t('Blue-Green: open a shell'),
    wanted: (slot) => slot.state === 'running',
    none: t('There is no running container to open a shell in.'),
  });
  if (chosen !== undefined) {
    openShellTerminal(app.hosts, chosen.host, chosen.slot.container);
  }
}

async function showConf(app: Parts, argument: Argument): Promise<void> {
  const chosen =
    serviceOf(app, argument) ??
    (await chooseService(app, t('Blue-Green: show nginx configuration'), () => true, t('No service is on this host.')));
  if (chosen === undefined) {
    return;
  }
  const { host, service } = chosen;
  const conf = await withProgress(t('Reading from {0}…', hostLabel(host)), async (signal) => {
    const { serviceConf } = await loadEngine();
    return app.hosts.use(host, signal, (open) => serviceConf(open, service.name, signal));
  });
  await app.documents.openText(`${service.name}.conf @ ${hostLabel(host)}`, conf.text);
}

/** Copies what a row stands for: a host, a service, a container, or a message. */
async function copy(_app: Parts, argument: Argument): Promise<void> {
  const row = rowOf(argument);
  if (row !== undefined) {
    await vscode.env.clipboard.writeText(copiedText(row));
  }
}

/** Copies something of what runs in a slot, as last seen. */
async function copySlot(app: Parts, argument: Argument, what: (slot: SlotState) => string | undefined): Promise<void> {
  const slot = serviceOf(app, argument)?.service.slots.find(({ name }) => name === slotOf(argument));
  const text = slot && what(slot);
  if (text !== undefined) {
    await vscode.env.clipboard.writeText(text);
  }
}

function copiedText(row: Row): string {
  switch (row.kind) {
    case 'host':
      return row.host;
    case 'proxy':
      return PROXY_CONTAINER;
    case 'service':
    case 'coming':
      return row.service;
    case 'slot':
      return slotContainer(row.service, row.slot);
    case 'message':
      return row.label;
  }
}

async function site(app: Parts, argument: Argument): Promise<void> {
  const chosen =
    serviceOf(app, argument) ??
    (await chooseService(
      app,
      t('Blue-Green: open site'),
      (service) => service.live !== undefined,
      t('No service is live on this host.'),
    ));
  if (chosen !== undefined) {
    await openSite(app, chosen.host, chosen.service.name);
  }
}

async function remove(app: Parts, argument: Argument): Promise<void> {
  const row = rowOf(argument);
  if (row?.kind === 'proxy') {
    await removeWith(app, row.host, t('Remove the proxy from {0}?', hostLabel(row.host)), {
      detail: t('Its container and the network are removed. Services must be removed first.'),
      work: async (signal) => {
        const { removeProxy } = await loadEngine();
        return app.hosts.use(row.host, signal, (host) => removeProxy(host, signal));
      },
    });
    return;
  }
  const chosen =
    serviceOf(app, argument) ??
    (await chooseService(app, t('Blue-Green: remove'), () => true, t('No service is on this host.')));
  if (chosen === undefined) {
    return;
  }
  const { host, service } = chosen;
  const containers = service.slots.map((slot) => slot.container).join(', ');
  await removeWith(app, host, t('Remove {0} from {1}?', service.name, hostLabel(host)), {
    detail: [
      service.live === undefined ? undefined : t('{0} is live and will stop answering.', service.live),
      t('nginx no longer serves it, and its containers and images are removed: {0}', containers),
      t('Volumes are left alone.'),
    ]
      .filter((line) => line !== undefined)
      .join('\n'),
    work: async (signal) => {
      const { removeService } = await loadEngine();
      return app.hosts.use(host, signal, (open) => removeService(open, service.name, personHere(), signal));
    },
  });
}

async function removeWith(
  app: Parts,
  host: string,
  question: string,
  { detail, work }: { detail: string; work: (signal: AbortSignal) => Promise<string[]> },
): Promise<void> {
  const yes = t('Remove');
  if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, yes)) !== yes) {
    return;
  }
  try {
    const removed = await withProgress(t('Removing from {0}…', hostLabel(host)), work);
    removed.forEach((sentence) => app.log.info(`[${host}] ${sentence}`));
    void vscode.window.showInformationMessage(removed.slice(0, 3).join(' '));
  } finally {
    app.tree.lookAgain(host);
  }
}

function configure(app: Parts, argument: Argument): Promise<void> {
  return createConfiguration(fileOf(argument), app.hostList.recent().slice(0, 1));
}

async function addHost(app: Parts): Promise<void> {
  const host = await pickHost(t('Blue-Green: add a host'), app.hostList, { last: undefined, configured: [] });
  if (host !== undefined) {
    await app.hostList.add(host);
    await app.tree.reveal(host);
  }
}

async function removeHost(app: Parts, argument: Argument): Promise<void> {
  const hosts = app.hostList.all();
  if (hosts.length === 0) {
    throw new DeployError('usage', t('There is no host in the list.'));
  }
  const host = rowOf(argument)?.host ?? (await pickOneOf(hosts, t('Blue-Green: remove a host from the list')));
  if (host !== undefined) {
    await app.hostList.remove(host);
  }
}

function refresh(app: Parts, argument: Argument): Promise<void> {
  app.tree.refresh(rowOf(argument)?.host);
  return Promise.resolve();
}

function originOf({ file }: ServiceInFile): Origin {
  return { folder: path.dirname(file.fsPath), dockerfile: undefined };
}

function fileOf(argument: Argument): vscode.Uri | undefined {
  return argument instanceof vscode.Uri ? argument : undefined;
}

/** The service that a row stands for, as last seen. */
function serviceOf(app: Parts, argument: Argument): ServiceOnHost | undefined {
  const row = rowOf(argument);
  if (row?.kind !== 'service' && row?.kind !== 'slot') {
    return undefined;
  }
  const { host } = row;
  const service = app.hosts.lastState(host)?.services.find((it) => it.name === row.service);
  return service && { host, service };
}

/** What a slot is chosen for. */
interface SlotWish {
  readonly title: string;
  readonly wanted: (slot: SlotState) => boolean;
  /** What is said when there is none. */
  readonly none: string;
}

/** The slot that a row stands for, or one that the person picks. Throws `not-found` when there is none that is wanted. */
async function chooseSlot(
  app: Parts,
  argument: Argument,
  { title, wanted, none }: SlotWish,
): Promise<(ServiceOnHost & { slot: SlotState }) | undefined> {
  const chosen =
    serviceOf(app, argument) ?? (await chooseService(app, title, (service) => service.slots.some(wanted), none));
  if (chosen === undefined) {
    return undefined;
  }
  const name = slotOf(argument);
  const slots = chosen.service.slots.filter((slot) => wanted(slot) && (name === undefined || slot.name === name));
  const [first] = slots;
  if (first === undefined) {
    throw new DeployError('not-found', none, { hint: t('Looked at: {0}.', hostLabel(chosen.host)) });
  }
  const picked =
    slots.length === 1
      ? { slot: first }
      : await vscode.window.showQuickPick(
          slots.map((slot) => ({ label: slot.name, description: slot.live ? t('live') : t('idle'), slot })),
          { title, placeHolder: t('Slot') },
        );
  return picked && { ...chosen, slot: picked.slot };
}

function slotOf(argument: Argument): SlotName | undefined {
  const row = rowOf(argument);
  return row?.kind === 'slot' ? row.slot : undefined;
}

function rowOf(argument: Argument): Row | undefined {
  return argument instanceof TreeNode ? argument.row : undefined;
}

function toArgument(value: unknown): Argument {
  const isArgument =
    value instanceof vscode.Uri ||
    value instanceof TreeNode ||
    value instanceof ServiceInFile ||
    typeof value === 'string';
  return isArgument ? value : undefined;
}
