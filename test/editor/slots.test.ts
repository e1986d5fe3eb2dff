/** What is on a host, seen and changed from the window: the tree and its menus, bluegreen.json, the keyboard alone, and Russian. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Frame } from 'playwright-core';
import { type App, containers, get } from '../integration/fixtures';
import type { Host } from '../machines/host';
import type { Dialog, Editor } from './driver';
import type { Production } from './production';
import { DEPLOYED, playScene, type Scene } from './scene';

let scene: Scene;
let production: Production;
let host: Host;
let app: App;
let editor: Editor;

const step = playScene('slots', async (opened) => {
  scene = opened;
  ({ production, host, app, editor } = scene);
  await production.serve('GREEN');
  await editor.openView('Blue-Green');
  await editor.runCommand('Blue-Green: Add Host…');
  await editor.pick('production');
});

step('a host that has been added shows what is on it', async () => {
  await production.serve('GREEN');
  await editor.openView('Blue-Green');
  await editor.tree('Slots').row(['production', 'uptimer', /^GREEN live/]);
});

step('the buttons in the title are about no row, whichever has the focus', async () => {
  await production.serve('GREEN');
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  await slots.click(['production', 'uptimer']);
  await editor.viewAction('Deploy…');
  const { items } = await editor.quickPick(/deploy uptimer to/);
  assert.ok(items.some(({ label }) => label === 'production'));
  await editor.dismiss();
});

step('a host taken off the list is let go of: nothing is connected to it any more', async () => {
  await production.serve('GREEN');
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  await slots.row(['production', 'uptimer', /^GREEN live/]);
  assert.notEqual(await sessions(), 0, 'it is watched');
  await slots.menu('production', 'Remove Host from List');
  try {
    await editor.until('the connection to end', async () => (await sessions()) === 0 || undefined);
  } finally {
    await editor.runCommand('Blue-Green: Add Host…');
    await editor.pick('production');
  }
  await slots.row(['production', 'uptimer', /^GREEN live/]);
});

/** Processes of sshd that serve a login to the host. */
async function sessions(): Promise<number> {
  return Number(await host.mustExec("pgrep -cf '^sshd.*: deploy' || true"));
}

step('rolled back from the tree', async () => {
  await production.serve('GREEN');
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  await slots.menu(['production', 'uptimer'], /Roll Back/);
  const question = await editor.dialog(/Roll back uptimer on production to BLUE\?/);
  await question.click('Roll Back');
  const done = await editor.notification(/is live on BLUE/, DEPLOYED);
  assert.match((await get(host)).text, /^uptimer 1 /);
  await done.close();
});

step('the tree tells who deployed what and when, and follows what happens on the host', async () => {
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  const kept = /^GREEN kept for rollback · (now|\d+ (sec|min)\. ago) · \d{8}-\d{6}-\w{4} · \w+@/;
  await slots.row(['production', 'uptimer', kept]);
  // Not by us: the engine's own event is what the tree hears.
  await host.mustExec('docker start uptimer_GREEN');
  await slots.row(['production', 'uptimer', /^GREEN idle, running/]);
  await slots.row(['production', 'uptimer', /GREEN runs as well/]);
  // Of a host whose row is closed when it is asked for; and once it is opened again by itself.
  await slots.collapse('production');
  await host.mustExec('docker create --name blog_BLUE nginx:1.30-alpine');
  try {
    await slots.action('production', 'Refresh');
    await slots.row(/^production 2 services$/);
  } finally {
    await host.mustExec('docker rm blog_BLUE');
  }
  await slots.expand('production');
  await host.mustExec('docker stop -t 1 uptimer_GREEN');
  await slots.row(['production', 'uptimer', /^GREEN kept for rollback/]);
});

step('a container is restarted from the tree when its question is answered, and its log goes on', async () => {
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  await slots.action(['production', 'uptimer', 'BLUE'], /Show Container Logs/);
  await editor.output('uptimer BLUE @ production', /uptimer 1 serves on port/);
  await slots.menu(['production', 'uptimer', 'BLUE'], /Restart Container/);
  const question = await editor.dialog(/Restart uptimer BLUE on production\?/);
  assert.match(question.detail, /It is live: requests fail until it answers again/);
  await question.click('Restart');
  await editor.until('the restarted service', async () =>
    (await get(host).catch(() => undefined))?.status === 200 ? true : undefined,
  );
  await editor.output('uptimer BLUE @ production', /(?:serves on port[^]*){3}/);
});

step('both slots in one log, which goes on with the tree when the engine was restarted', async () => {
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  await slots.row(['production', 'uptimer', /^BLUE live/]);
  await slots.action(['production', 'uptimer'], /Show Container Logs/);
  const before = await editor.output('uptimer @ production', /uptimer_BLUE +\| uptimer 1 serves on port/);
  assert.match(before, /uptimer_GREEN \| uptimer 2 serves on port/);
  const starts = before.split('uptimer 1 serves on port').length;
  await Promise.all([host.restartDocker(), slots.row(/^production offline$/)]);
  await slots.row(['production', 'uptimer', /^BLUE live/]);
  await editor.until('the log to go on', async () => {
    const now = await editor.output('uptimer @ production');
    return now.split('uptimer 1 serves on port').length > starts || undefined;
  });
});

step('a shell in the slot', async () => {
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  await slots.action(['production', 'uptimer', 'BLUE'], /Open Shell/);
  await editor.page.locator('.terminal-wrapper.active .xterm').first().waitFor();
  // What is typed before the shell is there is lost, and typed again.
  await editor.until('what was typed in the container', async () => {
    await editor.page.keyboard.type('echo slot-is-$((40 + 2)) > /tmp/typed\n');
    const typed = await host.mustExec('docker exec uptimer_BLUE cat /tmp/typed 2>/dev/null || true');
    return typed.includes('slot-is-42') ? true : undefined;
  });
});

step('the nginx configuration that serves, as a document', async () => {
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  await editor.tree('Slots').menu(['production', 'uptimer'], /Show nginx Configuration/);
  await editor.showTab(/uptimer\.conf @ production/);
  assert.match(await editor.text(), /uptimer_BLUE:8080/);
});

step('the status bar names the live slot', async () => {
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  const item = await editor.statusItem(/uptimer: BLUE/);
  assert.match(item.text, /uptimer: BLUE/);
});

step('a task deploys after the one that it depends on, to the host that it asks for', async () => {
  await production.serve('BLUE');
  app.setVersion('2');
  const ship = { label: 'ship', type: 'blue-green', action: 'deploy', service: 'uptimer', host: '${input:host}' };
  const inputs = [{ id: 'host', type: 'pickString', description: 'Where to?', options: ['production', 'elsewhere'] }];
  const test = { label: 'test', type: 'shell', command: 'echo tested > tested.txt', problemMatcher: [] };
  const tasks = [test, { ...ship, dependsOn: 'test' }];
  app.write('.vscode/tasks.json', JSON.stringify({ version: '2.0.0', tasks, inputs }));
  try {
    // VS Code reads a file that is new now and then, and a list that is open stays as it is.
    await editor.until('the task ship in the list', async () => {
      await editor.runCommand('Tasks: Run Task');
      const { items } = await editor.quickPick(undefined, 5_000);
      if (items.some(({ label }) => label === 'ship')) {
        return true;
      }
      await editor.dismiss();
      return undefined;
    });
    await editor.pick('ship');
    await editor.pick('production');
    const done = await editor.notification(/is live on GREEN/, DEPLOYED);
    assert.match((await get(host)).text, /^uptimer 2 /);
    assert.ok(existsSync(path.join(app.folder, 'tested.txt')));
    await done.close();
  } finally {
    rmSync(path.join(app.folder, '.vscode'), { recursive: true });
    rmSync(path.join(app.folder, 'tested.txt'), { force: true });
  }
});

step('a mistake in bluegreen.json is underlined where it is', async () => {
  app.write('bluegreen.json', '{\n  "services": {\n    "uptimer": { "port": "eighty" }\n  }\n}\n');
  try {
    await editor.openFile('bluegreen.json');
    const problems = await editor.until('the problem of bluegreen.json', async () => {
      const found = (await editor.problems()).filter((it) => /bluegreen/.test(JSON.stringify(it)));
      return found.length > 0 ? found : undefined;
    });
    assert.equal(problems[0]?.line, 3);
  } finally {
    rmSync(path.join(app.folder, 'bluegreen.json'));
  }
});

step('a host with an unknown key: asked with its fingerprint, refused when not trusted, known once it is', async () => {
  const { lab } = production;
  const stranger = await (await lab.host({ engine: '28.5', name: 'stranger', prepared: true })).dockerReady();
  const known = readFileSync(lab.knownHostsFile, 'utf8');
  const others = known.split('\n').filter((line) => !line.includes(stranger.address));
  writeFileSync(lab.knownHostsFile, others.join('\n'));
  const address = `deploy@${stranger.address}`;
  const askWhetherTrusted = async (command: string): Promise<Dialog> => {
    await editor.runCommand(`Blue-Green: ${command}`);
    await editor.pick(/Enter a Host/);
    await editor.type(address);
    return editor.dialog(/Do you trust/, DEPLOYED);
  };
  try {
    await editor.openView('Blue-Green');
    const slots = editor.tree('Slots');
    const refused = await askWhetherTrusted('Show What a Deployment Would Do…');
    assert.match(refused.detail, /SHA256:/);
    await slots.row(address);
    await refused.click('Cancel');
    const failed = await editor.notification(/was not trusted/, DEPLOYED);
    assert.equal(failed.severity, 'error');
    await failed.close();
    // At once: now and then all rows are compared anyway.
    await editor.until(
      'the row of a host that did not answer to be gone',
      async () => (await slots.rows()).every(({ label }) => !label.includes(stranger.address)) || undefined,
      5_000,
    );
    assert.equal(readFileSync(lab.knownHostsFile, 'utf8'), others.join('\n'), 'nothing was remembered');
    assert.deepEqual(await containers(stranger), []);

    await (await askWhetherTrusted('Deploy…')).click('Trust and Remember');
    await scene.readPlan();
    // The panel goes out of sight; the row of what is coming brings it back.
    await editor.openFile('Dockerfile');
    await editor.openView('Blue-Green');
    await slots.expand(address);
    const coming = [address, 'uptimer Waiting for your answer'];
    const items = await slots.menuItems(coming);
    assert.ok(items.includes('Show Deployment') && items.includes('Cancel Deployment'), items.join());
    await slots.click(coming);
    await (await scene.readPlan()).getByRole('button', { name: 'Deploy' }).click();
    await (await editor.notification(/is live on BLUE/, DEPLOYED)).close();
    assert.match((await get(stranger)).text, /^uptimer /);
    const added = readFileSync(lab.knownHostsFile, 'utf8').slice(others.join('\n').length);
    assert.ok(added.includes(stranger.hostKey), added);
    await slots.menu(address, 'Remove Host from List');
  } finally {
    await stranger.remove();
  }
});

step('made live from the menu of its slot', async () => {
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  await editor.tree('Slots').menu(['production', 'uptimer', 'GREEN'], /Switch to This Slot/);
  const question = await editor.dialog(/Switch uptimer on production to GREEN\?/);
  await scene.picture('switch-question');
  await question.click('Switch');
  const done = await editor.notification(/is live on GREEN/, DEPLOYED);
  assert.match(done.text, /0 failed/);
  assert.match((await get(host)).text, /^uptimer 2 /);
  await done.close();
});

step('what a restart of the host would not bring back is told, and repaired, from the menus of the tree', async () => {
  await production.serve('GREEN');
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  await host.mustExec('docker update --restart=no uptimer_GREEN');
  await slots.menu('production', /Check What a Restart Would Do/);
  const warned = await editor.notification(/If production restarts now, not every service comes back\./);
  assert.equal(warned.severity, 'warning');
  await scene.picture('drill-warned');
  await warned.click('Show Details');
  await editor.showTab(/Restart of production/);
  assert.match(await editor.text(), /^uptimer: .*GREEN/m);
  await host.pause();
  try {
    await slots.menu(['production', 'uptimer'], 'Repair…');
    const looking = await editor.notification(/Looking at production…/);
    await looking.cancel();
    await looking.gone(5_000);
  } finally {
    await host.unpause();
  }
  await slots.menu(['production', 'uptimer'], 'Repair…');
  const repairing = await editor.dialog('Repair uptimer on production?');
  assert.match(repairing.detail, /GREEN is live and would not come back/);
  await repairing.click('Repair');
  const repaired = await editor.notification(/uptimer_GREEN comes back after a restart/);
  assert.equal(repaired.severity, 'info', repaired.text);
  await scene.picture('repaired');
  await repaired.close();
  const policy = "docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' uptimer_GREEN";
  assert.match(await host.mustExec(policy), /unless-stopped/);
  await slots.menu('production', /Check What a Restart Would Do/);
  await (await editor.notification(/If production restarts now, every service comes back\./)).close();
});

step('the menus of a Dockerfile that is open: title, tab and text', async () => {
  await production.serve('GREEN');
  await editor.openFile('Dockerfile');
  await editor.page.locator('.editor-actions .action-label[aria-label^="Deploy"]').click();
  await editor.quickPick(/deploy uptimer to/);
  await editor.dismiss();
  const tab = editor.page.locator('.tabs-container .tab.active');
  const text = editor.page.locator('.editor-group-container.active .view-lines');
  for (const place of [tab, text]) {
    const items = await editor.menuItems(place);
    for (const name of [/^Deploy/, /^Show What a Deployment/]) {
      assert.ok(
        items.some((item) => name.test(item)),
        items.join(),
      );
    }
  }
  await editor.menu(text, /^Show What a Deployment/);
  await editor.pick('production');
  await editor.webview(/This is what a deployment would do/, DEPLOYED);
});

step('Deploy, Plan and Roll Back above a service in bluegreen.json do what they say', async () => {
  await production.serve('GREEN');
  const text = { services: { uptimer: { port: 8080, hosts: ['production'] } } };
  app.write('bluegreen.json', JSON.stringify(text, undefined, 2));
  try {
    await editor.openFile('bluegreen.json');
    await lens('Plan');
    await editor.pick('production');
    await editor.webview(/This is what a deployment would do/, DEPLOYED);
    await scene.picture('code-lens');
    await lens('Roll Back');
    await editor.pick('production');
    await (await editor.dialog(/Roll back uptimer on production to BLUE\?/)).click('Cancel');
    await lens('Deploy');
    await editor.pick('production');
    await (await scene.readPlan()).getByRole('button', { name: 'Cancel' }).click();
    await editor.webview(/Cancelled before anything was touched/);
    assert.match((await get(host)).text, /^uptimer 2 /);
  } finally {
    rmSync(path.join(app.folder, 'bluegreen.json'));
  }
});

/** Clicks what stands above the first service of bluegreen.json. */
async function lens(name: string): Promise<void> {
  await editor.showTab('bluegreen.json');
  await editor.page.locator('.editor-group-container.active .view-lines').click();
  await editor.press('Control+Home');
  const lenses = editor.page.locator('.codelens-decoration');
  await editor.until(
    'the code lenses',
    async () => /Deploy\s*\|\s*Plan\s*\|\s*Roll Back/.test((await lenses.allInnerTexts()).join()) || undefined,
  );
  await lenses.getByText(name, { exact: true }).click();
}

step('a deployment with the keyboard alone', async () => {
  await production.serve('GREEN');
  await editor.openView('Explorer');
  app.setVersion('1');
  const type = (keys: string): Promise<void> => editor.page.keyboard.type(keys, { delay: 20 });
  await editor.press('F1');
  await editor.highlighted('');
  await type('Blue-Green: Deploy…');
  await editor.highlighted('Blue-Green: Deploy…');
  await editor.press('Enter');
  await editor.quickPick(/deploy uptimer to/);
  await type('production');
  await editor.highlighted('production');
  await editor.press('Enter');

  const panel = await scene.readPlan();
  // Not on the button: whoever typed on while the plan was made would deploy with the next space or Enter.
  await focused(panel, 'heading', 'uptimer → production');
  await scene.picture('keyboard-plan');
  await editor.press('Enter');
  await editor.press('Space');
  await editor.press('Tab');
  await focused(panel, 'button', 'Deploy');
  await panel.getByText(/Read the plan/).waitFor();
  await editor.press('Enter');
  const status = panel.getByRole('status');
  assert.equal(await status.getAttribute('aria-live'), 'polite');
  // The button is gone; the focus stays in the panel, at its title, and the next Tab finds what can be pressed now.
  await focused(panel, 'heading', 'uptimer → production');
  await status.getByText(/uptimer \S+ is live on BLUE at production/).waitFor({ timeout: DEPLOYED });
  await editor.press('Tab');
  await focused(panel, 'button', 'Open Site');
  await scene.picture('keyboard-end');
  for (const name of ['Roll Back', 'Deploy Again', 'Show Container Logs']) {
    await editor.press('Tab');
    await focused(panel, 'button', name);
  }
  await editor.press('Tab');
  await focused(panel, 'region', 'Stages');
  await editor.press('Tab');
  await focused(panel, 'tab', /Log/);
  await editor.press('ArrowRight');
  await focused(panel, 'tab', /Probes/);
  await panel.getByRole('table').waitFor();
  await scene.picture('keyboard-probes');
  assert.match((await get(host)).text, /^uptimer 1 /);
  // Also with the view of the slots hidden.
  await editor.statusItem('uptimer: BLUE');
  // Its run comes at once, whichever others there are.
  await editor.runCommand('View: Close All Editors');
  await editor.clickStatus('uptimer: BLUE');
  await editor.webview(/is live on BLUE/);
});

/** Waits until an element of the panel has the keyboard's focus. */
async function focused(
  panel: Frame,
  role: 'button' | 'heading' | 'region' | 'tab',
  name: string | RegExp,
): Promise<void> {
  const element = panel.getByRole(role, { name, exact: true });
  await editor.until(`the focus on ${role} ${String(name)}`, async () => {
    const has = await element.evaluate((it) => it.matches(':focus, :focus-within'));
    return has || undefined;
  });
}

step('nothing went wrong in the page or the extension host', () => {
  // VS Code also logs the error message that a step above asked for.
  scene.assertNothingWrong(/was not trusted/);
  return Promise.resolve();
});

/** Makes the window speak Russian, if it does not yet. */
async function inRussian(): Promise<void> {
  if ((await editor.page.evaluate(() => document.documentElement.lang)) !== 'ru') {
    production.vscode.setLanguage('ru');
    await editor.reload();
  }
}

/** Words of ours that were left in English: three of them in a row, which no name, path or command has. */
function assertRussian(text: string): void {
  assert.match(text, /[а-яё]/);
  assert.doesNotMatch(text, /\b[A-Za-z]+ [a-z]+ [a-z]+\b/);
}

step('a window in Russian', async () => {
  await inRussian();
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  await editor.tree('Слоты').row(['production', 'uptimer', /^BLUE работает/]);
  const items = await editor.tree('Слоты').menuItems(['production', 'uptimer']);
  assert.ok(items.includes('Откатить…'), items.join());
  await scene.picture('russian-tree');
  await editor.runCommand('Blue-Green: Развернуть…');
  await editor.quickPick(/развернуть uptimer на…/);
  await editor.pick('production');
  const panel = await editor.webview(/Прочтите план/, DEPLOYED);
  assert.equal(await panel.evaluate(() => document.documentElement.lang), 'ru');
  await scene.picture('russian-plan');
  await panel.getByRole('button', { name: 'Отмена' }).click();
  await editor.webview(/ничего не тронуто/i);
});

step('Russian below the editor: what is odd on a host, and a plan that warns', async () => {
  await inRussian();
  await production.serve('BLUE');
  await host.mustExec('docker exec reverse-proxy sh -c \'echo "# by hand" >> /etc/nginx/conf.d/uptimer.conf\'');
  await host.mustExec('docker start uptimer_GREEN');
  try {
    await seeWhatIsOdd();
  } finally {
    await host.mustExec('docker stop -t 1 uptimer_GREEN');
  }
});

async function seeWhatIsOdd(): Promise<void> {
  await editor.openView('Blue-Green');
  const slots = editor.tree('Слоты');
  for (const finding of [
    /^GREEN тоже запущен, но без запросов\. Развёртывание прервалось до его отставки\.$/,
    /uptimer\.conf правили вручную после последнего развёртывания/,
  ]) {
    assertRussian((await slots.row(['production', 'uptimer', finding])).label);
  }
  await scene.picture('russian-findings');
  await editor.runCommand('Blue-Green: Развернуть…');
  await editor.pick('production');
  const panel = await editor.webview(/Прочтите план/, DEPLOYED);
  await panel
    .getByText(/uptimer\.conf правили вручную\. Он будет заменён, копия останется рядом\./)
    .first()
    .waitFor();
  await scene.picture('russian-warning');
  await panel.getByRole('button', { name: 'Отмена' }).click();
  await editor.webview(/ничего не тронуто/i);
}

step('Russian below the editor: a mistake in bluegreen.json, and a slot that is never healthy', async () => {
  await inRussian();
  await production.serve('BLUE');
  const write = (health: unknown): void => {
    app.write('bluegreen.json', JSON.stringify({ services: { uptimer: { health } } }, undefined, 2));
  };
  // An Explorer that is in sight may miss a file that another program writes; one that is opened reads the folder.
  await editor.openView('Blue-Green');
  try {
    // Not a mistake of the schema's: of those VS Code speaks itself.
    write({ path: '/nowhere', attempts: 1 });
    await editor.openFile('bluegreen.json');
    const [problem] = await editor.problems(1);
    assert.match(problem?.message ?? '', /"health": нужно успехов: 2, а попыток всего 1\./);
    await scene.picture('russian-problem');
    // The schema's own words, as VS Code shows them.
    await editor.showTab('bluegreen.json');
    await editor.runCommand('Show or Focus Hover');
    await editor.page.getByText('Сервисы, которые развёртывает Blue-Green.').first().waitFor();
    await scene.picture('russian-hover');
    // Long enough for the app to listen before the last try.
    write({ path: '/nowhere', attempts: 3, interval: '5s' });
    await editor.runCommand('Blue-Green: Развернуть…');
    await editor.pick('production');
    await (await editor.webview(/Прочтите план/, DEPLOYED)).getByRole('button', { name: 'Развернуть' }).click();
    const failed = await editor.notification(
      /uptimer GREEN не стал исправен \(попыток: 3\): Ответ 404, а принимается 2xx, 3xx\./,
      DEPLOYED,
    );
    assertRussian(failed.text);
    await failed.close();
    const panel = await editor.webview(/По пути \/nowhere ничего нет/);
    assertRussian(
      await panel
        .getByText(/По пути \/nowhere ничего нет/)
        .first()
        .innerText(),
    );
    await scene.picture('russian-failure');
  } finally {
    rmSync(path.join(app.folder, 'bluegreen.json'), { force: true });
  }
});
