import path from 'node:path';
import * as vscode from 'vscode';
import { CONFIG_FILE_NAME } from '../config/fileName';
import { DeployError } from '../model';
import { distinguish, wholePath } from './distinguish';
import { loadEngine } from './engineLoader';
import { exists } from './exists';
import { findDockerfiles, isDockerfile } from './findDockerfiles';
import { t } from '../l10n';
import { openFolders } from './target';

const MAX_FILES = 30;

/** Writes a commented bluegreen.json beside a Dockerfile and opens it; one that is there already is only opened. */
export async function createConfiguration(resource: vscode.Uri | undefined, hosts: readonly string[]): Promise<void> {
  const dockerfile = resource ?? (await chooseDockerfile());
  if (dockerfile === undefined) {
    return;
  }
  const folder = path.dirname(dockerfile.fsPath);
  const file = vscode.Uri.file(path.join(folder, CONFIG_FILE_NAME));
  if (!(await exists(file))) {
    const { configTemplate, exposedPorts, zeroServiceName } = await loadEngine();
    const name = path.basename(dockerfile.fsPath);
    const [port, ...more] = exposedPorts(Buffer.from(await vscode.workspace.fs.readFile(dockerfile)).toString());
    const text = configTemplate({
      service: zeroServiceName(dockerfile.fsPath, folder),
      dockerfile: name === 'Dockerfile' ? undefined : name,
      port: more.length === 0 ? port : undefined,
      hosts,
    });
    await vscode.workspace.fs.writeFile(file, Buffer.from(text));
  }
  await vscode.window.showTextDocument(file);
}

async function chooseDockerfile(): Promise<vscode.Uri | undefined> {
  const active = vscode.window.activeTextEditor?.document.uri;
  if (active?.scheme === 'file' && isDockerfile(active)) {
    return active;
  }
  openFolders();
  const found = await findDockerfiles(undefined, MAX_FILES);
  const [first] = found;
  if (first === undefined) {
    throw new DeployError('usage', t('There is no Dockerfile in this workspace.'), {
      hint: t('Write one, or open the folder that holds it.'),
    });
  }
  if (found.length === 1) {
    return first;
  }
  const places = distinguish(
    found,
    () => '',
    (uri) => [vscode.workspace.asRelativePath(uri), wholePath(uri.fsPath)],
  );
  const picked = await vscode.window.showQuickPick(
    found.map((uri, index) => ({ label: places[index] ?? '', uri })),
    { title: t('Blue-Green: configuration for which Dockerfile?'), placeHolder: t('Dockerfile') },
  );
  return picked?.uri;
}
