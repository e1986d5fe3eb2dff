/** Several services behind one nginx, by host name and by path, deployed in any order and at the same time. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HostState } from '../../src/model';
import type { Host } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { describeTraffic, Traffic, type TrafficReport } from '../machines/traffic';
import { WebSocketClient } from '../machines/webSocketClient';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, copyApp } from './fixtures';

const longName = `${'a-very-long-label.'.repeat(8)}example`;
/** Each service with its route, and a host and a path that lead to it. */
const services = {
  api: { route: { hosts: 'shop.example', path: '/api', stripPath: true }, host: 'shop.example', path: '/api' },
  shop: { route: ['shop.example', '*.shop.example'], host: 'shop.example', path: '/' },
  rest: { route: {}, host: 'anything.example', path: '/' },
  long: { route: { hosts: longName }, host: longName, path: '/' },
} as const;
type Name = keyof typeof services;
const names = Object.keys(services) as Name[];

let lab: Lab;
let host: Host;
const apps = new Map<Name, App>();

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '26.1', prepared: true })).dockerReady();
  for (const name of names) {
    const app = copyApp('uptimer', name);
    app.setVersion(`${name}-1`);
    const service = {
      build: { args: { WARMUP: '0' } },
      health: { interval: '100ms' },
      route: services[name].route,
      drain: { timeout: '40s' },
    };
    app.write('bluegreen.json', JSON.stringify({ services: { [name]: service } }));
    apps.set(name, app);
  }
});
after(async () => {
  for (const app of apps.values()) {
    app.remove();
  }
  await lab.stop();
});

function deploy(name: Name): Promise<CliOutcome> {
  return runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: apps.get(name)?.folder ?? assert.fail() });
}

/** Which version of which service answers, such as `shop-1`. */
async function answering(hostName: string, path: string): Promise<string> {
  // (fetch does not let a Host header through.)
  const out = await host.mustExec(['curl', '-s', '-m', '5', '-H', `Host: ${hostName}`, `http://127.0.0.1${path}`]);
  return /^uptimer (\S+) /.exec(out)?.[1] ?? out.slice(0, 40);
}

/** Clients of each service; its path alone leads to it, also where the host name is another one's. */
function trafficOf(name: Name): Traffic {
  const { host: hostHeader, path } = services[name];
  return Traffic.start({ url: `${host.url}${path}`, hostHeader, keepAlive: 4, fresh: 2 });
}

test('one after the other, the path before its host name: each serves its own, and none loses a request', async () => {
  const running = new Map<Name, Traffic>();
  for (const name of names) {
    const { code, result, stdout } = await deploy(name);
    assert.equal(code, 0, stdout);
    assert.equal(result?.requests.failed, 0);
    running.set(name, trafficOf(name));
  }
  for (const [name, traffic] of running) {
    const counted = await traffic.stop();
    assert.equal(counted.failed, 0, `${name}: ${describeTraffic(counted)}`);
    assert.deepEqual(Object.keys(counted.versions), [`${name}-1`]);
  }
});

test('host name and path decide who answers; the longest path wins, and the rest goes to who claims nothing', async () => {
  for (const [hostName, path, version] of [
    ['shop.example', '/', 'shop-1'],
    ['shop.example', '/apis', 'not found\n'],
    ['shop.example', '/api', 'api-1'],
    ['shop.example', '/api/', 'api-1'],
    ['www.shop.example', '/', 'shop-1'],
    ['www.shop.example', '/api', 'not found\n'],
    ['elsewhere.example', '/', 'rest-1'],
    [longName, '/', 'long-1'],
  ] as const) {
    assert.equal(await answering(hostName, path), version, `${hostName}${path}`);
  }
  const { stdout } = await runCli(lab, ['status', '--host', host.name, '--json']);
  const routes = (JSON.parse(stdout) as HostState).services.map((service) => [service.name, service.route]);
  assert.deepEqual(Object.fromEntries(routes), {
    api: 'shop.example/api',
    long: longName,
    rest: '*',
    shop: '*.shop.example shop.example',
  });
});

test('all at the same time, under traffic: none disturbs another', async () => {
  const running = new Map(names.map((name) => [name, trafficOf(name)]));
  for (const name of names) {
    apps.get(name)?.setVersion(`${name}-2`);
  }
  const outcomes = await Promise.all(names.map(deploy));
  const counted = new Map<Name, TrafficReport>();
  for (const [name, traffic] of running) {
    counted.set(name, await traffic.stop());
  }
  for (const [index, name] of names.entries()) {
    const { code, result, stdout } = outcomes[index] ?? assert.fail();
    const report = counted.get(name) ?? assert.fail();
    assert.equal(code, 0, stdout);
    assert.equal(result?.requests.failed, 0, name);
    assert.equal(report.failed, 0, `${name}: ${describeTraffic(report)}`);
    assert.deepEqual(Object.keys(report.versions), [`${name}-1`, `${name}-2`]);
  }
  await assertNothingLeft(host);
});

test("another service's WebSocket does not hold a drain up, and lives on", async () => {
  // (By its address the request goes to the service that claims nothing.)
  const socket = await WebSocketClient.open(new URL('/ws', host.url), 10_000);
  apps.get('shop')?.setVersion('shop-3');
  const { code, result, stdout } = await deploy('shop');
  assert.equal(code, 0, stdout);
  assert.ok((result?.durations.drain ?? Infinity) < 20_000, `drained in ${result?.durations.drain} ms`);
  assert.equal(await socket.ask('still there?', 5_000), 'still there?');
  socket.close();
});

test('a file edited by hand is named before it is replaced, and a copy stays', async () => {
  const file = '/etc/nginx/conf.d/shop@shop.example.location';
  await host.mustExec(['docker', 'exec', 'reverse-proxy', 'sh', '-c', `echo '# mine' >> ${file}`]);
  const { stdout } = await runCli(lab, ['plan', '--host', host.name, '--json'], {
    cwd: apps.get('shop')?.folder ?? '',
  });
  assert.match(stdout, /shop@shop\.example\.location was edited by hand/);
  const { code } = await deploy('shop');
  assert.equal(code, 0);
  assert.match(await host.mustExec(['docker', 'exec', 'reverse-proxy', 'cat', `${file}.edited`]), /# mine/);
  assert.doesNotMatch(await host.mustExec(['docker', 'exec', 'reverse-proxy', 'cat', file]), /# mine/);
});

test('one that is removed leaves the others as they are', async () => {
  const traffic = trafficOf('api');
  for (const name of ['shop', 'rest'] as const) {
    const { code, stderr } = await runCli(lab, ['remove', name, '--yes', '--host', host.name]);
    assert.equal(code, 0, stderr);
  }
  const counted = await traffic.stop();
  assert.equal(counted.failed, 0, describeTraffic(counted));
  assert.equal(await answering('shop.example', '/api'), 'api-2');
  assert.match(await answering('shop.example', '/'), /404/);
  const files = await host.mustExec('docker exec reverse-proxy ls /etc/nginx/conf.d');
  assert.deepEqual(
    files.split('\n').filter((name) => name !== '' && !name.endsWith('.edited')),
    [
      '+settings.conf',
      'api.conf',
      'api@shop.example.location',
      'long.conf',
      `long@${longName}.location`,
      `~${longName}.conf`,
      '~shop.example.conf',
    ],
  );
});
