/** A deployment in the window, as a person makes it: from each place it can be begun, failed, cancelled, waited for, looked at again. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { type App, assertNothingLeft, containers, get, images } from '../integration/fixtures';
import type { Host } from '../machines/host';
import { WebSocketClient } from '../machines/webSocketClient';
import { activationMs } from './activation';
import type { Editor } from './driver';
import type { Production } from './production';
import { assertAccessible, DEPLOYED, playScene, type Scene } from './scene';

let scene: Scene;
let production: Production;
let host: Host;
let app: App;
let editor: Editor;

const step = playScene('deploying', (opened) => {
  scene = opened;
  ({ production, host, app, editor } = scene);
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
  const panel = await scene.readPlan();
  await panel.getByText(/about \d+(\.\d)? (KB|MB) in layers: \d+; there already: [1-9]/).waitFor();
  await panel
    .locator('.plan')
    .getByText(/uptimer_BLUE:8080/)
    .waitFor();
  await scene.picture('plan');
  assert.deepEqual(await containers(host), [], 'nothing on the host is touched while the plan is read');
  await panel.getByRole('button', { name: 'Deploy' }).click();
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
  const panel = await scene.shownPanel();
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
  const panel = await scene.readPlan();
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
  const traffic = scene.startTraffic(t);
  await editor.openView('Explorer');
  await editor.explorer.menu('Dockerfile', /^Deploy/);
  await editor.pick('production');
  await (await scene.readPlan()).getByRole('button', { name: 'Deploy' }).click();
  const done = await editor.notification(/is live on GREEN/, DEPLOYED);
  const counted = await traffic.stop();
  assert.match(done.text, /0 failed/);
  assert.equal(counted.failed, 0, JSON.stringify(counted));
  assert.match((await get(host)).text, /^uptimer 2 /);
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE exited', 'uptimer_GREEN running']);
  await done.close();
});

step('the change to nginx opens in the diff editor of VS Code', async () => {
  const panel = await scene.shownPanel();
  await panel.getByRole('tab', { name: /nginx/ }).click();
  await panel.getByRole('button', { name: /diff editor.*uptimer\.conf/i }).click();
  await editor.showTab(/uptimer\.conf/);
  assert.match(await editor.text(), /uptimer_GREEN:8080/);
});

step('a plan that is made is not laid over the text that is typed in', async () => {
  await production.serve('GREEN');
  await host.pause();
  try {
    await askToDeploy();
    await editor.webview(/Connecting to production|Looking at the host/);
    // In the panel's own group: it goes out of sight.
    await editor.openFile('Dockerfile');
  } finally {
    await host.unpause();
  }
  const asks = await editor.notification(/The plan of uptimer → production waits for your answer/, DEPLOYED);
  assert.match(await editor.text(), /^FROM /, 'the file stays in front');
  await asks.click('Show Plan');
  await (await scene.readPlan()).getByRole('button', { name: 'Cancel' }).click();
  await editor.webview(/Cancelled before anything was touched/);
});

step('a plan names every file of nginx, and is read again when host or configuration has changed', async (t) => {
  await production.serve('GREEN');
  const uptimer = { route: { hosts: ['uptimer.example'] } };
  app.write('bluegreen.json', JSON.stringify({ services: { uptimer } }));
  t.after(() => rmSync(path.join(app.folder, 'bluegreen.json'), { force: true }));
  await askToDeploy();
  const panel = await scene.readPlan();
  const files = panel.locator('.plan .file');
  for (const [file, sign] of [
    [/uptimer\.conf/, '+'],
    [/uptimer@uptimer\.example\.location/, 'new'],
    [/~uptimer\.example\.conf/, 'new'],
    [/uptimer@\.location/, 'taken away'],
  ] as const) {
    await files.filter({ has: panel.locator('.path', { hasText: file }), hasText: sign }).waitFor();
  }
  assert.equal(await panel.getByText(/Nothing has changed/).count(), 0, 'the route has');
  await scene.picture('plan-with-files');
  await panel.getByRole('button', { name: /diff editor.*~uptimer\.example\.conf/i }).click();
  await editor.showTab(/~uptimer\.example\.conf/);
  assert.match(await editor.text(), /server_name uptimer\.example/);
  // Meanwhile somebody else is at work on the host.
  await host.mustExec('docker exec reverse-proxy sh -c \'echo "# by hand" >> /etc/nginx/conf.d/uptimer.conf\'');
  t.after(() => host.mustExec("docker exec reverse-proxy sed -i '/# by hand/d' /etc/nginx/conf.d/uptimer.conf"));
  await editor.runCommand('Blue-Green: Deploy…');
  await editor.pick(/production/);
  await (await editor.notification(/The plan of uptimer → production waits for your answer/)).click('Show Plan');
  await (await scene.readPlan()).getByRole('button', { name: 'Deploy' }).click();
  const again = await editor.webview(/The plan was made anew/, DEPLOYED);
  await again
    .getByText(/uptimer\.conf was edited by hand/)
    .first()
    .waitFor();
  await scene.picture('plan-made-anew');
  assert.match((await get(host)).text, /^uptimer 2 /, 'nothing was deployed');
  // And while it is read, the configuration changes.
  app.write('bluegreen.json', JSON.stringify({ services: { uptimer: { route: { hosts: ['changed.example'] } } } }));
  await again.getByRole('button', { name: 'Deploy' }).click();
  const changed = again.locator('.plan .file', { hasText: '~changed.example.conf' });
  await changed.waitFor({ timeout: DEPLOYED });
  await scene.readPlan();
  assert.match((await get(host)).text, /^uptimer 2 /, 'nothing was deployed');
  await again.getByRole('button', { name: 'Cancel' }).click();
  await editor.webview(/Cancelled before anything was touched/);
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
  const failed = await editor.notification(/^uptimer → production: The build stopped in line 3/, DEPLOYED);
  assert.equal(failed.severity, 'error');
  assert.deepEqual(failed.buttons, ['Open the File', 'Show Details']);
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
      await production.serve('GREEN');
      const good = readFileSync(path.join(app.folder, 'Dockerfile'), 'utf8');
      app.setVersion('3');
      app.write('Dockerfile', `${good}${more}`);
      const traffic = scene.startTraffic(t);
      try {
        if (!planFirst) {
          await skipThePlan();
        }
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
        if (!planFirst) {
          await planAgain();
        }
      }
      const counted = await traffic.stop();
      assert.equal(counted.failed, 0, JSON.stringify(counted));
      assert.match((await get(host)).text, /^uptimer 2 /);
      await assertNothingLeft(host);
    },
  );
}

/** The window's title tells when VS Code has read the settings of the folder: it looks for a change of them now and then. */
const TITLE = 'without a plan';

async function skipThePlan(): Promise<void> {
  app.write('.vscode/settings.json', JSON.stringify({ 'blueGreen.planFirst': false, 'window.title': TITLE }));
  await editor.until('the setting to hold', async () => (await editor.page.title()) === TITLE || undefined);
}

async function planAgain(): Promise<void> {
  rmSync(path.join(app.folder, '.vscode'), { recursive: true, force: true });
  await editor.until('the setting to be gone', async () => (await editor.page.title()) !== TITLE || undefined);
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
    await (await scene.readPlan()).getByRole('button', { name: 'Deploy' }).click();
    for (const [stage, hint] of [
      ['probe', /Tries left before giving up: \d+\./],
      ['drain', /The wait for open connections ends in \d+ s\./],
    ] as const) {
      const panel = await editor.webview(hint, DEPLOYED);
      await scene.picture(`waits-at-${stage}`);
      await panel.getByRole('button', { name: 'Keep Waiting' }).click();
      await panel.locator('.hint').getByText(hint).waitFor({ state: 'hidden' });
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
    const traffic = scene.startTraffic(t, {
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
  await (await scene.readPlan()).getByRole('button', { name: 'Deploy' }).click();
}

/** Presses the button of the progress when it shows this. */
async function cancelAt(activity: string): Promise<void> {
  const progress = await editor.notification(new RegExp(`Deploying uptimer → production.*${activity}`), DEPLOYED);
  await progress.cancel();
}

step('a deployment of earlier on is shown again', async () => {
  const panel = await scene.shownPanel();
  await panel
    .getByText(/is live on/)
    .first()
    .waitFor();
});

for (const theme of ['light', 'hc-black', 'hc-light', 'dark'] as const) {
  step(`the panel in the theme ${theme}`, async () => {
    await editor.theme(theme);
    const panel = await scene.shownPanel();
    const [text, background] = await panel.evaluate(() => {
      const style = getComputedStyle(document.body);
      return [style.color, style.backgroundColor];
    });
    assert.notEqual(text, background);
    await assertAccessible(panel);
  });
}

step('its activation is told', async () => {
  // The figure depends on the machine; what keeps it small is checked in package.test.ts.
  console.error(`activation: ${await activationMs(editor)} ms`);
});

step('nothing went wrong in the page or the extension host', () => {
  // VS Code also logs the error message that a step above asked for.
  scene.assertNothingWrong(/The build stopped in line 3/);
  return Promise.resolve();
});
