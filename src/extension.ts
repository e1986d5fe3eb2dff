import * as vscode from 'vscode';
import { App } from './editor/app';
import { registerCommands } from './editor/commands';
import { useTranslator } from './l10n';

let app: App | undefined;

/** Registers everything and does nothing else: no file, no network, no engine until the first command needs them. */
export function activate(context: vscode.ExtensionContext): void {
  useTranslator((message, ...args) => vscode.l10n.t(message, ...args), vscode.env.language);
  app = new App(context);
  context.subscriptions.push(registerCommands(app));
}

/** VS Code waits for this: deployments under way are cancelled and taken back first. */
export async function deactivate(): Promise<void> {
  await app?.stop();
  app = undefined;
}
