/** Deployments through proxies of other images than the default: older nginx, another layout, fewer tools. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HostState } from '../../src/model';
import { someOf } from '../long';
import type { Host } from '../machines/host';
import { busyboxProxyImage, oldProxyImages, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { Traffic } from '../machines/traffic';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, copyApp } from './fixtures';

const IMAGES = [...oldProxyImages, busyboxProxyImage];

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  await lab.images(...IMAGES, tinyImage);
  host = await (await lab.host({ engine: '26.1' })).dockerReady();
  app = copyApp('instant', 'shop');
});
after(async () => {
  app.remove();
  await lab.stop();
});

function run(...args: string[]): Promise<CliOutcome> {
  return runCli(lab, [...args, '--host', host.name, '--json'], { cwd: app.folder });
}

async function served(): Promise<string> {
  // (fetch does not let a Host header through.)
  return (await host.mustExec("curl -s -m 5 -H 'Host: www.shop.example' http://127.0.0.1/")).trim();
}

// What 1.26 does not have, 1.22 does not have either.
for (const image of someOf(IMAGES, (it) => it === oldProxyImages[0])) {
  test(`${image}: releases go live and come back without a lost request, and a failed one says why`, async () => {
    await host.fresh();
    await host.load(image);
    const service = { route: '*.shop.example', proxy: { image } };
    app.write('bluegreen.json', JSON.stringify({ services: { shop: service } }));
    await deploy('1');
    // The first of the servers, which gets what no other one claims.
    await host.mustExec(`docker exec reverse-proxy sh -c "
      echo 'server { listen 80; server_name elsewhere.example; return 421; }' > /etc/nginx/conf.d/000-own.conf; nginx -s reload"`);
    const traffic = Traffic.start({ url: `${host.url}/`, hostHeader: 'www.shop.example' });
    try {
      await deploy('2');
      assert.equal(await served(), '2');
      const back = await run('rollback', 'shop');
      assert.equal(back.code, 0, back.stdout);
      assert.equal(await served(), '1');
      const health = { path: '/nowhere', attempts: 2, interval: '200ms' };
      app.write('bluegreen.json', JSON.stringify({ services: { shop: { ...service, health } } }));
      const failed = await run('deploy', 'shop');
      assert.equal(failed.code, 5, failed.stdout);
      assert.match(failed.stdout, /404/);
      assert.equal(await served(), '1');
    } finally {
      const counted = await traffic.stop();
      assert.equal(counted.failed, 0, JSON.stringify(counted.kinds));
    }
    const { services } = JSON.parse((await run('status')).stdout) as HostState;
    assert.deepEqual(
      services.map(({ name, live, findings }) => [name, live, findings]),
      [['shop', 'BLUE', []]],
    );
    await assertNothingLeft(host);
  });
}

async function deploy(version: string): Promise<void> {
  app.setVersion(version);
  const { code, stdout, result } = await run('deploy', 'shop');
  assert.equal(code, 0, stdout);
  assert.equal(result?.requests.failed, 0);
}
