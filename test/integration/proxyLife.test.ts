/** The proxy from its image to its removal: what stands in its way, and what must not go with it. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { buildImage } from '../../src/docker/build';
import type { DockerEngine } from '../../src/docker/engine';
import { inspectImage, removeImage, tagImage } from '../../src/docker/images';
import { pushImage, registryAuth, registryOf } from '../../src/docker/registry';
import { LABEL, type Stage } from '../../src/model';
import type { Host } from '../machines/host';
import { proxyImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { type Registry, startRegistry } from '../machines/registry';
import { type CliOutcome, runCli } from './cli';
import { BuildFolder, localEngine, noSignal, recordBuild, remoteEngine } from './engines';
import { type App, containers, copyApp } from './fixtures';

let lab: Lab;
let host: Host;
let builder: DockerEngine;
let app: App;
let registry: Registry;
/** Of a registry of this machine, which the host does not reach, and which asks for a login. */
let image: string;
/** The folder that `docker login` writes into. */
let login: string;

before(async () => {
  lab = await startLab();
  registry = await startRegistry({ login: { user: 'ann' } });
  image = `localhost:${registry.port}/ann/proxy:1`;
  login = path.join(lab.folder, 'login');
  mkdirSync(login);
  const auths = { [`localhost:${registry.port}`]: { auth: Buffer.from('ann:hush').toString('base64') } };
  writeFileSync(path.join(login, 'config.json'), JSON.stringify({ auths }));
  await lab.images(proxyImage, tinyImage);
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  builder = await localEngine(lab);
  app = copyApp('instant', 'shop');
  const shop = { health: { attempts: 5, interval: '100ms' }, proxy: { image } };
  app.write('bluegreen.json', JSON.stringify({ services: { shop } }));
});
after(async () => {
  await removeImage(builder, image, noSignal);
  builder.close();
  await registry.stop();
  app.remove();
  await lab.stop();
});

function deploy(on: Partial<Record<Stage, () => void>> = {}, configFolder = login): Promise<CliOutcome> {
  return runCli(lab, ['deploy', '--host', host.name, '--json'], {
    cwd: app.folder,
    env: { DOCKER_CONFIG: configFolder },
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

test("an image for another platform is never started; the right one is pulled here, with this machine's login", async () => {
  await tagImage(builder, proxyImage, image, noSignal);
  const auth = await registryAuth(registryOf(image), { DOCKER_CONFIG: login });
  await pushImage(builder, image, auth, () => undefined, noSignal);
  const foreign = new BuildFolder({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  const there = await remoteEngine(lab, host.name);
  for (const engine of [builder, there.engine]) {
    await buildImage(engine, foreign.spec(image, { platform: 'linux/s390x' }), recordBuild().events, noSignal);
  }
  there.close();
  foreign.remove();
  const { id } = (await inspectImage(builder, image, noSignal)) ?? assert.fail();
  const refused = await deploy({}, lab.folder);
  assert.equal(refused.code, 2, refused.stdout);
  assert.match(refused.result?.error?.message ?? '', /can be pulled neither on prod-28 nor here/);
  assert.deepEqual(await containers(host), []);

  const sent = await deploy();
  assert.equal(sent.code, 0, sent.stdout);
  assert.ok(!sent.stdout.includes('hush'));
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'shop_BLUE running']);
  assert.equal((await inspectImage(builder, image, noSignal))?.id, id, 'its name here is that of the same image');
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
