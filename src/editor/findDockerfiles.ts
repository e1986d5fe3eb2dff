import path from 'node:path';
import * as vscode from 'vscode';
import { DOCKERFILE_GLOB, DOCKERFILE_NAME, SKIPPED_GLOB } from './dockerfileName';

/** The Dockerfiles of a folder and all below it, or of everything that is open; `most` limits the search. */
export async function findDockerfiles(
  folder?: vscode.WorkspaceFolder | vscode.Uri,
  most?: number,
): Promise<vscode.Uri[]> {
  const where = folder === undefined ? DOCKERFILE_GLOB : new vscode.RelativePattern(folder, DOCKERFILE_GLOB);
  const found = await vscode.workspace.findFiles(where, SKIPPED_GLOB, most);
  return found.filter(isDockerfile);
}

/** Whether a file is a Dockerfile, by its name. */
export function isDockerfile({ fsPath }: vscode.Uri): boolean {
  return DOCKERFILE_NAME.test(path.basename(fsPath));
}
