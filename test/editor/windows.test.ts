/** Windows without a trusted folder: one that is not trusted, one with nothing open, and one with two folders. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { temporaryFolder } from './cleanup';
import { type Editor, openEditor } from './driver';
import { packExtension } from './package';
import { type Opened, startVsCode, type VsCode } from './vscode';

const temporary = temporaryFolder('windows');
const shop = path.join(temporary.path, 'shop');
const blog = path.join(temporary.path, 'blog');
const both = path.join(temporary.path, 'both.code-workspace');
/** One that asks whether a folder is trusted, and one that trusts all. */
let asking: VsCode;
let trusting: VsCode;

before(async () => {
  for (const folder of [shop, blog]) {
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\nEXPOSE 8080\n');
  }
  writeFileSync(both, JSON.stringify({ folders: [{ path: 'shop' }, { path: 'blog' }] }));
  const vsix = await packExtension();
  asking = await startVsCode({ folder: shop, vsix, trust: false });
  trusting = await startVsCode({ folder: shop, vsix, trust: true });
});
after(async () => {
  await asking.stop();
  await trusting.stop();
  temporary.remove();
});

/** A test in a window of its own, with a picture of how it ended. */
function inWindow(name: string, opened: Opened, run: (window: Editor) => Promise<void>): void {
  test(name, { timeout: 180_000 }, async () => {
    const window = await openEditor('workspace' in opened ? trusting : asking, { opened, limit: 60_000 });
    try {
      await run(window);
    } finally {
      await window.screenshot(`windows-${name}`);
      await window.close();
    }
  });
}

inWindow('a folder that is not trusted cannot be deployed from', { folder: shop }, async (window) => {
  const items = await window.explorer.menuItems('Dockerfile');
  assert.ok(!items.some((item) => item.startsWith('Deploy')), items.join());
  await window.runCommand('Blue-Green: Deploy…');
  const refused = await window.notification(/does not deploy from a workspace that is not trusted/);
  assert.deepEqual(refused.buttons, ['Manage Workspace Trust']);
  await window.openView('Blue-Green');
  await window.until('the welcome', async () => /trust/i.test(await window.welcomeText()) || undefined);
});

inWindow('nothing is open: every command says what to do', { ew: 'true' }, async (window) => {
  await window.openView('Blue-Green');
  await window.until(
    'the welcome',
    async () => /Open a folder with a Dockerfile to deploy it/.test(await window.welcomeText()) || undefined,
  );
  for (const [command, says] of [
    ['Deploy…', 'There is no folder open, so there is nothing to deploy. Open a folder with a Dockerfile.'],
    ['Show What a Deployment Would Do…', 'There is no folder open, so there is nothing to deploy.'],
    ['Create Configuration', 'There is no folder open'],
    ['Show Deployment', 'There has been no deployment from this workspace yet.'],
  ] as const) {
    await window.runCommand(`Blue-Green: ${command}`);
    const said = await window.notification(new RegExp(says.replaceAll('.', '\\.')));
    assert.equal(said.severity, 'warning', said.text);
    await said.close();
  }
  // What needs no folder is there: a host to look at.
  await window.runCommand('Blue-Green: Add Host…');
  const { items } = await window.quickPick(/add a host/);
  assert.ok(items.some(({ description }) => description === 'local'));
  await window.dismiss();
});

inWindow('two folders: which service is asked, then where to', { workspace: both }, async (window) => {
  // A window that is quicker than its connection reads the workspace's file too early, and has no folder.
  await window.until('the folders', async () => {
    if (await window.page.locator('.part.sidebar .monaco-list-row').first().isVisible()) return true;
    await window.reload();
    return undefined;
  });
  await window.runCommand('Blue-Green: Deploy…');
  const { items } = await window.quickPick(/which service/);
  assert.deepEqual(items.map(({ label, description }) => `${label}: ${description}`).sort(), [
    'blog: blog/Dockerfile',
    'shop: shop/Dockerfile',
  ]);
  await window.screenshot('windows-which-service');
  await window.pick('blog blog/Dockerfile');
  await window.quickPick(/deploy blog to/);
  await window.dismiss();
  // A file says which.
  await window.openView('Explorer');
  await window.explorer.menu(['shop', 'Dockerfile'], /^Deploy/);
  await window.quickPick(/deploy shop to/);
  await window.dismiss();
  // So does the editor in front.
  await window.openFile(['blog', 'Dockerfile']);
  await window.runCommand('Blue-Green: Show What a Deployment Would Do…');
  await window.quickPick(/plan blog for/);
  await window.dismiss();
  await window.runCommand('View: Close All Editors');
  await window.runCommand('Blue-Green: Create Configuration');
  await window.quickPick(/configuration for which Dockerfile/);
  await window.pick('shop/Dockerfile');
  await window.showTab('bluegreen.json');
  assert.match(await window.text(), /"shop"/);
});
