/** A tiny extension with one of each thing that the driver drives. The harness is tested against it, and only the harness. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createVSIX } from '@vscode/vsce';

const commands = [
  'hello',
  'ask',
  'work',
  'stage',
  'confirm',
  'panel',
  'problem',
  'environment',
  'file',
  'row',
  'fail',
  'many',
] as const;

const title: Readonly<Record<(typeof commands)[number], string>> = {
  hello: 'Hello',
  ask: 'Ask',
  work: 'Work',
  stage: 'Stages',
  confirm: 'Confirm',
  panel: 'Panel',
  problem: 'Problem',
  environment: 'Environment',
  file: 'Name This File',
  row: 'Poke',
  fail: 'Fail',
  many: 'Many',
};

const manifest = {
  name: 'throwaway',
  displayName: 'Throwaway',
  description: 'Drives the harness.',
  version: '0.0.1',
  publisher: 'blue-green-lab',
  license: 'MIT',
  engines: { vscode: '^1.90.0' },
  main: './extension.js',
  files: ['*.js', '*.svg', 'README.md'],
  capabilities: {
    untrustedWorkspaces: { supported: 'limited', description: 'Runs nothing until the folder is trusted.' },
  },
  contributes: {
    commands: commands.map((name) => ({
      command: `lab.${name}`,
      title: title[name],
      category: 'Lab',
      ...(name === 'row' ? { icon: '$(rocket)' } : {}),
    })),
    viewsContainers: { activitybar: [{ id: 'lab', title: 'Lab', icon: 'icon.svg' }] },
    views: { lab: [{ id: 'lab.things', name: 'Things' }] },
    menus: {
      'explorer/context': [{ command: 'lab.file', when: 'resourceFilename == Dockerfile', group: 'navigation' }],
      'view/title': [{ command: 'lab.hello', when: 'view == lab.things', group: 'navigation@1' }],
      'view/item/context': [
        { command: 'lab.row', when: 'view == lab.things && viewItem == thing', group: 'inline' },
        { command: 'lab.row', when: 'view == lab.things && viewItem == thing' },
      ],
    },
  },
};

const code = `
const vscode = require('vscode');
const os = require('node:os');

exports.activate = (context) => {
  const log = vscode.window.createOutputChannel('Lab', { log: true });
  const status = vscode.window.createStatusBarItem('lab.status', vscode.StatusBarAlignment.Left);
  status.name = 'Lab';
  status.text = '$(rocket) Lab: idle';
  status.tooltip = 'What the lab does';
  status.command = 'lab.hello';
  status.show();
  const say = (text) => { status.text = '$(rocket) Lab: ' + text; log.info(text); };
  const things = vscode.languages.createDiagnosticCollection('lab');

  const changed = new vscode.EventEmitter();
  let pokes = 0;
  const tree = vscode.window.createTreeView('lab.things', {
    treeDataProvider: {
      onDidChangeTreeData: changed.event,
      getChildren: (thing) => (thing === undefined ? ['one'] : thing === 'one' ? ['first', 'second'] : []),
      getTreeItem: (thing) => {
        const parent = thing === 'one';
        const item = new vscode.TreeItem(thing, parent ? vscode.TreeItemCollapsibleState.Collapsed : vscode.TreeItemCollapsibleState.None);
        item.description = parent ? 'poked ' + pokes + ' times' : undefined;
        item.contextValue = parent ? 'thing' : 'part';
        item.tooltip = 'The thing called ' + thing;
        if (parent) item.iconPath = new vscode.ThemeIcon('server');
        return item;
      },
    },
  });

  const add = (name, run) => context.subscriptions.push(vscode.commands.registerCommand('lab.' + name, run));
  add('hello', async () => {
    const answer = await vscode.window.showInformationMessage('Hello from the lab', 'Yes', 'No');
    say('answered ' + answer);
  });
  add('fail', () => vscode.window.showErrorMessage('The lab failed: [see why](https://example.com)'));
  add('ask', async () => {
    const picked = await vscode.window.showQuickPick(
      [
        { label: '$(server) production', description: 'ssh://web', detail: 'BLUE is live' },
        { label: 'staging', description: 'ssh://test' },
        ...Array.from({ length: 60 }, (_, index) => ({ label: 'spare ' + (index + 1) })),
      ],
      { title: 'Where to', placeHolder: 'Choose a host' },
    );
    if (picked === undefined) return say('chose nothing');
    const name = await vscode.window.showInputBox({
      title: 'Name', prompt: 'A name for ' + picked.label.replace(/^\\S+\\) /, ''), value: 'old', placeHolder: 'name',
      validateInput: (text) => (/^[a-z]+$/.test(text) ? undefined : 'Small letters only'),
    });
    say(name === undefined ? 'named nothing' : 'named ' + name);
  });
  add('many', async () => {
    const picked = await vscode.window.showQuickPick(
      [{ label: 'web', picked: true }, { label: 'api' }, { label: 'worker' }],
      { canPickMany: true, title: 'Services' },
    );
    say('chose ' + (picked === undefined ? 'none' : picked.map((item) => item.label).join('+')));
  });
  add('work', () =>
    vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: 'Working', cancellable: true },
      (progress, token) => {
        progress.report({ message: 'step 1', increment: 40 });
        return new Promise((resolve) => token.onCancellationRequested(() => { say('cancelled'); resolve(); }));
      },
    ),
  );
  add('stage', () =>
    vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: 'Staging' }, async () => {
      for (const name of ['build', 'start', 'switch']) {
        say(name);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      vscode.window.showInformationMessage('Staged');
    }),
  );
  add('confirm', async () => {
    const answer = await vscode.window.showWarningMessage('Remove it?', { modal: true, detail: 'It cannot be had back.' }, 'Remove');
    say('confirmed ' + answer);
  });
  add('panel', () => {
    const panel = vscode.window.createWebviewPanel('lab.panel', 'Lab Panel', vscode.ViewColumn.One, {
      enableScripts: true, localResourceRoots: [context.extensionUri],
    });
    const script = panel.webview.asWebviewUri(vscode.Uri.joinPath(context.extensionUri, 'panel.js'));
    panel.webview.html = \`<!DOCTYPE html><html><head>
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src \${panel.webview.cspSource}">
      <style>
        button { color: var(--vscode-button-foreground); background: var(--vscode-button-background);
          border: 1px solid var(--vscode-contrastBorder, transparent); padding: 8px 16px; }
      </style>
      </head><body><h1>Lab</h1><button id="count">Count</button> <span id="number">no number</span>
      <script src="\${script}"></script></body></html>\`;
    let count = 0;
    panel.webview.onDidReceiveMessage(() => { count++; say('counted ' + count); panel.webview.postMessage(count); });
  });
  add('problem', () => {
    const file = vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, 'Dockerfile');
    const wrong = new vscode.Diagnostic(new vscode.Range(1, 0, 1, 3), 'RUN failed with code 2', vscode.DiagnosticSeverity.Error);
    wrong.source = 'lab';
    things.set(file, [wrong]);
  });
  add('environment', () => {
    for (const name of ['LAB', 'SSH_AUTH_SOCK', 'DOCKER_HOST']) log.info(name + '=' + process.env[name]);
    log.info('home=' + os.homedir());
    log.info('trusted=' + vscode.workspace.isTrusted);
  });
  add('file', (uri) => vscode.window.showInformationMessage('This is ' + uri.path.split('/').pop()));
  add('row', (thing) => { pokes++; changed.fire(undefined); say('poked ' + thing); });
  context.subscriptions.push(log, status, things, tree);
  say('idle');
};
`;

/** The panel's page loads this as a real extension would: from its own folder, through the webview's service worker. */
const panelCode = `
const editor = acquireVsCodeApi();
const number = document.getElementById('number');
number.textContent = '0';
document.getElementById('count').onclick = () => editor.postMessage('count');
addEventListener('message', (event) => { number.textContent = event.data; });
`;

/** Writes the extension into `folder`. */
export function writeThrowaway(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest, undefined, 2));
  writeFileSync(path.join(folder, 'extension.js'), code);
  writeFileSync(path.join(folder, 'panel.js'), panelCode);
  writeFileSync(path.join(folder, 'README.md'), '# Throwaway\n');
  writeFileSync(
    path.join(folder, 'icon.svg'),
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="8" fill="#888"/></svg>',
  );
}

/** Packs the extension in `folder` as `vsce package` does. @returns the VSIX, which lies in `into`. */
export async function packThrowaway(folder: string, into: string): Promise<string> {
  const vsix = path.join(into, 'throwaway.vsix');
  await createVSIX({
    cwd: folder,
    packagePath: vsix,
    dependencies: false,
    allowMissingRepository: true,
    skipLicense: true,
  });
  return vsix;
}
