/** Going live with what the host has: `rollback` and `switch`, what is kept for them, and how long they take. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HostState } from '../../src/model';
import { benchOurs } from '../bench/switch/ours';
import { describeBench } from '../bench/switch/report';
import type { Host } from '../machines/host';
import { proxyImage, pythonImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { Traffic } from '../machines/traffic';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, copyApp, get } from './fixtures';

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  await lab.images(proxyImage, tinyImage, pythonImage);
  host = await (await lab.host({ engine: '28.5' })).dockerReady();
  await host.load(proxyImage);
  app = copyApp('instant', 'shop');
  app.write('bluegreen.json', '{ "services": { "shop": { "route": "shop.example", "retire": { "keepImages": 1 } } } }');
  for (const version of ['1', '2', '3', '4']) {
    app.setVersion(version);
    const { code, stdout } = await run('deploy', 'shop');
    assert.equal(code, 0, stdout);
  }
});
after(async () => {
  app.remove();
  await lab.stop();
});

function run(...args: string[]): Promise<CliOutcome> {
  return runCli(lab, [...args, '--host', host.name, '--json'], { cwd: app.folder });
}

async function served(): Promise<string> {
  return (await get(host, '/', { host: 'shop.example' })).text.trim();
}

test('what is kept is visible, and no clean-up of ours takes it, however few images are to stay', async () => {
  const { stdout } = await run('status');
  const [shop] = (JSON.parse(stdout) as HostState).services;
  assert.deepEqual(
    shop?.slots.map(({ name, state, live }) => [name, state, live]),
    [
      ['BLUE', 'exited', false],
      ['GREEN', 'running', true],
    ],
  );
  const names = await host.mustExec("docker images --format '{{.Repository}}:{{.Tag}}' | grep ^shop: | sort");
  assert.deepEqual(names.trim().split('\n'), shop.slots.map(({ image }) => image).sort());
});

test('rollback is live within seconds and needs no image here', async () => {
  const local = lab.engine.docker;
  for (const { Id } of await local.listImages({ filters: { label: ['blue-green.service=shop'] } })) {
    await local.getImage(Id).remove({ force: true });
  }
  const traffic = Traffic.start({ url: `${host.url}/`, hostHeader: 'shop.example', pauseMs: 50 });
  const { code, events, stdout } = await run('rollback', 'shop');
  const counted = await traffic.stop();
  assert.equal(code, 0, stdout);
  assert.equal(await served(), '3');
  assert.equal(counted.failed, 0, JSON.stringify(counted.kinds));
  const time = (stage: string, status: string): number =>
    events.find((event) => event.type === 'stage' && event.stage === stage && event.status === status)?.at ??
    assert.fail(`${stage} never was ${status}`);
  const ms = time('switch', 'done') - time('plan', 'running');
  // Two seconds on a machine that does nothing else (`npm run bench:switch` measures it); here others are at work.
  assert.ok(ms <= 5_000, `it took ${ms} ms`);
  await assertNothingLeft(host);
});

test('switch goes to the idle slot and to a named one, and says when that is live already', async () => {
  const forward = await run('switch', 'shop');
  assert.equal(forward.code, 0, forward.stdout);
  assert.equal(await served(), '4');
  const named = await run('switch', 'shop', '--slot', 'BLUE');
  assert.equal(named.code, 0, named.stdout);
  assert.equal(await served(), '3');
  const again = await run('switch', 'shop', '--slot', 'BLUE');
  assert.equal(again.code, 1);
  assert.match(again.result?.error?.message ?? '', /BLUE is live/);
  assert.equal(await served(), '3');
});

test('a kept slot that does not become healthy any more stays kept, and the live one serves on', async () => {
  await host.mustExec(
    'docker start shop_GREEN && docker exec shop_GREEN sh -c "echo > /www/index.html; mv /www /gone" || true',
  );
  await host.mustExec('docker stop -t 0 shop_GREEN');
  const traffic = Traffic.start({ url: `${host.url}/`, hostHeader: 'shop.example' });
  const { code, result, stdout } = await run('rollback', 'shop');
  const counted = await traffic.stop();
  assert.notEqual(code, 0, stdout);
  assert.equal(result?.live, 'BLUE');
  assert.equal(counted.failed, 0, JSON.stringify(counted.kinds));
  const { stdout: status } = await run('status');
  const [shop] = (JSON.parse(status) as HostState).services;
  assert.deepEqual(shop?.findings, []);
  assert.equal(shop.slots.length, 2);
});

test('an edited nginx file is shown, replaced with a copy kept, and is not lost', async () => {
  await host.mustExec(['docker', 'exec', 'reverse-proxy', 'sed', '-i', '$a # mine', '/etc/nginx/conf.d/shop.conf']);
  const { stdout } = await run('status');
  const [shop] = (JSON.parse(stdout) as HostState).services;
  assert.deepEqual(
    shop?.findings.map(({ code }) => code),
    ['conf-edited'],
  );
  const plan = await runCli(lab, ['plan', 'shop', '--host', host.name], { cwd: app.folder });
  assert.match(plan.stdout, /edited by hand/);
  assert.match(plan.stdout, /-.*# mine/);
  app.setVersion('5');
  const { code, stdout: said } = await run('deploy', 'shop');
  assert.equal(code, 0, said);
  assert.match(said, /the edited one is kept/);
  const copy = await host.mustExec('docker exec reverse-proxy cat /etc/nginx/conf.d/shop.conf.edited');
  assert.match(copy, /^# mine$/m);
  assert.equal(await served(), '5');
});

test('the bench of the switch, in short: no request of any kind is lost', async () => {
  await run('remove', 'shop', '--yes');
  const report = await benchOurs(lab, host, { deployments: 2, rollbacks: 1, requests: 0 });
  assert.equal(
    report.traffic.reduce((sum, { failed }) => sum + failed, 0),
    0,
    describeBench(report, undefined, 0),
  );
  assert.ok(Math.max(...report.toLiveMs) <= 5_000, `${report.toLiveMs.join()} ms`);
});
