/**
 * Switches in a row under keep-alive traffic, on every nginx that a host may have: no connection is reset, also of a
 * server of somebody's own that serves TLS.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createContainer, removeContainer, startContainer } from '../../src/docker/containers';
import { ensureNetwork } from '../../src/docker/networks';
import type { SlotName } from '../../src/model';
import { includeLine, markerAnswer } from '../../src/nginx/conf';
import { countDraining, filesToServe, lookAtProxy, switchProxy, waitForWorkers } from '../../src/nginx/proxy';
import { isLong, someOf } from '../long';
import type { Host } from '../machines/host';
import { oldProxyImages, proxyImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { TlsTraffic } from '../machines/tlsTraffic';
import { describeTraffic, Traffic } from '../machines/traffic';
import { deployError, noSignal, remoteEngine, type RemoteEngine } from './engines';
import { makeCertificate } from './fixtures';

const SWITCHES = isLong ? 30 : 10;
const route = { hosts: [], path: '/', stripPath: false, maxBody: '1m', protocol: 'http' } as const;
const hostName = 'tiny.example';

let lab: Lab;
let host: Host;
let remote: RemoteEngine;
let certificate: string;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  await lab.images(...oldProxyImages, proxyImage, tinyImage);
  for (const image of [...oldProxyImages, proxyImage, tinyImage]) {
    await host.load(image);
  }
  remote = await remoteEngine(lab, host.name);
  await ensureNetwork(remote.engine, 'web-gateway', {}, noSignal);
  for (const slot of ['BLUE', 'GREEN']) {
    await run(`tiny_${slot}`, tinyImage);
  }
  certificate = await makeCertificate(host, '/srv/tls', hostName);
});
after(async () => {
  remote.close();
  await lab.stop();
});

async function run(name: string, image: string, ports: readonly number[] = [], volumes: readonly string[] = []) {
  const spec = {
    name,
    image,
    labels: {},
    env: {},
    volumes,
    network: 'web-gateway',
    restart: 'no',
    publish: ports.map((port) => ({ hostPort: port, containerPort: port })),
  } as const;
  const id = await createContainer(remote.engine, spec, noSignal);
  await startContainer(remote.engine, id, noSignal);
  return id;
}

for (const image of someOf([...oldProxyImages, proxyImage], (it) => it !== oldProxyImages[1])) {
  describe(image, () => {
    let proxy: string;
    before(async () => {
      proxy = await run('reverse-proxy', image, [80, 443], ['/srv/tls:/etc/nginx/tls:ro']);
      await waitForWorkers(remote.engine, proxy, 20_000, noSignal);
      await host.mustExec(
        ['docker', 'exec', '-i', 'reverse-proxy', 'sh', '-c', 'cat > /etc/nginx/conf.d/tls.conf'],
        `server {
          ${image === proxyImage ? 'listen 443 ssl; http2 on;' : 'listen 443 ssl http2;'}
          ssl_certificate tls/${hostName}.pem;
          ssl_certificate_key tls/${hostName}.key;
          ${includeLine(route)}
        }`,
      );
    });
    after(() => removeContainer(remote.engine, proxy, { force: true }, noSignal));

    async function switchTo(slot: SlotName, deployment: string): Promise<void> {
      const view = await lookAtProxy(remote.engine, proxy, ['tiny'], noSignal);
      const identity = { service: 'tiny', slot, deployment };
      const files = filesToServe(view, { ...identity, port: 8080, route, nginxVersion: view.nginxVersion });
      const expect = markerAnswer(identity);
      const input = { files, service: 'tiny', expect };
      assert.deepEqual(await switchProxy(remote.engine, proxy, input, () => Promise.resolve()), { kind: 'switched' });
    }

    test(`${SWITCHES} switches under kept connections lose no request`, async () => {
      await switchTo('BLUE', 'first');
      const traffic = Traffic.start({ url: `${host.url}/`, keepAlive: 24, fresh: 4, pauseMs: 5 });
      const { address, tlsPort: port } = host;
      const overTls = TlsTraffic.start({
        ...{ address, port, hostName, certificate },
        ...{ http2: 2, keepAlive: 6, pauseMs: 20 },
      });
      await Promise.all([traffic.settle(200), overTls.settle(100)]);
      for (let number = 1; number <= SWITCHES; number += 1) {
        await switchTo(number % 2 === 0 ? 'BLUE' : 'GREEN', `d${number}`);
      }
      const counted = await traffic.stop();
      assert.equal(counted.failed, 0, describeTraffic(counted));
      assert.ok(counted.sent > 1000, `only ${counted.sent} requests`);
      const secured = await overTls.stop();
      assert.deepEqual(secured.failures, []);
      assert.ok(secured.sent > 200 && secured.left > SWITCHES, JSON.stringify({ ...secured, failures: undefined }));
    });

    if (image !== proxyImage) {
      return;
    }

    test('a proxy that does not run, or ends in the middle of its answer, has not answered', async () => {
      const isSaid = deployError('proxy', /did not answer/);
      await host.mustExec('docker stop -t 0 reverse-proxy');
      await assert.rejects(lookAtProxy(remote.engine, proxy, ['tiny'], noSignal), isSaid);
      await assert.rejects(countDraining(remote.engine, proxy, '127.0.0.1', 0, noSignal), isSaid);
      await startContainer(remote.engine, proxy, noSignal);
      await waitForWorkers(remote.engine, proxy, 20_000, noSignal);
      // Workers that stand still let each question wait for its limit.
      await host.mustExec("pkill -STOP -f '^nginx: worker'");
      const services = Array.from({ length: 20 }, (_, number) => `tiny${number}`);
      const look = assert.rejects(lookAtProxy(remote.engine, proxy, services, noSignal), isSaid);
      await host.mustExec("until pgrep -f 'Host[:] tiny' >/dev/null; do sleep 0.1; done; docker kill reverse-proxy");
      await look;
    });
  });
}
