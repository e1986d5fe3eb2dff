import path from 'node:path';
import * as vscode from 'vscode';
import { CONFIG_FILE_NAME } from '../config/fileName';
import { DeployError, type ServiceConfig, toDeployError } from '../model';
import { distinguish, wholePath } from './distinguish';
import { CONFIG_GLOB, DOCKERFILE_NAME, SKIPPED_GLOB } from './dockerfileName';
import { loadEngine } from './engineLoader';
import { exists } from './exists';
import { findDockerfiles } from './findDockerfiles';
import type { Origin } from './history';
import { t } from '../l10n';

/** What is to be deployed, and where that is written. */
export interface Target {
  readonly service: ServiceConfig;
  readonly origin: Origin;
}

/** What the workspace holds, and why a file of it says nothing: one that is broken does not hide the others. */
export interface Findings {
  readonly targets: readonly Target[];
  readonly failures: readonly { readonly file: string; readonly error: DeployError }[];
}

/**
 * Finds what the person wants to deploy: the file they clicked on, the one in front of them, or what the workspace
 * holds. Asks only when there are several. Undefined when they dismiss the question; throws a DeployError that says why
 * nothing can be deployed.
 */
export async function chooseTarget(resource: vscode.Uri | undefined): Promise<Target | undefined> {
  mustBeTrusted();
  await saveEdited(isDescription);
  const file = resource ?? activeFile();
  if (file !== undefined) {
    return targetOfFile(file.fsPath);
  }
  const found = await findTargets();
  if (found.targets.length + found.failures.length === 0) {
    throw new DeployError('usage', t('There is no Dockerfile in this workspace.'), {
      hint: t('Write one, or open the folder that holds it.'),
    });
  }
  return pickTarget(found);
}

/** The service of that name in this workspace. Throws `usage` when it is not there, or there are several. */
export async function targetNamed(service: string): Promise<Target> {
  const [found, ...others] = await targetsNamed(service);
  if (others.length > 0) {
    throw new DeployError('usage', t('There is more than one {0} in this workspace.', service), {
      hint: t('Name each of them differently in its bluegreen.json.'),
    });
  }
  return reloadTarget(found.origin, service);
}

/** The same for one who can be asked which is meant. Undefined when they dismiss the question. */
export async function chooseTargetNamed(service: string): Promise<Target | undefined> {
  return pickTarget({ targets: await targetsNamed(service), failures: [] });
}

async function targetsNamed(service: string): Promise<[Target, ...Target[]]> {
  mustBeTrusted();
  await saveEdited(isDescription);
  const { targets, failures } = await findTargets();
  const [found, ...others] = targets.filter((target) => target.service.name === service);
  if (found === undefined) {
    // It may well be in a file that cannot be read.
    throw (
      failures[0]?.error ??
      new DeployError('usage', t('{0} is not in this workspace.', service), {
        hint: t('Open the folder that it is built from.'),
      })
    );
  }
  return [found, ...others];
}

/** Saves what of a service is edited and not saved, as a debugger does, and reads its configuration again. */
export async function reloadTarget(origin: Origin, service: string): Promise<Target> {
  mustBeTrusted();
  await saveEdited((file) => isInside(file, origin.folder));
  const target = await readTarget(origin, service);
  const { dockerfile, context } = target.service.build;
  await saveEdited((file) => file === dockerfile || isInside(file, context));
  return target;
}

/** Reads a service's configuration as it is on disk. */
export async function readTarget(origin: Origin, service: string): Promise<Target> {
  mustBeTrusted();
  const { loadConfig } = await loadEngine();
  const { services } = await loadConfig(origin.folder, {
    overrides: origin.dockerfile === undefined ? { service } : { dockerfile: origin.dockerfile },
  });
  const found = services.find((it) => it.name === service);
  if (found === undefined) {
    throw new DeployError('config', t('{0} is no longer in {1}.', service, origin.folder), {
      hint: t('Deploy again from its Dockerfile or from bluegreen.json.'),
    });
  }
  return { service: found, origin };
}

/** A deployment runs what the workspace says, on this machine and on the host. */
function mustBeTrusted(): void {
  if (!vscode.workspace.isTrusted) {
    throw new DeployError('usage', t('Blue-Green does not deploy from a workspace that is not trusted.'), {
      hint: t('Trust the workspace first: a deployment runs its Dockerfile on this machine.'),
    });
  }
}

function activeFile(): vscode.Uri | undefined {
  const uri = vscode.window.activeTextEditor?.document.uri;
  return uri?.scheme === 'file' && isDescription(uri.fsPath) ? uri : undefined;
}

/** Whether a file says what is to be deployed. */
function isDescription(file: string): boolean {
  const name = path.basename(file);
  return DOCKERFILE_NAME.test(name) || name === CONFIG_FILE_NAME;
}

function isInside(file: string, folder: string): boolean {
  const below = path.relative(folder, file);
  return !below.startsWith('..') && !path.isAbsolute(below);
}

/** What is read and built is what stands on disk: changes that are not saved would be left out silently. */
async function saveEdited(isWanted: (file: string) => boolean): Promise<void> {
  for (const document of vscode.workspace.textDocuments) {
    const { isDirty, uri } = document;
    if (isDirty && uri.scheme === 'file' && isWanted(uri.fsPath) && !(await document.save())) {
      throw new DeployError(
        'usage',
        t('{0} has changes that could not be saved.', vscode.workspace.asRelativePath(uri)),
        {
          hint: t('Save or revert them, then try again.'),
        },
      );
    }
  }
}

async function targetOfFile(file: string): Promise<Target | undefined> {
  if (path.basename(file) === CONFIG_FILE_NAME) {
    return pickTarget({ targets: await targetsOfFolder(path.dirname(file)), failures: [] });
  }
  const folder = await configFolderOf(file);
  const { loadConfig, serviceForDockerfile } = await loadEngine();
  if (folder === undefined) {
    const origin = { folder: path.dirname(file), dockerfile: file };
    const { services } = await loadConfig(origin.folder, { overrides: { dockerfile: file } });
    return services[0] && reloadTarget(origin, services[0].name);
  }
  const loaded = await loadConfig(folder, { overrides: {}, purpose: 'look' });
  const service = serviceForDockerfile(loaded, file);
  if (service === undefined) {
    return pickTarget({ targets: await targetsOfFolder(folder), failures: [] });
  }
  const named = loaded.services.some(
    (it) => it.name === service.name && it.build.dockerfile === service.build.dockerfile,
  );
  return reloadTarget({ folder, dockerfile: named ? undefined : file }, service.name);
}

/** The nearest folder with a bluegreen.json, from the Dockerfile's own up to the workspace folder's. */
async function configFolderOf(file: string): Promise<string | undefined> {
  const top = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(file))?.uri.fsPath ?? path.dirname(file);
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    if (await exists(vscode.Uri.file(path.join(folder, CONFIG_FILE_NAME)))) {
      return folder;
    }
    if (folder === top || folder === path.dirname(folder)) {
      return undefined;
    }
  }
}

/** The folders that are open. Throws `usage` when there is none. */
export function openFolders(): readonly vscode.WorkspaceFolder[] {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length === 0) {
    throw new DeployError('usage', t('There is no folder open, so there is nothing to deploy.'), {
      hint: t('Open a folder with a Dockerfile.'),
    });
  }
  return folders;
}

/** Everything that the folders hold which are open. Throws `usage` when none is. */
export async function findTargets(): Promise<Findings> {
  const found = await Promise.all(openFolders().map((folder) => findInFolder(folder)));
  // A folder inside another one that is open as well is searched twice.
  const once = <T>(all: readonly T[], key: (one: T) => unknown): T[] => [
    ...new Map(all.map((one) => [JSON.stringify(key(one)), one])).values(),
  ];
  return {
    targets: once(
      found.flatMap(({ targets }) => targets),
      ({ service, origin }) => [service.name, origin],
    ),
    failures: once(
      found.flatMap(({ failures }) => failures),
      ({ file }) => file,
    ),
  };
}

/** The services of each bluegreen.json; where there is none, a service for each Dockerfile. */
async function findInFolder(folder: vscode.WorkspaceFolder): Promise<Findings> {
  const configs = await vscode.workspace.findFiles(new vscode.RelativePattern(folder, CONFIG_GLOB), SKIPPED_GLOB);
  if (configs.length > 0) {
    return readEach(configs, (config) => targetsOfFolder(path.dirname(config)));
  }
  const { loadConfig } = await loadEngine();
  return readEach(await findDockerfiles(folder), async (dockerfile) => {
    const origin = { folder: path.dirname(dockerfile), dockerfile };
    const { services } = await loadConfig(origin.folder, { overrides: { dockerfile } });
    return services.map((service) => ({ service, origin }));
  });
}

async function readEach(files: readonly vscode.Uri[], read: (file: string) => Promise<Target[]>): Promise<Findings> {
  const failures: Findings['failures'][number][] = [];
  const targets = await Promise.all(
    files.map(async ({ fsPath: file }) => {
      try {
        return await read(file);
      } catch (error) {
        failures.push({ file, error: toDeployError(error) });
        return [];
      }
    }),
  );
  return { targets: targets.flat(), failures };
}

async function targetsOfFolder(folder: string): Promise<Target[]> {
  const { loadConfig } = await loadEngine();
  const { services } = await loadConfig(folder, { overrides: {}, purpose: 'look' });
  return services.map((service) => ({ service, origin: { folder, dockerfile: undefined } }));
}

/** A file that is broken can be chosen as well, and then says why. Throws what is wrong with it. */
async function pickTarget({ targets, failures }: Findings): Promise<Target | undefined> {
  const places = distinguish(targets, ({ service }) => service.name, placesOf);
  const choices: (vscode.QuickPickItem & Partial<Target & { error: DeployError }>)[] = [
    ...targets.map((target, index) => ({
      label: target.service.name,
      description: places[index] ?? '',
      ...target,
    })),
    ...failures.map(({ file, error }) => ({
      label: `$(warning) ${vscode.workspace.asRelativePath(file)}`,
      description: error.message,
      error,
    })),
  ];
  const chosen =
    choices.length === 1
      ? choices[0]
      : await vscode.window.showQuickPick(choices, {
          title: t('Blue-Green: which service?'),
          placeHolder: t('Service'),
          matchOnDescription: true,
        });
  if (chosen?.error !== undefined) {
    throw chosen.error;
  }
  // The list was read leniently; the chosen service must be complete.
  return chosen?.origin && chosen.service && reloadTarget(chosen.origin, chosen.service.name);
}

/** Where a service is written down: in short, as a whole, and by the file that names it. */
function placesOf({ service, origin }: Target): [string, ...string[]] {
  const { dockerfile } = service.build;
  const whole = [dockerfile, origin.dockerfile ?? path.join(origin.folder, CONFIG_FILE_NAME)];
  return [vscode.workspace.asRelativePath(dockerfile), ...whole.map((file) => wholePath(file))];
}
