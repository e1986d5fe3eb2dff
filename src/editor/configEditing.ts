import path from 'node:path';
import * as vscode from 'vscode';
import type { CommandId } from './commandIds';
import { CONFIG_GLOB } from './dockerfileName';
import { loadEngine } from './engineLoader';
import { findDockerfiles } from './findDockerfiles';
import type { HostList } from './hostList';
import type { HostStore } from './hostStore';
import { hostLabel, LOCAL_HOST } from '../hostNames';
import { t } from '../l10n';
import { namedHosts } from './namedHosts';

const CONFIG_FILES: vscode.DocumentSelector = { scheme: 'file', pattern: CONFIG_GLOB };
const MAX_DOCKERFILES = 50;

/** A service as a code lens names it to a command. */
export class ServiceInFile {
  constructor(
    readonly file: vscode.Uri,
    readonly name: string,
  ) {}
}

/**
 * What a bluegreen.json offers beyond its schema: hosts, services and ports that exist, what is known of them, and
 * actions above each service.
 */
export class ConfigEditing
  implements vscode.CompletionItemProvider, vscode.HoverProvider, vscode.CodeLensProvider, vscode.Disposable
{
  private readonly registrations: vscode.Disposable;

  constructor(
    private readonly hostList: HostList,
    private readonly hosts: HostStore,
  ) {
    this.registrations = vscode.Disposable.from(
      vscode.languages.registerCompletionItemProvider(CONFIG_FILES, this, '"'),
      vscode.languages.registerHoverProvider(CONFIG_FILES, this),
      vscode.languages.registerCodeLensProvider(CONFIG_FILES, this),
    );
  }

  async provideCodeLenses(document: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    const { servicePlaces } = await loadEngine();
    return servicePlaces(document.getText()).flatMap(({ name, offset }) => {
      const at = document.positionAt(offset);
      const argument = new ServiceInFile(document.uri, name);
      const lens = (title: string, command: CommandId): vscode.CodeLens =>
        new vscode.CodeLens(new vscode.Range(at, at), { title, command, arguments: [argument] });
      return [
        lens(t('Deploy'), 'blueGreen.deploy'),
        lens(t('Plan'), 'blueGreen.plan'),
        lens(t('Roll Back'), 'blueGreen.rollback'),
      ];
    });
  }

  async provideCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
  ): Promise<vscode.CompletionItem[]> {
    const { placeAt } = await loadEngine();
    const { path: at, isKey, word } = placeAt(document.getText(), document.offsetAt(position));
    const range =
      word === undefined
        ? new vscode.Range(position, position)
        : new vscode.Range(document.positionAt(word.offset), document.positionAt(word.offset + word.length));
    const item = (text: string, detail: string, kind: vscode.CompletionItemKind): vscode.CompletionItem => {
      const created = new vscode.CompletionItem(text, kind);
      Object.assign(created, { detail, range, filterText: text, insertText: text });
      return created;
    };
    const [top, service, key, index] = at;
    if (top !== 'services' || typeof service !== 'string') {
      return [];
    }
    if (at.length === 2 && isKey) {
      const names = await serviceNames(document.uri);
      return names.map(({ name, file }) => item(JSON.stringify(name), file, vscode.CompletionItemKind.Module));
    }
    if (key === 'hosts' && typeof index === 'number') {
      const known = [...new Set([...this.hostList.all(), ...(await namedHosts()), LOCAL_HOST])];
      return known.map((host) => item(JSON.stringify(host), this.aboutHost(host), vscode.CompletionItemKind.Value));
    }
    if (key === 'port' && at.length === 3) {
      const ports = await portsOf(document, service);
      return ports.map((port) => item(String(port), t('EXPOSEd by the Dockerfile'), vscode.CompletionItemKind.Value));
    }
    return [];
  }

  async provideHover(document: vscode.TextDocument, position: vscode.Position): Promise<vscode.Hover | undefined> {
    const { placeAt } = await loadEngine();
    const text = document.getText();
    const { path: at, isKey, word } = placeAt(text, document.offsetAt(position));
    const [top, service, key, index] = at;
    if (top !== 'services' || typeof service !== 'string' || word === undefined) {
      return undefined;
    }
    if (at.length === 2 && isKey) {
      const lines = this.hostList.all().flatMap((host) => this.aboutService(host, service));
      return hoverOf(lines.length === 0 ? [t('Not seen on a host yet.')] : lines);
    }
    if (key === 'hosts' && typeof index === 'number') {
      const host = text.slice(word.offset + 1, word.offset + word.length - 1);
      return hoverOf([this.aboutHost(host)]);
    }
    return undefined;
  }

  dispose(): void {
    this.registrations.dispose();
  }

  /** What was last seen of a host. It is not asked: hovering must cost nothing. */
  private aboutHost(host: string): string {
    const view = this.hosts.view(host);
    switch (view.kind) {
      case 'seen':
        return t(
          '{0}: Docker {1}, services: {2}',
          hostLabel(host),
          view.state.engineVersion,
          view.state.services.length,
        );
      case 'offline':
        return view.error.message;
      default:
        return t('{0}: not looked at yet', hostLabel(host));
    }
  }

  private aboutService(host: string, name: string): string[] {
    const service = this.hosts.lastState(host)?.services.find((it) => it.name === name);
    if (service === undefined) {
      return [];
    }
    const live = service.slots.find((slot) => slot.live);
    return [
      live === undefined
        ? t('{0}: no slot is live', hostLabel(host))
        : t('{0}: {1} is live, release {2}', hostLabel(host), live.name, live.release ?? '?'),
    ];
  }
}

/** Lines as they are: what a host says of itself is no Markdown. */
function hoverOf(lines: readonly string[]): vscode.Hover {
  return new vscode.Hover(lines.map((line) => new vscode.MarkdownString().appendText(line)));
}

/** Names that Dockerfiles of the file's folder and below would get without a configuration. */
async function serviceNames(config: vscode.Uri): Promise<{ name: string; file: string }[]> {
  const { zeroServiceName } = await loadEngine();
  const folder = path.dirname(config.fsPath);
  const found = await findDockerfiles(vscode.Uri.file(folder), MAX_DOCKERFILES);
  return found.map(({ fsPath }) => ({
    name: zeroServiceName(fsPath, path.dirname(fsPath)),
    file: path.relative(folder, fsPath),
  }));
}

/** The ports that the service's Dockerfile EXPOSEs. */
async function portsOf(document: vscode.TextDocument, service: string): Promise<number[]> {
  const { exposedPorts, parseConfig } = await loadEngine();
  const file = document.uri.fsPath;
  const found = parseConfig(document.getText(), file).services.find((it) => it.name === service);
  const dockerfile = found?.build.dockerfile ?? path.join(path.dirname(file), 'Dockerfile');
  try {
    const bytes = await vscode.workspace.fs.readFile(vscode.Uri.file(dockerfile));
    return exposedPorts(Buffer.from(bytes).toString());
  } catch {
    return [];
  }
}
