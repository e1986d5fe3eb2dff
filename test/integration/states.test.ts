/** States that no fault in the table leaves, made by hand on real hosts: each has its name, and repair ends it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type FindingCode, GATEWAY_NETWORK, type HostState } from '../../src/model';
import { someOf } from '../long';
import type { Host } from '../machines/host';
import { proxyImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, copyApp, get } from './fixtures';

const inProxy = (script: string): string => `docker exec reverse-proxy sh -c '${script}'`;

/** How each state comes about. */
const STATES: readonly [code: FindingCode, howItCameAbout: string, onlyOn?: string][] = [
  ['unserved', inProxy('rm /etc/nginx/conf.d/*shop* /etc/nginx/conf.d/~*; nginx -s reload')],
  ['conf-unloaded', inProxy('rm /etc/nginx/conf.d/shop.conf')],
  ['conf-unloaded', inProxy('sed -i "s/BLUE/RED/g; s/GREEN/BLUE/g; s/RED/GREEN/g" /etc/nginx/conf.d/shop.conf')],
  ['proxy-stopped', 'docker stop -t 0 reverse-proxy'],
  ['proxy-off-network', `docker network disconnect -f ${GATEWAY_NETWORK} reverse-proxy`],
  [
    'network-missing',
    `for name in reverse-proxy shop_BLUE shop_GREEN; do docker network disconnect -f ${GATEWAY_NETWORK} $name; done
     docker network rm ${GATEWAY_NETWORK}`,
  ],
  [
    'network-doubled',
    `curl -sf --unix-socket /run/docker.sock -H 'Content-Type: application/json' -d '{"Name":"${GATEWAY_NETWORK}"}' \
       http://docker/v1.40/networks/create`,
    '20.10', // From Docker 25 on there are no two of one name.
  ],
  ['temporary-images', `docker tag ${proxyImage} blue-green-incoming:0123456789ab`],
];

let lab: Lab;
let app: App;
before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  app = copyApp('instant', 'shop');
});
after(async () => {
  app.remove();
  await lab.stop();
});

for (const engine of someOf(['20.10', '28.5'] as const, (it) => it === '20.10')) {
  describe(`Docker ${engine}`, () => {
    let host: Host;
    before(async () => {
      host = await (await lab.host({ engine, prepared: true })).dockerReady();
      for (const version of ['1', '2']) {
        app.setVersion(version);
        const { code, stdout } = await run('deploy');
        assert.equal(code, 0, stdout);
      }
    });

    const run = (command: string): Promise<CliOutcome> =>
      runCli(lab, [command, '--host', host.name, '--json'], { cwd: app.folder });

    async function codes(): Promise<FindingCode[]> {
      const { findings, services } = JSON.parse((await run('status')).stdout) as HostState;
      return [...findings, ...services.flatMap((service) => service.findings)].map(({ code }) => code);
    }

    for (const [code, howItCameAbout] of STATES.filter(([, , only = engine]) => only === engine)) {
      test(`${code}: ${howItCameAbout.replace(/\s+/g, ' ')}`, async () => {
        await host.mustExec(howItCameAbout);
        const named = await codes();
        assert.ok(named.includes(code), named.join());
        const repair = await run('repair');
        assert.equal(repair.code, 0, repair.stdout + repair.stderr);
        assert.deepEqual(await codes(), []);
        assert.deepEqual(await get(host), { status: 200, text: '2\n' });
        await assertNothingLeft(host);
      });
    }
  });
}
