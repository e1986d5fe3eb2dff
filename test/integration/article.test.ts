/** What the article's script is known to fail at, one test each, on one host in this order. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DrillReport } from '../../src/engine/drill';
import type { HostState } from '../../src/model';
import type { Host } from '../machines/host';
import { tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { describeTraffic, Traffic } from '../machines/traffic';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, containers, copyApp, get } from './fixtures';

let lab: Lab;
let host: Host;
let shop: App;
let wiki: App;

before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  host = await (await lab.host({ engine: '26.1', prepared: true, disk: 'lasting' })).dockerReady();
  shop = copyApp('instant', 'shop');
  wiki = copyApp('instant', 'wiki');
});
after(async () => {
  shop.remove();
  wiki.remove();
  await lab.stop();
});

function deploy(app: App, version: string): Promise<CliOutcome> {
  app.setVersion(version);
  return runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: app.folder });
}

/** The host as `status` sees it, with what a restart of it would do. */
async function status(): Promise<HostState & { drill: DrillReport }> {
  const { stdout } = await runCli(lab, ['status', '--drill', '--json', '--host', host.name]);
  return JSON.parse(stdout) as HostState & { drill: DrillReport };
}

const inProxy = (script: string): Promise<string> =>
  host.mustExec(['docker', 'exec', 'reverse-proxy', 'sh', '-c', script]);

test('the first deployment on a fresh host: it reloads nginx before that has written its pid file', async () => {
  assert.deepEqual(await containers(host), []);
  const { code, result, stdout } = await deploy(shop, '1');
  assert.equal(code, 0, stdout);
  assert.equal(result?.live, 'BLUE');
  assert.equal((await get(host)).text, '1\n');
});

test('both slots up: it removes GREEN, whichever is live', async () => {
  for (const [version, idle] of [
    ['2', 'GREEN'],
    ['3', 'BLUE'],
  ] as const) {
    // (The first time there is none yet.)
    await host.exec(`docker start shop_${idle}`);
    const traffic = Traffic.start({ url: `${host.url}/` });
    await traffic.settle();
    const { code, result, stdout } = await deploy(shop, version);
    const counted = await traffic.stop();
    assert.equal(code, 0, stdout);
    assert.equal(counted.failed, 0, describeTraffic(counted));
    assert.equal(result?.live, idle);
    assert.equal((await get(host)).text, `${version}\n`);
  }
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'shop_BLUE running', 'shop_GREEN exited']);
  await assertNothingLeft(host);
});

test('a file that nginx refuses: it stays on disk, and nginx does not come up again', async () => {
  const files = (): Promise<string> => inProxy('cd /etc/nginx && find . -type f | sort | xargs md5sum');
  const before = await files();
  // Both want every host name.
  const { code, stdout } = await deploy(wiki, '1');
  assert.equal(code, 4, stdout);
  assert.equal(await files(), before);
  await inProxy('nginx -t');
  await host.mustExec('docker restart -t 1 reverse-proxy');
  const state = await status();
  assert.equal(state.proxy.state, 'running');
  assert.equal((await get(host)).text, '3\n');
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'shop_BLUE running', 'shop_GREEN exited']);
});

test('an app that is absent after a reboot: nginx ends again and again, and every site is down', async () => {
  wiki.write('bluegreen.json', '{ "services": { "wiki": { "route": "wiki.example" } } }');
  assert.equal((await deploy(wiki, '1')).code, 0);
  await host.mustExec('docker rm -f wiki_BLUE');
  const { drill, services } = await status();
  assert.deepEqual(
    drill.services.map(({ name, comesBack }) => [name, comesBack]),
    [
      ['shop', true],
      ['wiki', false],
    ],
  );
  assert.deepEqual(
    services.find(({ name }) => name === 'wiki')?.findings.map(({ code }) => code),
    ['live-down'],
  );
  await host.restart('reboot');
  await host.dockerReady();
  for (let attempt = 0; attempt < 40 && (await siteIsDown()); attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  assert.equal((await get(host)).text, '3\n');
  const wikiStatus = await host.mustExec(
    "curl -s -o /dev/null -w '%{http_code}' -H 'Host: wiki.example' http://127.0.0.1/",
  );
  assert.equal(wikiStatus, '502');
  const { code, stdout } = await deploy(wiki, '2');
  assert.equal(code, 0, stdout);
  assert.deepEqual((await status()).drill.comesBack, true);
  await assertNothingLeft(host);
});

/** Docker needs a moment until it has started again what it starts by itself. */
async function siteIsDown(): Promise<boolean> {
  return get(host).then(
    (answer) => answer.status !== 200,
    () => true,
  );
}
