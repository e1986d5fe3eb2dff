/**
 * Going live with what the host has: `rollback` and `switch`, and what is kept for them. How long they take is measured by
 * `npm run bench:switch`, which nothing else should run beside.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HostState } from '../../src/model';
import { benchOurs } from '../bench/switch/ours';
import { describeBench } from '../bench/switch/report';
import { longTest } from '../long';
import type { Host } from '../machines/host';
import { proxyImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { Traffic } from '../machines/traffic';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, containers, copyApp, get, images } from './fixtures';

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  app = copyApp('instant', 'shop');
  app.write('bluegreen.json', '{ "services": { "shop": { "route": "shop.example", "retire": { "keepImages": 1 } } } }');
  for (const version of ['1', '2', '3', '4']) {
    app.setVersion(version);
    const { code, stdout, result } = await run('deploy', 'shop');
    assert.equal(code, 0, stdout);
    if (version === '1') {
      // As a deployer leaves it that is killed in the middle of a push, where an image is built on the host itself.
      await host.mustExec(`docker tag shop:${result?.release} 127.0.0.1:29999/blue-green-incoming/0123456789abcdef`);
    }
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
  assert.deepEqual(await images(host), shop.slots.map(({ image }) => image).sort());
});

test('rollback needs no image here, and loses no request', async () => {
  // (Other tests have services of that name, and the same engine to build them with.)
  for (const image of await images(host)) {
    await lab.engine.docker.getImage(image).remove({ force: true });
  }
  const traffic = Traffic.start({ url: `${host.url}/`, hostHeader: 'shop.example' });
  const { code, stdout } = await run('rollback', 'shop');
  const counted = await traffic.stop();
  assert.equal(code, 0, stdout);
  assert.equal(await served(), '3');
  assert.equal(counted.failed, 0, JSON.stringify(counted.kinds));
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

test('what a cut switch left is named and removed, of whatever file, and nothing that is not ours', async () => {
  const left = ['shop.conf.candidate', '~shop.example.conf.candidate', '~shop.example.conf.previous'];
  const theirs = ['own.conf.previous', 'own.conf.candidate'];
  const inProxy = (script: string): Promise<string> =>
    host.mustExec(['docker', 'exec', 'reverse-proxy', 'sh', '-c', `cd /etc/nginx/conf.d; ${script}`]);
  const there = async (): Promise<string[]> =>
    (await inProxy('ls | grep -E "candidate|previous" || true')).split('\n').filter(Boolean).sort();
  await inProxy(`${left.map((name) => `cp shop.conf ${name}`).join('; ')}; mkdir /tmp/blue-green.XXXXXX`);
  await inProxy(theirs.map((name) => `echo '# mine' > ${name}`).join('; '));
  // A deployment that was killed while it looked at a slot's sockets from beside it leaves this.
  await host.mustExec(`docker create --name shop_LOOK ${proxyImage}`);
  const { stdout } = await run('status');
  const { findings, services } = JSON.parse(stdout) as HostState;
  for (const found of [findings, services[0]?.findings]) {
    assert.deepEqual(
      found?.map(({ code }) => code),
      ['switch-files'],
    );
  }
  const repair = await run('repair');
  assert.equal(repair.code, 0, repair.stdout);
  assert.deepEqual(await there(), [...theirs].sort());
  await inProxy(`rm ${theirs.join(' ')}`);
  assert.ok(!(await containers(host)).some((name) => name.startsWith('shop_LOOK')));
  await assertNothingLeft(host);
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
  assert.match(said, /What was written by hand in it is kept as \/etc\/nginx\/conf\.d\/shop\.conf\.edited/);
  const copy = await host.mustExec('docker exec reverse-proxy cat /etc/nginx/conf.d/shop.conf.edited');
  assert.match(copy, /^# mine$/m);
  assert.equal(await served(), '5');
});

test('after the proxy was removed by hand, a deployment makes it again and retires what was live before', async () => {
  await host.mustExec('docker rm -f reverse-proxy');
  app.setVersion('6');
  const { code, stdout } = await run('deploy', 'shop');
  assert.equal(code, 0, stdout);
  assert.equal(await served(), '6');
  const [shop] = (JSON.parse((await run('status')).stdout) as HostState).services;
  assert.deepEqual(shop?.findings, []);
  assert.deepEqual(shop.slots.map(({ state }) => state).sort(), ['exited', 'running']);
});

longTest(
  'while the live slot is down, the other one is gone back to, and is the one that a deployment fills',
  async () => {
    const stopBlue = async (): Promise<void> => {
      await run('switch', 'shop', '--slot', 'BLUE');
      await host.mustExec('docker stop -t 0 shop_BLUE');
    };
    await stopBlue();
    const back = await run('rollback', 'shop');
    assert.equal(back.code, 0, back.stdout);
    assert.equal(back.result?.live, 'GREEN');
    await stopBlue();
    app.setVersion('7');
    const { code, result, stdout } = await run('deploy', 'shop');
    assert.equal(code, 0, stdout);
    assert.equal(result?.live, 'GREEN');
    assert.equal(await served(), '7');
  },
);

test('nothing is removed while the proxy, which keeps the nginx files, does not run', async () => {
  const before = await served();
  await host.mustExec('docker stop -t 0 reverse-proxy');
  const { code, stdout } = await run('remove', 'shop', '--yes');
  assert.equal(code, 2, stdout);
  assert.match(stdout, /proxy on .* is exited/);
  const { code: repaired, stdout: said } = await run('repair');
  assert.equal(repaired, 0, said);
  assert.equal(await served(), before);
});

test('the bench of the switch, in short: no request of any kind is lost', async () => {
  await run('remove', 'shop', '--yes');
  const report = await benchOurs(lab, host, { deployments: 2, rollbacks: 1, beside: 0, requests: 0, until: Infinity });
  assert.equal(
    report.traffic.reduce((sum, { failed }) => sum + failed, 0),
    0,
    describeBench(report, [], 0),
  );
});
