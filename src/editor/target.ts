import path from 'node:path';
import * as vscode from 'vscode';
import { DeployError, type ServiceConfig } from '../model';
import { distinguish, wholePath } from './distinguish';
import { CONFIG_GLOB, CONFIG_NAME, DOCKERFILE_GLOB, DOCKERFILE_NAME, SKIPPED_GLOB } from './dockerfileName';
import { loadEngine } from './engineLoader';
import type { Origin } from './history';
import { t } from '../l10n';

/** What is to be deployed, and where that is written. */
export interface Target {
  readonly service: ServiceConfig;
  readonly origin: Origin;
}

const MAX_FILES = 30;

/**
 * Finds what the person wants to deploy: the file they clicked on, the one in front of them, or what the workspace
 * holds. Asks only when there are several. Undefined when they dismiss the question; throws a DeployError that says why
 * nothing can be deployed.
 */
export async function chooseTarget(resource: vscode.Uri | undefined): Promise<Target | undefined> {
  mustBeTrusted();
  const file = resource ?? activeFile();
  if (file !== undefined) {
    return targetOfFile(file.fsPath);
  }
  const targets = await targetsOfWorkspace();
  return pickTarget(targets);
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
  return pickTarget(await targetsNamed(service));
}

async function targetsNamed(service: string): Promise<[Target, ...Target[]]> {
  mustBeTrusted();
  const [found, ...others] = (await targetsOfWorkspace()).filter((target) => target.service.name === service);
  if (found === undefined) {
    throw new DeployError('usage', t('{0} is not in this workspace.', service), {
      hint: t('Open the folder that it is built from.'),
    });
  }
  return [found, ...others];
}

/** Reads a service's configuration again, for repeating a run. */
export async function reloadTarget(origin: Origin, service: string): Promise<Target> {
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
  const name = uri === undefined ? '' : path.basename(uri.fsPath);
  return uri?.scheme === 'file' && (DOCKERFILE_NAME.test(name) || name === CONFIG_NAME) ? uri : undefined;
}

async function targetOfFile(file: string): Promise<Target | undefined> {
  if (path.basename(file) === CONFIG_NAME) {
    return pickTarget(await targetsOfFolder(path.dirname(file)));
  }
  const folder = await configFolderOf(file);
  const { loadConfig, serviceForDockerfile } = await loadEngine();
  if (folder === undefined) {
    const origin = { folder: path.dirname(file), dockerfile: file };
    const { services } = await loadConfig(origin.folder, { overrides: { dockerfile: file } });
    return services[0] && { service: services[0], origin };
  }
  const loaded = await loadConfig(folder, { overrides: {}, purpose: 'look' });
  const service = serviceForDockerfile(loaded, file);
  if (service === undefined) {
    return pickTarget(await targetsOfFolder(folder));
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
    if (await exists(path.join(folder, CONFIG_NAME))) {
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

export async function targetsOfWorkspace(): Promise<Target[]> {
  const found = (await Promise.all(openFolders().map((folder) => targetsOfWorkspaceFolder(folder)))).flat();
  // A folder inside another one that is open as well is searched twice.
  const targets = [
    ...new Map(found.map((target) => [JSON.stringify([target.service.name, target.origin]), target])).values(),
  ];
  if (targets.length === 0) {
    throw new DeployError('usage', t('There is no Dockerfile in this workspace.'), {
      hint: t('Write one, or open the folder that holds it.'),
    });
  }
  return targets;
}

/** The services of each bluegreen.json; where there is none, a service for each Dockerfile. */
async function targetsOfWorkspaceFolder(folder: vscode.WorkspaceFolder): Promise<Target[]> {
  const find = (glob: string): Thenable<vscode.Uri[]> =>
    vscode.workspace.findFiles(new vscode.RelativePattern(folder, glob), SKIPPED_GLOB, MAX_FILES);
  const configs = await find(CONFIG_GLOB);
  if (configs.length > 0) {
    return (await Promise.all(configs.map((config) => targetsOfFolder(path.dirname(config.fsPath))))).flat();
  }
  const { loadConfig } = await loadEngine();
  const dockerfiles = (await find(DOCKERFILE_GLOB)).filter((uri) => DOCKERFILE_NAME.test(path.basename(uri.fsPath)));
  const found = await Promise.all(
    dockerfiles.map(async ({ fsPath: dockerfile }) => {
      const origin = { folder: path.dirname(dockerfile), dockerfile };
      const { services } = await loadConfig(origin.folder, { overrides: { dockerfile } });
      return services.map((service) => ({ service, origin }));
    }),
  );
  return found.flat();
}

async function targetsOfFolder(folder: string): Promise<Target[]> {
  const { loadConfig } = await loadEngine();
  const { services } = await loadConfig(folder, { overrides: {}, purpose: 'look' });
  return services.map((service) => ({ service, origin: { folder, dockerfile: undefined } }));
}

async function pickTarget(targets: readonly Target[]): Promise<Target | undefined> {
  const [first] = targets;
  const places = distinguish(targets, ({ service }) => service.name, placesOf);
  const chosen =
    targets.length === 1
      ? first
      : (
          await vscode.window.showQuickPick(
            targets.map((target, index) => ({
              label: target.service.name,
              description: places[index] ?? '',
              target,
            })),
            { title: t('Blue-Green: which service?'), placeHolder: t('Service'), matchOnDescription: true },
          )
        )?.target;
  // The list was read leniently; the chosen service must be complete.
  return chosen && reloadTarget(chosen.origin, chosen.service.name);
}

/** Where a service is written down: in short, as a whole, and by the file that names it. */
function placesOf({ service, origin }: Target): [string, ...string[]] {
  const { dockerfile } = service.build;
  const whole = [dockerfile, origin.dockerfile ?? path.join(origin.folder, CONFIG_NAME)];
  return [vscode.workspace.asRelativePath(dockerfile), ...whole.map((file) => wholePath(file))];
}

async function exists(file: string): Promise<boolean> {
  try {
    await vscode.workspace.fs.stat(vscode.Uri.file(file));
    return true;
  } catch {
    return false;
  }
}
