/** The packaged extension in a real VS Code in a real browser, used as a person would, against a real host. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import type { Frame } from 'playwright-core';
import { type App, assertNothingLeft, containers, get, images } from '../integration/fixtures';
import type { Host } from '../machines/host';
import { Traffic, type TrafficOptions } from '../machines/traffic';
import { WebSocketClient } from '../machines/webSocketClient';
import { violations } from './accessibility';
import { activationMs } from './activation';
import { type Editor, openEditor } from './driver';
import { Production } from './production';

let production: Production;
let host: Host;
let app: App;
let editor: Editor;

/** Limits in milliseconds: for one deployment, and for anything smaller on a machine that does other work too. */
const DEPLOYED = 180_000;
const DONE = 60_000;

before(async () => {
  production = await Production.start();
  ({ host, app } = production);
  editor = await openEditor(production.vscode, { limit: DONE });
});
after(async () => {
  await editor.close();
  await production.stop();
});

/**
 * A test of the shared window, with a picture of how it ended. Each begins with nothing open, and says itself what it
 * needs on the host, so that one that fails does not take others with it.
 */
function step(name: string, run: (t: TestContext) => Promise<void>): void {
  test(name, { timeout: DEPLOYED * 2 }, async (t) => {
    await editor.tidy();
    try {
      await run(t);
    } catch (error) {
      await editor.screenshot(`extension-${name}`);
      await stopRuns();
      throw error;
    }
    await editor.screenshot(`extension-${name}`);
  });
}

/** Clients of the site, who are gone when the step is over, however it ends. */
function startTraffic(t: TestContext, more: Partial<TrafficOptions> = {}): Traffic {
  const traffic = Traffic.start({ url: `${host.url}/`, ...more });
  t.after(() => traffic.stop());
  return traffic;
}

/** After a failure: ends the deployment that may be under way, and waits until it is taken back. */
async function stopRuns(): Promise<void> {
  await editor.tidy();
  await editor.until(
    'no deployment to be under way',
    async () => {
      if (!(await editor.commands('Blue-Green: Cancel')).some((title) => title.startsWith('Blue-Green: Cancel'))) {
        return true;
      }
      await editor.runCommand('Blue-Green: Cancel Deployment');
      return undefined;
    },
    DEPLOYED,
  );
}

/** Waits until the panel asks whether to go on. */
function readPlan(): Promise<Frame> {
  return editor.webview(/Read the plan/, DEPLOYED);
}

/** The panel of the newest deployment that succeeded, opened from the history. */
async function shownPanel(): Promise<Frame> {
  await editor.runCommand('Blue-Green: Show Deployment');
  const list = editor.page.locator('.quick-input-widget:visible');
  const panel = editor.page.locator('iframe.webview.ready:visible');
  // A single one is shown at once.
  await editor.until('a list or a panel', async () => (await list.or(panel).count()) > 0 || undefined);
  if ((await list.count()) > 0) {
    await editor.pick(/is live on/);
  }
  return editor.webview(/is live on/);
}

/** Asserts that axe finds nothing wrong on any of the panel's tabs. */
async function assertAccessible(panel: Frame): Promise<void> {
  const tabs = panel.getByRole('tab');
  await tabs.first().waitFor();
  for (const tab of await tabs.all()) {
    if (await tab.isVisible()) {
      await tab.click();
      assert.deepEqual(await violations(panel), [], `the tab ${await tab.innerText()}`);
    }
  }
}

test('the package is small and holds no native module', () => {
  const megabytes = statSync(production.vsix).size / 1024 / 1024;
  assert.ok(megabytes < 1.5, `the VSIX has ${megabytes.toFixed(2)} MB`);
  const names = readFileSync(production.vsix).toString('latin1');
  assert.doesNotMatch(names, /[\w/-]+\.node\b/);
  assert.match(names, /extension\/dist\/extension\.js/);
  assert.doesNotMatch(names, /extension\/(src|test|node_modules)\//);
});

step('the empty view offers what to do first', async () => {
  await editor.openView('Blue-Green');
  // For a moment after the window opened VS Code does not know yet that the folder is trusted.
  await editor.until('the welcome', async () => (/No host yet/.test(await editor.welcomeText()) ? true : undefined));
});

step('the first release from the command palette', async () => {
  await editor.runCommand('Blue-Green: Deploy…');
  const { items } = await editor.quickPick(/deploy uptimer to/);
  assert.ok(
    items.some(({ label }) => label === 'production'),
    'hosts of the ssh configuration are offered',
  );
  await editor.pick('production');
  const panel = await readPlan();
  await panel.getByText(/about \d+\.\d MB in layers: \d+; there already: 0/).waitFor();
  await panel
    .locator('.plan')
    .getByText(/uptimer_BLUE:8080/)
    .waitFor();
  await editor.screenshot('extension-plan');
  assert.deepEqual(await containers(host), [], 'nothing on the host is touched while the plan is read');
  // The button has the keyboard's focus.
  await editor.press('Enter');
  const done = await editor.notification(/is live on BLUE/, DEPLOYED);
  assert.match(
    done.text,
    /uptimer \d{8}-\d{6}-\w{4} is live on BLUE at production\. \d+ requests, 0 failed, longest \d+ ms\./,
  );
  assert.equal(done.severity, 'info');
  assert.match((await get(host)).text, /^uptimer 1 /);
  await done.close();
});

step('the panel shows stages, probes and the change to nginx', async () => {
  const panel = await shownPanel();
  for (const stage of ['Plan', 'Build', 'Transfer', 'Proxy', 'Start', 'Probe', 'Switch', 'Verify', 'Drain', 'Retire']) {
    assert.equal((await panel.getByText(stage, { exact: true }).count()) > 0, true, stage);
  }
  await panel.getByRole('tab', { name: /Probes/ }).click();
  await panel
    .getByText(/Connection refused/)
    .first()
    .waitFor();
  assert.ok((await panel.getByText('200', { exact: true }).count()) >= 2, 'healthy tries show their status');
  await panel.getByRole('tab', { name: /nginx/ }).click();
  await panel
    .getByText(/uptimer_BLUE:8080/)
    .first()
    .waitFor();
});

step('a plan that is declined touches nothing', async () => {
  const before = [...(await containers(host)), ...(await images(host))];
  await editor.runCommand('Blue-Green: Deploy…');
  await editor.pick(/production/);
  const panel = await readPlan();
  await panel.getByText(/Nothing has changed: the image and its environment/).waitFor();
  await assertAccessible(panel);
  await panel.getByRole('button', { name: 'Cancel' }).click();
  await editor.webview(/Cancelled before anything was touched/);
  assert.deepEqual([...(await containers(host)), ...(await images(host))], before);
});

step('the tree shows the live slot', async () => {
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  await slots.row(['production', 'uptimer', /^BLUE live/]);
});

step('the second release from the menu of the Dockerfile, under traffic', async (t) => {
  app.setVersion('2');
  const traffic = startTraffic(t);
  await editor.openView('Explorer');
  await editor.explorer.menu('Dockerfile', /^Deploy/);
  await editor.pick('production');
  await (await readPlan()).getByRole('button', { name: 'Deploy' }).click();
  const done = await editor.notification(/is live on GREEN/, DEPLOYED);
  const counted = await traffic.stop();
  assert.match(done.text, /0 failed/);
  assert.equal(counted.failed, 0, JSON.stringify(counted));
  assert.match((await get(host)).text, /^uptimer 2 /);
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE exited', 'uptimer_GREEN running']);
  await done.close();
});

step('the change to nginx opens in the diff editor of VS Code', async () => {
  const panel = await shownPanel();
  await panel.getByRole('tab', { name: /nginx/ }).click();
  await panel.getByRole('button', { name: /diff editor/i }).click();
  await editor.showTab(/uptimer\.conf/);
  assert.match(await editor.text(), /uptimer_GREEN:8080/);
});

step('also a Dockerfile of another name has the menu, and other files do not', async () => {
  const others = ['Dockerfile.prod', 'api.Dockerfile'];
  others.forEach((file) => app.write(file, 'FROM python:3.13-alpine\n'));
  await editor.openView('Explorer');
  for (const [file, has] of [
    ['Dockerfile.prod', true],
    ['api.Dockerfile', true],
    ['server.py', false],
  ] as const) {
    const items = await editor.explorer.menuItems(file);
    assert.equal(
      items.some((item) => item.startsWith('Deploy')),
      has,
      `${file}: ${items.join(', ')}`,
    );
  }
  others.forEach((file) => rmSync(path.join(app.folder, file)));
});

step('a build that fails: a sentence, a problem on the line of the Dockerfile, the live slot untouched', async () => {
  await production.serve('GREEN');
  const good = readFileSync(path.join(app.folder, 'Dockerfile'), 'utf8');
  app.write('Dockerfile', 'FROM python:3.13-alpine\nEXPOSE 8080\nRUN echo no such thing >&2; exit 7\n');
  try {
    await failToBuild();
  } finally {
    app.write('Dockerfile', good);
  }
});

async function failToBuild(): Promise<void> {
  await editor.runCommand('Blue-Green: Deploy…');
  await editor.pick(/production/);
  const failed = await editor.notification(/GREEN is live at production/, DEPLOYED);
  assert.equal(failed.severity, 'error');
  assert.ok(failed.buttons.length >= 2, failed.buttons.join());
  const [problem] = await editor.problems(1);
  assert.match(JSON.stringify(problem), /Dockerfile/);
  assert.equal(problem?.line, 3);
  assert.match((await get(host)).text, /^uptimer 2 /);
  await failed.close();
  await assertAccessible(await editor.webview(/The build stopped in line 3/));
}

/**
 * Stages that can be made to last long enough for a person's click, by what is added to the Dockerfile. Before the build
 * no plan is asked for: it would have built the image already. Nor may it be in the builder's cache.
 */
for (const [stage, activity, more] of [
  ['build', 'Building the image', `RUN sleep 60 && echo ${Date.now()}\n`],
  ['transfer', 'Sending what the host lacks', 'RUN head -c 150000000 /dev/urandom > /much\n'],
  ['probe', 'Waiting until the new slot is healthy', ''],
] as const) {
  step(
    `cancelled at ${stage} by the button of the progress: a named state, the live slot serves throughout`,
    async (t) => {
      const planFirst = stage !== 'build';
      if (!planFirst) {
        app.write('.vscode/settings.json', JSON.stringify({ 'blueGreen.planFirst': false }));
      }
      await production.serve('GREEN');
      const good = readFileSync(path.join(app.folder, 'Dockerfile'), 'utf8');
      app.setVersion('3');
      app.write('Dockerfile', `${good}${more}`);
      const traffic = startTraffic(t);
      try {
        await askToDeploy();
        if (planFirst) {
          await approve();
        }
        await cancelAt(activity);
        const ended = await editor.notification(/was cancelled\. GREEN is live at production/, DEPLOYED);
        assert.equal(ended.severity, 'info');
        await ended.close();
      } finally {
        app.write('Dockerfile', good);
        rmSync(path.join(app.folder, '.vscode'), { recursive: true, force: true });
      }
      const counted = await traffic.stop();
      assert.equal(counted.failed, 0, JSON.stringify(counted));
      assert.match((await get(host)).text, /^uptimer 2 /);
      await assertNothingLeft(host);
    },
  );
}

step('near the end of its waits a deployment is given more time by the button of the panel', async () => {
  await production.serve('GREEN');
  app.setVersion('3');
  // The slot needs longer than it is given; each of the two waits leaves some seconds for a click.
  const uptimer = {
    build: { args: { WARMUP: '24' } },
    health: { attempts: 20 },
    drain: { timeout: '20s' },
  };
  app.write('bluegreen.json', JSON.stringify({ services: { uptimer } }));
  const socket = await WebSocketClient.open(new URL('/ws', host.url), 10_000);
  try {
    await editor.runCommand('Blue-Green: Deploy…');
    await editor.pick('production');
    await (await readPlan()).getByRole('button', { name: 'Deploy' }).click();
    for (const [stage, hint] of [
      ['probe', /Tries left before it is given up: \d+\./],
      ['drain', /The wait for open connections ends in \d+\.0 s\./],
    ] as const) {
      const panel = await editor.webview(hint, DEPLOYED);
      await editor.screenshot(`extension-waits-at-${stage}`);
      await panel.getByRole('button', { name: 'Keep Waiting' }).click();
      await panel.getByText(hint).waitFor({ state: 'hidden' });
    }
    assert.equal(await socket.ask('still there?', 5_000), 'still there?');
    socket.close();
    await (await editor.notification(/is live on BLUE/, DEPLOYED)).close();
  } finally {
    rmSync(path.join(app.folder, 'bluegreen.json'));
    if (socket.end === undefined) {
      socket.close();
    }
  }
  const panel = await editor.webview(/is live on BLUE/);
  await panel.getByText(/The slot is waited for as asked: up to 40 tries\./).waitFor();
  await panel.getByText(/Open connections are waited for as asked: up to 40 s\./).waitFor();
  await panel.getByRole('button', { name: 'Roll Back' }).click();
  await (await editor.dialog(/Roll back uptimer on production to GREEN\?/)).click('Cancel');
});

step(
  'cancelled while connections finish: the new slot is live, and nobody who is being answered is cut off',
  async (t) => {
    await production.serve('GREEN');
    app.setVersion('3');
    // Whoever holds a WebSocket keeps the drain waiting for its whole limit: time enough for a click.
    const traffic = startTraffic(t, {
      slow: { path: '/slow?s=15', clients: 3 },
      webSocket: { path: '/ws', clients: 1 },
    });
    await askToDeploy();
    await approve();
    await cancelAt('Letting open connections finish');
    const ended = await editor.notification(
      /was not finished\. BLUE is live at production\. The old slot was not retired; the next deployment does\./,
      DEPLOYED,
    );
    await ended.close();
    assert.match((await get(host)).text, /^uptimer 3 /);
    const counted = await traffic.stop();
    assert.equal(counted.failed, 0, JSON.stringify(counted));
  },
);

async function askToDeploy(): Promise<void> {
  await editor.runCommand('Blue-Green: Deploy…');
  await editor.pick(/production/);
}

/** Presses the button of the plan. */
async function approve(): Promise<void> {
  await (await readPlan()).getByRole('button', { name: 'Deploy' }).click();
}

/** Presses the button of the progress when it shows this. */
async function cancelAt(activity: string): Promise<void> {
  const progress = await editor.notification(new RegExp(`Deploying uptimer → production.*${activity}`), DEPLOYED);
  await progress.cancel();
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

step('a host with an unknown key: asked with its fingerprint, refused when not trusted', async () => {
  const { lab } = production;
  const stranger = await (await lab.host({ engine: '28.5', name: 'stranger' })).dockerReady();
  const known = readFileSync(lab.knownHostsFile, 'utf8');
  const others = known.split('\n').filter((line) => !line.includes(stranger.address));
  writeFileSync(lab.knownHostsFile, others.join('\n'));
  try {
    await editor.runCommand('Blue-Green: Deploy…');
    await editor.pick(/Enter a Host/);
    await editor.type(`deploy@${stranger.address}`);
    const question = await editor.dialog(/Do you trust/, DEPLOYED);
    assert.match(question.detail, /SHA256:/);
    await question.click('Cancel');
    const failed = await editor.notification(/Nothing was touched/, DEPLOYED);
    assert.equal(failed.severity, 'error');
    await failed.close();
    assert.equal(readFileSync(lab.knownHostsFile, 'utf8'), others.join('\n'), 'nothing was remembered');
    assert.deepEqual(await containers(stranger), []);
  } finally {
    await stranger.remove();
  }
});

step('made live from the menu of its slot', async () => {
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  await editor.tree('Slots').menu(['production', 'uptimer', 'GREEN'], /Switch to This Slot/);
  const question = await editor.dialog(/Switch uptimer on production to GREEN\?/);
  await editor.screenshot('extension-switch-question');
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
  await editor.screenshot('extension-drill-warned');
  await warned.click('Show Details');
  await editor.showTab(/Restart of production/);
  assert.match(await editor.text(), /^uptimer: .*GREEN/m);
  await slots.menu(['production', 'uptimer'], 'Repair');
  const repaired = await editor.notification(/uptimer_GREEN comes back after a restart/);
  assert.equal(repaired.severity, 'info', repaired.text);
  await editor.screenshot('extension-repaired');
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
    await editor.screenshot('extension-code-lens');
    await lens('Roll Back');
    await editor.pick('production');
    await (await editor.dialog(/Roll back uptimer on production to BLUE\?/)).click('Cancel');
    await lens('Deploy');
    await editor.pick('production');
    await (await readPlan()).getByRole('button', { name: 'Cancel' }).click();
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

  const panel = await readPlan();
  await focused(panel, 'button', 'Deploy');
  await editor.screenshot('extension-keyboard-plan');
  await editor.press('Enter');
  const status = panel.getByRole('status');
  assert.equal(await status.getAttribute('aria-live'), 'polite');
  // The button is gone; the focus stays in the panel, at its title, and the next Tab finds what can be pressed now.
  await focused(panel, 'heading', 'uptimer → production');
  await status.getByText(/uptimer \S+ is live on BLUE at production/).waitFor({ timeout: DEPLOYED });
  await editor.press('Tab');
  await focused(panel, 'button', 'Open Site');
  await editor.screenshot('extension-keyboard-end');
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
  await editor.screenshot('extension-keyboard-probes');
  assert.match((await get(host)).text, /^uptimer 1 /);
  // Also with the view of the slots hidden.
  await editor.statusItem('uptimer: BLUE');
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

step('a deployment of earlier on is shown again', async () => {
  const panel = await shownPanel();
  await panel
    .getByText(/is live on/)
    .first()
    .waitFor();
});

for (const theme of ['light', 'hc-black', 'hc-light', 'dark'] as const) {
  step(`the panel in the theme ${theme}`, async () => {
    await editor.theme(theme);
    const panel = await shownPanel();
    const [text, background] = await panel.evaluate(() => {
      const style = getComputedStyle(document.body);
      return [style.color, style.backgroundColor];
    });
    assert.notEqual(text, background);
    await assertAccessible(panel);
  });
}

step('activation does no work worth speaking of', async () => {
  const ms = await activationMs(editor);
  console.error(`activation: ${ms} ms`);
  // The figure for docs/MEASURED.md is taken by `npm run bench:editor`; here only a gross mistake would show.
  assert.ok(ms < 1_000, `${ms} ms`);
});

step('nothing went wrong in the page or the extension host', () => {
  // VS Code also logs the two error messages that the steps above asked for.
  const unexpected = editor.consoleErrors.filter((text) => !/The build stopped in line 3|was not trusted/.test(text));
  assert.deepEqual(unexpected, []);
  return Promise.resolve();
});

/** A test of the window in Russian, with a picture of how it ended. */
function russianStep(name: string, run: () => Promise<void>): void {
  test(name, { timeout: DEPLOYED * 2 }, async () => {
    await editor.tidy();
    if ((await editor.page.evaluate(() => document.documentElement.lang)) !== 'ru') {
      production.vscode.setLanguage('ru');
      await editor.reload();
    }
    try {
      await run();
    } finally {
      await editor.screenshot(`extension-${name}`);
    }
  });
}

/** Words of ours that were left in English: three of them in a row, which no name, path or command has. */
function assertRussian(text: string): void {
  assert.match(text, /[а-яё]/);
  assert.doesNotMatch(text, /\b[A-Za-z]+ [a-z]+ [a-z]+\b/);
}

russianStep('a window in Russian', async () => {
  await production.serve('BLUE');
  await editor.openView('Blue-Green');
  await editor.tree('Слоты').row(['production', 'uptimer', /^BLUE работает/]);
  const items = await editor.tree('Слоты').menuItems(['production', 'uptimer']);
  assert.ok(items.includes('Откатить…'), items.join());
  await editor.screenshot('extension-russian-tree');
  await editor.runCommand('Blue-Green: Развернуть…');
  await editor.quickPick(/развернуть uptimer на…/);
  await editor.pick('production');
  const panel = await editor.webview(/Прочтите план/, DEPLOYED);
  assert.equal(await panel.evaluate(() => document.documentElement.lang), 'ru');
  await editor.screenshot('extension-russian-plan');
  await panel.getByRole('button', { name: 'Отмена' }).click();
  await editor.webview(/ничего не тронуто/i);
});

russianStep('Russian below the editor: what is odd on a host, and a plan that warns', async () => {
  await production.serve('BLUE');
  await host.mustExec('docker exec reverse-proxy sh -c \'echo "# by hand" >> /etc/nginx/conf.d/uptimer.conf\'');
  await host.mustExec('docker start uptimer_GREEN');
  await editor.openView('Blue-Green');
  const slots = editor.tree('Слоты');
  for (const finding of [
    /^GREEN тоже запущен, но без запросов\. Развёртывание прервалось до его отставки\.$/,
    /uptimer\.conf правили вручную после последнего развёртывания/,
  ]) {
    assertRussian((await slots.row(['production', 'uptimer', finding])).label);
  }
  await editor.screenshot('extension-russian-findings');
  await editor.runCommand('Blue-Green: Развернуть…');
  await editor.pick('production');
  const panel = await editor.webview(/Прочтите план/, DEPLOYED);
  await panel
    .getByText(/uptimer\.conf правили вручную\. Он будет заменён, копия останется рядом\./)
    .first()
    .waitFor();
  await editor.screenshot('extension-russian-warning');
  await panel.getByRole('button', { name: 'Отмена' }).click();
  await editor.webview(/ничего не тронуто/i);
});

russianStep('Russian below the editor: a mistake in bluegreen.json, and a slot that is never healthy', async () => {
  await production.serve('BLUE');
  const write = (health: unknown): void => {
    app.write('bluegreen.json', JSON.stringify({ services: { uptimer: { health } } }, undefined, 2));
  };
  // A window that had no such file at its start knows of it from the first use on.
  await editor.openView('Blue-Green');
  try {
    // Not a mistake of the schema's: of those VS Code speaks itself.
    write({ path: '/nowhere', attempts: 1 });
    await editor.openFile('bluegreen.json');
    const [problem] = await editor.problems(1);
    assert.match(problem?.message ?? '', /"health": нужно успехов: 2, а попыток всего 1\./);
    await editor.screenshot('extension-russian-problem');
    // The schema's own words, as VS Code shows them.
    await editor.showTab('bluegreen.json');
    await editor.runCommand('Show or Focus Hover');
    await editor.page.getByText('Сервисы, которые развёртывает Blue-Green.').first().waitFor();
    await editor.screenshot('extension-russian-hover');
    // Long enough for the app to listen before the last try.
    write({ path: '/nowhere', attempts: 3, interval: '5s' });
    await editor.runCommand('Blue-Green: Развернуть…');
    await editor.pick('production');
    await (await editor.webview(/Прочтите план/, DEPLOYED)).getByRole('button', { name: 'Развернуть' }).click();
    const failed = await editor.notification(/Работает BLUE, хост production\./, DEPLOYED);
    assert.match(failed.text, /uptimer GREEN не стал исправен \(попыток: 3\): Ответ 404, а принимается 2xx, 3xx\./);
    assertRussian(failed.text);
    await failed.close();
    const panel = await editor.webview(/По пути \/nowhere ничего нет/);
    assertRussian(
      await panel
        .getByText(/По пути \/nowhere ничего нет/)
        .first()
        .innerText(),
    );
    await editor.screenshot('extension-russian-failure');
  } finally {
    rmSync(path.join(app.folder, 'bluegreen.json'), { force: true });
  }
});
