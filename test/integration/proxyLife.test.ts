/** The proxy from its image to its removal: what stands in its way, and what must not go with it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buildImage } from '../../src/docker/build';
import type { DockerEngine } from '../../src/docker/engine';
import { inspectImage, removeImage, tagImage } from '../../src/docker/images';
import { LABEL, type Stage } from '../../src/model';
import type { Host } from '../machines/host';
import { proxyImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { type CliOutcome, runCli } from './cli';
import { BuildFolder, localEngine, noSignal, recordBuild, remoteEngine } from './engines';
import { type App, containers, copyApp } from './fixtures';

/** Nothing listens there: a pull is refused at once. */
const IMAGE = `localhost:1/blue-green-proxy-test-${process.pid}:1`;

let lab: Lab;
let host: Host;
let builder: DockerEngine;
let app: App;

before(async () => {
  lab = await startLab();
  await lab.images(proxyImage, tinyImage);
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  builder = await localEngine(lab);
  app = copyApp('instant', 'shop');
  const shop = { health: { attempts: 5, interval: '100ms' }, proxy: { image: IMAGE } };
  app.write('bluegreen.json', JSON.stringify({ services: { shop } }));
});
after(async () => {
  await removeImage(builder, IMAGE, noSignal);
  builder.close();
  app.remove();
  await lab.stop();
});

function deploy(on: Partial<Record<Stage, () => void>> = {}): Promise<CliOutcome> {
  return runCli(lab, ['deploy', '--host', host.name, '--json'], {
    cwd: app.folder,
    onEvent: (event) => {
      if (event.type === 'stage' && event.status === 'running') {
        on[event.stage]?.();
      }
    },
  });
}

function removeProxy(): Promise<CliOutcome> {
  return runCli(lab, ['remove', '--proxy', '--yes', '--host', host.name]);
}

test('an image for another platform is never started, on the host as little as it is sent', async () => {
  const foreign = new BuildFolder({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  const there = await remoteEngine(lab, host.name);
  for (const engine of [builder, there.engine]) {
    await buildImage(engine, foreign.spec(IMAGE, { platform: 'linux/s390x' }), recordBuild().events, noSignal);
  }
  there.close();
  foreign.remove();
  const { id } = (await inspectImage(builder, IMAGE, noSignal)) ?? assert.fail();
  const refused = await deploy();
  assert.equal(refused.code, 2, refused.stdout);
  assert.match(refused.result?.error?.message ?? '', /can be pulled neither on prod-28 nor here/);
  assert.deepEqual(await containers(host), []);
  assert.equal((await inspectImage(builder, IMAGE, noSignal))?.id, id, 'its name here is that of the same image');

  await tagImage(builder, proxyImage, IMAGE, noSignal);
  const sent = await deploy();
  assert.equal(sent.code, 0, sent.stdout);
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'shop_BLUE running']);
});

test('a proxy that is stopped while a slot is probed is named as what is wrong', async () => {
  let stopped: Promise<string> | undefined;
  const { code, result, stdout } = await deploy({
    probe: () => {
      stopped = host.mustExec('docker stop reverse-proxy');
    },
  });
  await stopped;
  assert.equal(code, 2, stdout);
  assert.match(result?.error?.message ?? '', /The proxy on \S+ did not answer: it was stopped/);
  assert.deepEqual(await containers(host), ['reverse-proxy exited', 'shop_BLUE running']);
});

test('a removal of the proxy leaves a deployment, a file with TLS and a network that is in use alone', async () => {
  await host.mustExec('docker start reverse-proxy');
  assert.equal((await runCli(lab, ['remove', 'shop', '--yes', '--host', host.name])).code, 0);
  const labels = `--label ${LABEL.role}=lock --label ${LABEL.service}=blog`;
  await host.mustExec(`docker create --name blog_LOCK ${labels} ${proxyImage}`);
  const beside = await removeProxy();
  assert.equal(beside.code, 9, beside.stderr);
  assert.match(beside.stderr, /blog is being deployed to prod-28\./);
  await host.mustExec('docker rm blog_LOCK');

  const tls = '/etc/nginx/conf.d/tls.conf';
  await host.mustExec(['docker', 'exec', 'reverse-proxy', 'sh', '-c', `echo 'server { listen 443 ssl; }' > ${tls}`]);
  // (It would not start again with that file: there is no certificate.)
  await host.mustExec('docker stop reverse-proxy');
  const withTls = await removeProxy();
  assert.equal(withTls.code, 1, withTls.stderr);
  assert.match(withTls.stderr, /tls\.conf serves TLS, was written by hand, and would go with the proxy/);
  assert.deepEqual(await containers(host), ['reverse-proxy exited']);

  await host.mustExec(`: > /tmp/tls.conf && docker cp /tmp/tls.conf reverse-proxy:${tls}`);
  await host.mustExec(`docker run -d --name other --network web-gateway ${proxyImage}`);
  const removed = await removeProxy();
  assert.equal(removed.code, 0, removed.stderr);
  assert.match(removed.stdout, /Network web-gateway stays/);
  await host.mustExec('docker rm -f other');
  assert.match((await removeProxy()).stdout, /Network web-gateway is removed/);
  assert.match((await removeProxy()).stderr, /There is no proxy on prod-28/);
});
