/** What somebody has written into the proxy beside our files is seen, kept, and never left to a slot that goes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HostState } from '../../src/model';
import type { Host } from '../machines/host';
import { proxyImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, copyApp } from './fixtures';

const folder = '/etc/nginx/conf.d';
const byHand = 'server { listen 80; server_name shop.example; return 200 "by hand\\n"; }\n';

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  await host.mustExec('docker network create web-gateway');
  await host.mustExec(
    `docker run -d --name reverse-proxy --restart always --network web-gateway -p 80:80 ${proxyImage}`,
  );
  app = copyApp('instant', 'shop');
  app.setVersion('1');
  app.write('bluegreen.json', JSON.stringify({ services: { shop: { route: 'shop.example' } } }));
});
after(async () => {
  app.remove();
  await lab.stop();
});

function run(...args: string[]): Promise<CliOutcome> {
  return runCli(lab, [...args, '--host', host.name, '--json'], { cwd: app.folder });
}

function inProxy(script: string, input?: string): Promise<string> {
  return host.mustExec(['docker', 'exec', '-i', 'reverse-proxy', 'sh', '-c', `cd ${folder}; ${script}`], input);
}

function served(): Promise<string> {
  return host.mustExec(['curl', '-s', '-m', '10', '-H', 'Host: shop.example', 'http://127.0.0.1/']);
}

async function codes(): Promise<string[]> {
  const { services } = JSON.parse((await run('status')).stdout) as HostState;
  return services.flatMap(({ findings }) => findings.map(({ code }) => code));
}

test('a file in the place of ours that names no slot is said to be replaced, and a copy of it stays', async () => {
  await inProxy('cat > shop.conf && nginx -s reload', byHand);
  assert.match((await run('plan', 'shop')).stdout, /shop\.conf was written by hand\. It will be replaced/);
  const { code, stdout } = await run('deploy', 'shop');
  assert.equal(code, 0, stdout);
  assert.equal(await served(), '1\n');
  assert.equal(await inProxy('cat shop.conf.edited'), byHand);
});

test('a second file that names the live slot: no switch away from it, but one that stays is made', async () => {
  await inProxy(
    'cat > admin.conf && nginx -s reload',
    'server { listen 81; location / { proxy_pass http://shop_BLUE:9000; } }\n',
  );
  app.setVersion('2');
  for (const command of [['plan'], ['deploy'], ['remove', 'shop', '--yes']]) {
    const { code, stdout } = await run(...command);
    assert.equal(code, 4, stdout);
    assert.match(stdout, /admin\.conf leads to shop_BLUE/);
  }
  assert.equal(await served(), '1\n');
  assert.deepEqual(await codes(), ['slot-by-hand']);
  await host.mustExec('docker stop -t 0 shop_BLUE');
  const repaired = await run('repair', 'shop');
  assert.equal(repaired.code, 0, repaired.stdout);
  assert.equal(await served(), '1\n');

  await inProxy('rm admin.conf && nginx -s reload');
  const { code, stdout } = await run('deploy');
  assert.equal(code, 0, stdout);
  assert.equal(await served(), '2\n');
  await assertNothingLeft(host);
});

test('the image that a killed transfer asked the host with is named and removed', async () => {
  await host.mustExec(`docker tag ${proxyImage} blue-green-incoming:probe-0123456789abcdef`);
  const { findings } = JSON.parse((await run('status')).stdout) as HostState;
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['temporary-images'],
  );
  assert.equal((await run('repair')).code, 0);
  await assertNothingLeft(host);
});

test('repair of a service that is not there says so', async () => {
  const { code, stdout } = await run('repair', 'typo');
  assert.equal(code, 1, stdout);
  assert.match(stdout, /There is no service typo/);
});
