/** Windows of other kinds: a folder that is not trusted, nothing open, two folders, and two folders of one name. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
/** Two folders of the same name, one with two Dockerfiles. */
const first = path.join(temporary.path, 'one', 'app');
const second = path.join(temporary.path, 'two', 'app');
const namesakes = path.join(temporary.path, 'namesakes.code-workspace');
/** One that asks whether a folder is trusted, and one that trusts all. */
let asking: VsCode;
let trusting: VsCode;

before(async () => {
  for (const folder of [shop, blog, first, second]) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\nEXPOSE 8080\n');
  }
  writeFileSync(both, JSON.stringify({ folders: [{ path: 'shop' }, { path: 'blog' }] }));
  writeFileSync(path.join(second, 'Dockerfile.prod'), 'FROM scratch\nEXPOSE 8080\n');
  writeFileSync(path.join(second, 'Dockerfile.dockerignore'), 'node_modules\n');
  writeFileSync(namesakes, JSON.stringify({ folders: [{ path: 'one/app' }, { path: 'two/app' }] }));
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

/** Waits for the folders of a workspace: a window that is quicker than its connection reads its file too early, and has none. */
async function foldersOf(window: Editor): Promise<void> {
  await window.until('the folders', async () => {
    if (await window.page.locator('.part.sidebar .monaco-list-row').first().isVisible()) return true;
    await window.reload();
    return undefined;
  });
}

inWindow('a bluegreen.json that is new in a folder is checked as it is written', { folder: blog }, async (window) => {
  const file = path.join(blog, 'bluegreen.json');
  // By then VS Code has looked for such a file, and found none.
  await window.explorer.menuItems('Dockerfile');
  await window.openFile('Dockerfile');
  // Not a mistake that the schema would find: of those VS Code knows by itself.
  writeFileSync(file, JSON.stringify({ services: { blog: { health: { attempts: 1 } } } }, undefined, 2));
  try {
    await window.openFile('bluegreen.json');
    const [problem] = await window.problems(1);
    assert.match(problem?.message ?? '', /"health"/);
    assert.equal(problem?.line, 4);
  } finally {
    rmSync(file);
  }
});

inWindow('bluegreen.json offers what there is, and tells what is known of it', { folder: blog }, async (window) => {
  const file = path.join(blog, 'bluegreen.json');
  const lines = [
    '{',
    '  "services": {',
    '    "blog": {',
    '      "port": 8,',
    '      "hosts": [""]',
    '    },',
    '    ""',
    '  }',
    '}',
  ];
  writeFileSync(file, lines.join('\n'));
  const context = path.join(asking.home, '.docker', 'contexts', 'meta', 'staging');
  mkdirSync(context, { recursive: true });
  writeFileSync(path.join(context, 'meta.json'), JSON.stringify({ Name: 'staging' }));
  try {
    await window.openFile('bluegreen.json');
    const at = async (line: number, text: string): Promise<void> =>
      window.goTo(line, (lines[line - 1] ?? '').indexOf(text) + text.length + 1);
    await at(4, '8');
    assert.ok((await window.suggestions('8080')).includes('8080'));
    await at(5, '["');
    assert.ok((await window.suggestions('"context:staging"')).includes('"local"'));
    await at(7, '"');
    assert.ok((await window.suggestions('"blog"')).includes('"blog"'));
    await window.screenshot('windows-suggestions');
    await at(3, '"bl');
    assert.match(await window.hover(/Not seen on a host yet/), /Not seen on a host yet\./);
    await at(4, 'po');
    await window.hover(/port/i);
  } finally {
    rmSync(file);
  }
});

inWindow('two folders: which service is asked, then where to', { workspace: both }, async (window) => {
  await foldersOf(window);
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

inWindow(
  'what is edited and not saved is saved first, and a broken configuration hides no other service',
  { workspace: both },
  async (window) => {
    await foldersOf(window);
    const broken = path.join(shop, 'bluegreen.json');
    writeFileSync(broken, '{ "services": { "shop": { "port": "eighty" } } }\n');
    try {
      await window.openFile(['blog', 'Dockerfile']);
      await window.page.keyboard.type('# edited\n');
      await window.until('the edited file', async () => (await window.tabs()).some(({ dirty }) => dirty) || undefined);
      await window.runCommand('Blue-Green: Show What a Deployment Would Do…');
      await window.quickPick(/plan blog for/);
      await window.dismiss();
      assert.match(readFileSync(path.join(blog, 'Dockerfile'), 'utf8'), /^# edited/);
      await window.runCommand('View: Close All Editors');
      await window.runCommand('Blue-Green: Deploy…');
      const { items } = await window.quickPick(/which service/);
      assert.deepEqual(items.map(({ label }) => label).sort(), ['blog', 'shop/bluegreen.json']);
      await window.screenshot('windows-broken-configuration');
      await window.pick('shop/bluegreen.json');
      const failed = await window.notification(/"port"/);
      assert.deepEqual(failed.buttons, ['Open the File']);
      await failed.close();
    } finally {
      rmSync(broken, { force: true });
    }
  },
);

inWindow(
  'two folders of one name, and two Dockerfiles in one of them: each is told by its path',
  { workspace: namesakes },
  async (window) => {
    await foldersOf(window);
    const files = [
      path.join(first, 'Dockerfile'),
      path.join(second, 'Dockerfile'),
      path.join(second, 'Dockerfile.prod'),
    ];
    await window.runCommand('Blue-Green: Deploy…');
    const { items } = await window.quickPick(/which service/);
    assert.deepEqual(
      items.map(({ label, description }) => `${label}: ${description}`).sort(),
      files.map((file) => `app: ${file}`).sort(),
    );
    await window.screenshot('windows-which-namesake');
    await window.pick(`app ${path.join(second, 'Dockerfile')}`);
    await window.quickPick(/deploy app to/);
    await window.dismiss();
    await window.runCommand('Blue-Green: Create Configuration');
    const { items: dockerfiles } = await window.quickPick(/configuration for which Dockerfile/);
    assert.deepEqual(dockerfiles.map(({ label }) => label).sort(), [...files].sort());
    await window.pick(path.join(first, 'Dockerfile'));
    await window.showTab('bluegreen.json');
    assert.ok(existsSync(path.join(first, 'bluegreen.json')));
    assert.ok(!existsSync(path.join(second, 'bluegreen.json')));
  },
);
