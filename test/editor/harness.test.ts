/** The harness, proven against a throw-away extension in a real VS Code: every function of the driver, and its errors. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './cleanup';
import { openEditor, type Editor } from './driver';
import { packThrowaway, writeThrowaway } from './throwaway';
import { startVsCode, type VsCode } from './vscode';

const temporary = temporaryFolder('harness');
const extension = path.join(temporary.path, 'throwaway');
const folder = path.join(temporary.path, 'shop');
/** What to do at the end, in reverse order: also after a start that failed half-way. */
const endings: (() => Promise<void>)[] = [];
let vscode: VsCode;
let editor: Editor;

before(async () => {
  writeThrowaway(extension);
  mkdirSync(path.join(folder, 'src/deep'), { recursive: true });
  writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\nRUN false\n');
  writeFileSync(path.join(folder, 'src/deep/main.py'), 'print("hello")\n');
  writeFileSync(path.join(folder, 'src/README.md'), lines(200));
  const vsix = await packThrowaway(extension, temporary.path);
  const env = { LAB: 'blue', DOCKER_HOST: 'unix:///nowhere', SSH_AUTH_SOCK: '/nowhere' };
  vscode = await startVsCode({ folder, vsix, trust: true, env });
  endings.push(() => vscode.stop());
  editor = await openEditor(vscode);
  endings.push(() => editor.close());
});

after(async () => {
  for (const end of endings.reverse()) await end();
  temporary.remove();
  const left = readdirSync(tmpdir()).filter((name) => name.startsWith(`blue-green-editor-${process.pid}-`));
  assert.deepEqual(left, [], 'nothing temporary is left');
});

function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => `line ${index + 1}`).join('\n') + '\n';
}

/** A test of the shared window, with a picture of how it ended. */
function step(name: string, run: (context: TestContext) => Promise<void>): void {
  test(name, { timeout: 120_000 }, async (context) => {
    try {
      await run(context);
    } finally {
      await editor.screenshot(`harness-${name}`);
    }
  });
}

step('a command, and a notification with buttons', async () => {
  await editor.runCommand('Lab: Hello');
  const hello = await editor.notification('Hello from the lab');
  assert.deepEqual(hello.buttons, ['Yes', 'No']);
  assert.equal(hello.severity, 'info');
  assert.equal(hello.source, 'Throwaway');
  assert.equal(hello.progress, undefined);
  await hello.click('No');
  await hello.gone();
  await editor.statusItem('Lab: answered No');
});

step('an error notification, closed by its cross', async () => {
  await editor.runCommand('Lab: Fail');
  const failed = await editor.notification(/lab failed/);
  assert.equal(failed.text, 'The lab failed: see why');
  assert.equal(failed.severity, 'error');
  await failed.close();
  await failed.gone();
  const history = await editor.notificationHistory();
  assert.deepEqual(
    history.filter(({ severity }) => severity === 'error').map(({ text }) => text),
    ['The lab failed: see why'],
  );
});

step('a notification that is no longer a toast is found in the centre', async () => {
  await editor.runCommand('Lab: Hello');
  await editor.notification('Hello from the lab');
  await editor.press('Escape');
  await editor.until('the toast to hide', async () => ((await editor.notifications()).length === 0 ? true : undefined));
  await (await editor.notification('Hello from the lab')).click('Yes');
  await editor.statusItem('Lab: answered Yes');
  await editor.runCommand('Lab: Fail');
  await editor.notification(/lab failed/);
  await editor.clearNotifications();
  assert.deepEqual(await editor.notifications(), []);
});

step('a text that was cleared is waited for anew, and not looked for in the centre', async () => {
  await editor.runCommand('Lab: Fail');
  await editor.notification(/lab failed/);
  await editor.clearNotifications();
  await assert.rejects(editor.notification(/lab failed/, 2_500), /waited 2.5 s/);
  assert.equal(await editor.page.locator('.notifications-center.visible').count(), 0);
});

step('progress, and its cancel', async () => {
  await editor.runCommand('Lab: Work');
  const work = await editor.notification('Working: step 1');
  assert.equal(work.progress, 40);
  await work.cancel();
  await work.gone();
  await editor.statusItem('Lab: cancelled');
});

step('a quick pick, a validated input box', async () => {
  await editor.runCommand('Lab: Ask');
  const pick = await editor.quickPick('Where to');
  assert.equal(pick.placeholder, 'Choose a host');
  assert.equal(pick.items.length, 62, 'also those out of sight');
  const [production, staging] = pick.items;
  assert.equal(production?.label, 'production');
  assert.equal(production.description, 'ssh://web');
  assert.equal(production.detail, 'BLUE is live');
  assert.equal(production.icon, 'server');
  assert.equal(staging?.detail, '');
  assert.equal(pick.items.at(-1)?.label, 'spare 60');
  await editor.pick('production ssh://web');
  assert.equal((await editor.inputBox('Name')).value, 'old');
  await editor.type('A1', { accept: false });
  const wrong = await editor.until('the validation', async () => {
    const box = await editor.inputBox('Name');
    return box.invalid ? box : undefined;
  });
  assert.equal(wrong.message, 'Small letters only');
  assert.equal(wrong.password, false);
  await editor.type('green');
  await editor.statusItem('Lab: named green');
});

step('a quick pick: an item out of sight, a filter, and dismissing', async () => {
  await editor.runCommand('Lab: Ask');
  await editor.pick('spare 59');
  await editor.inputBox('Name');
  await editor.dismiss();
  await editor.statusItem('Lab: named nothing');
  await editor.runCommand('Lab: Ask');
  await editor.filter('stag');
  await editor.until('the list to be filtered', async () =>
    (await editor.quickPick()).items.length === 1 ? true : undefined,
  );
  await editor.dismiss();
  await editor.statusItem('Lab: chose nothing');
});

step('a quick pick of checkboxes', async () => {
  await editor.runCommand('Lab: Many');
  const { items } = await editor.quickPick('Services');
  assert.deepEqual(
    items.map(({ label, checked }) => [label, checked]),
    [
      ['web', true],
      ['api', false],
      ['worker', false],
    ],
  );
  await editor.pickMany(['api', 'worker']);
  await editor.statusItem('Lab: chose api+worker');
});

step('which commands are offered', async () => {
  const commands = await editor.commands('Lab: ');
  assert.ok(commands.includes('Lab: Hello'), commands.join(', '));
  assert.ok(commands.includes('Lab: Ask'));
  assert.deepEqual(await editor.commands('Lab: No Such Command'), []);
});

step('a modal dialog', async () => {
  await editor.runCommand('Lab: Confirm');
  const dialog = await editor.dialog('Remove it?');
  assert.equal(dialog.detail, 'It cannot be had back.');
  assert.deepEqual([...dialog.buttons].sort(), ['Cancel', 'Remove']);
  await dialog.click('Remove');
  await editor.statusItem('Lab: confirmed Remove');
});

step('a tree view: rows, expanding, inline action, context menu, tooltip', async () => {
  await editor.openView('Lab');
  await editor.openView('Lab');
  const tree = editor.tree('Things');
  const one = await tree.row('one');
  assert.equal(one.expanded, false);
  assert.equal(one.icon, 'server');
  assert.equal(await tree.text(), 'one poked 0 times');
  await tree.expand('one');
  // VS Code asks for the rows below only now.
  await tree.row(['one', 'second']);
  assert.equal(await tree.text(), 'one poked 0 times\n  first\n  second');
  await tree.collapse('one');
  assert.equal((await tree.row(['one', 'second'])).level, 2);
  assert.deepEqual(await tree.actions('one'), ['Poke']);
  await tree.action('one', 'Poke');
  await tree.row('one poked 1 times');
  assert.deepEqual(await tree.menuItems('one'), ['Poke']);
  await tree.menu('one', 'Poke');
  await tree.row(/poked 2 times/);
  assert.match(await tree.tooltip(['one', 'first']), /The thing called first/);
  await editor.viewAction('Hello');
  await (await editor.notification('Hello from the lab')).click('Yes');
});

step('the Explorer: nested files, context menu, editor tabs and text', async () => {
  await editor.openView('Explorer');
  await editor.explorer.menu('Dockerfile', 'Name This File');
  await (await editor.notification('This is Dockerfile')).close();
  assert.ok(!(await editor.explorer.menuItems(['src', 'README.md'])).includes('Name This File'));
  await editor.openFile(['src', 'README.md']);
  assert.equal(await editor.text(), lines(200), 'also the lines out of sight');
  await editor.openFile('Dockerfile');
  await editor.press('Control+End');
  await editor.page.keyboard.type('# more');
  await editor.until('the file to be dirty', async () => (await editor.tabs()).find((tab) => tab.dirty && tab.active));
  await editor.press('Control+S');
  await editor.until('the file to be saved', async () =>
    (await editor.tabs()).some((tab) => tab.dirty) ? undefined : true,
  );
  assert.equal(readFileSync(path.join(folder, 'Dockerfile'), 'utf8'), 'FROM scratch\nRUN false\n# more');
  assert.deepEqual(
    (await editor.tabs()).map(({ label, active }) => [label, active]),
    [
      ['README.md', false],
      ['Dockerfile', true],
    ],
  );
});

step('the output channel, and the environment of the extension host', async () => {
  await editor.runCommand('Lab: Environment');
  const text = await editor.output('Lab', /trusted=/);
  assert.match(text, /^\d{4}-\d\d-\d\d .* \[info\] LAB=blue$/m);
  assert.match(text, /DOCKER_HOST=unix:\/\/\/nowhere$/m);
  assert.match(text, /SSH_AUTH_SOCK=\/nowhere$/m);
  assert.match(text, /trusted=true$/m);
  assert.ok(text.includes(`home=${vscode.home}\n`), text);
  assert.match(vscode.logs(), /HTTP server listening/);
  assert.match(vscode.logs(), /blue-green-lab\.throwaway/);
});

step('the problems panel', async () => {
  await editor.runCommand('Lab: Problem');
  assert.deepEqual(await editor.problems(1), [
    { severity: 'error', message: 'RUN failed with code 2', source: 'lab', line: 2, column: 1, file: 'Dockerfile' },
  ]);
  await editor.runCommand('View: Hide Panel');
});

step('a webview, two frames deep, in four themes', async () => {
  await editor.runCommand('Lab: Panel');
  await editor.showTab('Lab Panel');
  const panel = await editor.webview(/Lab Count 0/);
  await panel.getByRole('button', { name: 'Count' }).click();
  await panel.getByText('1', { exact: true }).waitFor();
  await editor.statusItem('Lab: counted 1');
  const backgrounds: string[] = [];
  for (const theme of ['light', 'hc-light', 'hc-black', 'dark'] as const) {
    await editor.theme(theme);
    const kind =
      { light: 'vscode-light', dark: 'vscode-dark' }[theme as string] ??
      `vscode-high-contrast${theme === 'hc-light' ? '-light' : ''}`;
    await panel.locator(`body.${kind}`).waitFor();
    backgrounds.push(
      await panel.locator('html').evaluate((page) => {
        const style = getComputedStyle(page);
        return style.getPropertyValue('--vscode-editor-background') + style.getPropertyValue('--vscode-contrastBorder');
      }),
    );
    await editor.screenshot(`harness-theme-${theme}`);
  }
  assert.equal(new Set(backgrounds).size, 4, backgrounds.join(' '));
});

step('the keyboard reaches a webview, and the palette is reached from it', async () => {
  const panel = await editor.webview(/Lab Count/);
  await panel.getByRole('button', { name: 'Count' }).focus();
  await editor.press('Enter');
  await editor.statusItem('Lab: counted 2');
  await editor.runCommand('Lab: Hello');
  await (await editor.notification('Hello from the lab')).click('Yes');
});

step('the status bar', async () => {
  const item = await editor.statusItem('blue-green-lab.throwaway.lab.status');
  assert.equal(item.icon, 'rocket');
  assert.match(item.spoken, /What the lab does/);
  assert.ok((await editor.statusBar()).length > 2);
  await editor.clickStatus(/^Lab: /);
  await (await editor.notification('Hello from the lab')).click('No');
});

step('short-lived texts are all in the history', async () => {
  await editor.runCommand('Lab: Stages');
  await (await editor.notification('Staged')).close();
  assert.ok((await editor.notificationHistory()).some(({ text }) => text === 'Working: step 1'));
});

step('an error says what was on the screen', async () => {
  await editor.runCommand('Lab: Hello');
  await editor.notification('Hello from the lab');
  await assert.rejects(editor.notification('No such thing', 300), (error: Error) => {
    assert.match(error.message, /^waited 0.3 s for the notification No such thing$/m);
    assert.match(error.message, /notifications:\n(\s+(Yes|No)\n)*\s+Hello from the lab/);
    assert.match(error.message, /status bar:[^]*Lab:/);
    const picture = /^screenshot: (.*)$/m.exec(error.message)?.[1] ?? '';
    assert.equal(readFileSync(picture).subarray(1, 4).toString(), 'PNG');
    return true;
  });
  await assert.rejects(editor.pick('nothing', 100), /the item nothing/);
  await assert.rejects(editor.explorer.row('no file', 100), /the row no file/);
  await assert.rejects(
    editor.runCommand('Lab: No Such Command', 1_500),
    /the command "Lab: No Such Command" in the palette/,
  );
  await editor.dismiss();
  await editor.clearNotifications();
});

step('a reloaded window, and no errors in the console', async () => {
  await editor.reload();
  await editor.runCommand('Lab: Hello');
  await (await editor.notification('Hello from the lab')).click('Yes');
  await editor.page.evaluate(() => console.error('one error of the page'));
  await editor.until('the error', () =>
    Promise.resolve(editor.consoleErrors.some((text) => text.includes('one error')) ? true : undefined),
  );
  // VS Code writes every error notification to the console too.
  const errors = editor.consoleErrors.filter((text) => !text.startsWith('The lab failed'));
  assert.equal(errors.length, 1, errors.join('\n'));
  assert.match(errors[0] ?? '', /one error of the page/);
});

test('an unpacked extension in a folder that is not trusted, and then is', { timeout: 120_000 }, async () => {
  const settings = { 'security.workspace.trust.startupPrompt': 'always' };
  const restricted = await startVsCode({
    folder,
    extensionFolder: extension,
    trust: false,
    settings,
    colourTheme: 'light',
  });
  try {
    const window = await openEditor(restricted);
    try {
      const question = await window.dialog(/trust the authors/);
      await window.screenshot('harness-trust');
      await question.click(/^No/);
      await window.statusItem('Restricted Mode');
      await window.runCommand('Lab: Environment');
      const text = await window.output('Lab', /trusted=/);
      assert.match(text, /trusted=false$/m);
      assert.match(text, /SSH_AUTH_SOCK=undefined$/m);
      await window.trustFolder();
      await window.runCommand('Lab: Environment');
      await window.output('Lab', /trusted=true$/m);
    } finally {
      await window.close();
    }
  } finally {
    await restricted.stop();
    await restricted.stop();
  }
});

test('a VS Code that cannot start leaves nothing behind', { timeout: 120_000 }, async () => {
  await assert.rejects(
    startVsCode({ folder, vsix: path.join(temporary.path, 'missing.vsix'), trust: true }),
    /code-server ended before it printed[^]*missing\.vsix/,
  );
  const left = readdirSync(tmpdir()).filter((name) => name.startsWith(`blue-green-editor-${process.pid}-vscode-`));
  assert.deepEqual(left.length, 1, 'that of the shared VS Code alone');
});

test('Ctrl-C ends the VS Code and removes what it wrote', { timeout: 120_000 }, async () => {
  const script = path.join(temporary.path, 'interrupted.ts');
  const modulePath = path.join(path.dirname(fileURLToPath(import.meta.url)), 'vscode');
  writeFileSync(
    script,
    `import { startVsCode } from ${JSON.stringify(modulePath)};
     void startVsCode({ folder: ${JSON.stringify(folder)}, trust: true }).then((vscode) => console.log(JSON.stringify(vscode)));
     setInterval(() => undefined, 1_000);`,
  );
  const child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { url, home } = JSON.parse(line.toString()) as Pick<VsCode, 'url' | 'home'>;
  assert.equal((await fetch(url)).status, 200);
  assert.ok(existsSync(home));
  child.kill('SIGINT');
  assert.deepEqual(await ended, [130, null]);
  assert.equal(existsSync(home), false);
  await assert.rejects(fetch(url));
});
