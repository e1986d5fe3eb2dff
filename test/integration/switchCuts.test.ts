/** Whatever goes wrong at the switch and after it: what nginx sends requests to is there, and none is lost. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { HostState, Stage } from '../../src/model';
import { MARKER_PORT } from '../../src/nginx/conf';
import { longTest, someOf } from '../long';
import type { Host } from '../machines/host';
import { tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { Traffic } from '../machines/traffic';
import { type CliOptions, type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, copyApp, get } from './fixtures';

/** A switch that waits or works, by the text of its script. (The bracket keeps the pattern from finding itself.) */
const SWITCHING = "pgrep -f 'verdict bus[y]' >/dev/null";

let lab: Lab;
let app: App;
let version = 0;

before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  app = copyApp('uptimer', 'shop');
});
after(async () => {
  app.remove();
  await lab.stop();
});

type Kill = (signal: NodeJS.Signals) => void;

/** Deploys the next version, and does something as a stage begins. */
async function deploy(
  host: Host,
  on: Partial<Record<Stage, (kill: Kill) => Promise<void>>> = {},
  health: object = {},
  env: Readonly<Record<string, string>> = {},
): Promise<CliOutcome> {
  version += 1;
  app.setVersion(String(version));
  // Long enough in its probe that what is to be in the way of the switch is there by then.
  const shop = { build: { args: { WARMUP: '2' } }, health: { interval: '100ms', ...health } };
  app.write('bluegreen.json', JSON.stringify({ services: { shop } }));
  const begun: Promise<void>[] = [];
  const onEvent: CliOptions['onEvent'] = (event, kill) => {
    if (event.type === 'stage' && event.status === 'running') {
      const acting = on[event.stage]?.(kill);
      if (acting !== undefined) {
        acting.catch(() => kill('SIGKILL'));
        begun.push(acting);
      }
    }
  };
  const outcome = await runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: app.folder, env, onEvent });
  await Promise.all(begun);
  return outcome;
}

async function status(host: Host): Promise<{ live: string | undefined; codes: string[] }> {
  const { stdout } = await runCli(lab, ['status', '--host', host.name, '--json']);
  const { findings, services } = JSON.parse(stdout) as HostState;
  const all = [...findings, ...services.flatMap((service) => service.findings)];
  return { live: services[0]?.live, codes: all.map(({ code }) => code) };
}

function repair(host: Host): Promise<CliOutcome> {
  return runCli(lab, ['repair', '--host', host.name]);
}

async function served(host: Host): Promise<string | undefined> {
  const { text } = await get(host);
  return /^uptimer (\d+) /.exec(text)?.[1];
}

function inProxy(host: Host, script: string): Promise<string> {
  return host.mustExec(['docker', 'exec', 'reverse-proxy', 'sh', '-c', script]);
}

/** Waits for something on the host, a shell's condition. */
async function until(host: Host, condition: string, seconds: number): Promise<void> {
  const { code } = await host.exec(['timeout', String(seconds), 'sh', '-c', `until ${condition}; do sleep 0.1; done`]);
  assert.equal(code, 0, `not within ${seconds} s: ${condition}`);
}

/** Repairs, and asserts that there is nothing to name after it. */
async function mustBeRepaired(host: Host): Promise<void> {
  const { code, stdout, stderr } = await repair(host);
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual((await status(host)).codes, []);
  await assertNothingLeft(host);
}

/** Has another switch of nginx under way, until it is let go of. */
async function holdTurn(host: Host): Promise<void> {
  await inProxy(host, 'touch /tmp/held');
  await host.mustExec(
    `docker exec -d reverse-proxy flock /etc/nginx sh -c 'touch /tmp/holds; while [ -e /tmp/held ]; do sleep 0.1; done'`,
  );
  await until(host, 'docker exec reverse-proxy test -e /tmp/holds', 10);
}

async function letGo(host: Host): Promise<void> {
  await inProxy(host, 'rm -f /tmp/held /tmp/holds');
}

describe('on a host that is well', () => {
  let host: Host;
  before(async () => {
    host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
    for (let release = 0; release < 2; release += 1) {
      const { code, stdout } = await deploy(host);
      assert.equal(code, 0, stdout);
    }
  });
  let traffic: Traffic;
  beforeEach(async () => {
    await letGo(host);
    traffic = Traffic.start({ url: `${host.url}/`, keepAlive: 6, fresh: 2, pauseMs: 100 });
  });

  afterEach(() => traffic.stop());

  async function assertNoneFailed(): Promise<void> {
    const { sent, failed, kinds } = await traffic.stop();
    assert.equal(failed, 0, JSON.stringify(kinds));
    assert.ok(sent > 100);
  }

  const cuts: readonly [name: string, cut: (host: Host, kill: Kill) => unknown][] = [
    ['the deployer is killed', (_host, kill) => kill('SIGKILL')],
    ['the connection is cut', (it) => it.mustExec("pkill -9 -f '^sshd.*: deploy'")],
  ];
  for (const [name, cut] of someOf(cuts, ([it]) => it === 'the deployer is killed')) {
    test(`${name} while the switch waits for its turn: it is made to its end, and repair ends the rest`, async () => {
      const { code, result } = await deploy(host, {
        probe: () => holdTurn(host),
        switch: async (kill) => {
          await until(host, SWITCHING, 30);
          await cut(host, kill);
        },
      });
      await letGo(host);
      assert.ok(code === -1 || code === 8, String(code));
      assert.match(result?.summary ?? 'broke during the switch', /broke during the switch/);
      await until(host, `! ${SWITCHING}`, 30);
      assert.equal(await served(host), String(version));
      const { codes, live } = await status(host);
      assert.ok(codes.includes('both-up') && codes.includes('interrupted'), codes.join());
      await mustBeRepaired(host);
      assert.equal((await status(host)).live, live);
      assert.equal(await served(host), String(version));
      await assertNoneFailed();
    });
  }

  longTest('a switch whose deployer died gives up its turn before anybody may take its lock over', async () => {
    const before = await served(host);
    await deploy(host, {
      probe: () => holdTurn(host),
      switch: async (kill) => {
        await until(host, SWITCHING, 30);
        kill('SIGKILL');
      },
    });
    const repairing = repair(host);
    await until(host, `! ${SWITCHING}`, 12);
    // Who has the turn does not end: nothing is known of nginx, and so nothing is touched.
    const { code, stdout, stderr } = await repairing;
    assert.equal(code, 1, stdout);
    assert.match(stderr, /Another switch of nginx does not end/);
    await letGo(host);
    assert.equal(await served(host), before);
    await mustBeRepaired(host);
    assert.equal(await served(host), before);
    await assertNoneFailed();
  });

  longTest('who waits for a turn and loses the lock meanwhile stops there', async () => {
    await holdTurn(host);
    const removing = runCli(lab, ['remove', 'shop', '--yes', '--host', host.name, '--json']);
    await until(host, SWITCHING, 60);
    await host.mustExec('docker rm -f shop_LOCK');
    await until(host, `! ${SWITCHING}`, 20);
    await letGo(host);
    const { code, stdout } = await removing;
    assert.equal(code, 9, stdout);
    assert.deepEqual((await status(host)).codes, []);
    await assertNothingLeft(host);
    await assertNoneFailed();
  });

  longTest('nginx dies between the new files and the verdict: the slot that they name is there', async () => {
    const before = await served(host);
    const { code, stdout } = await deploy(host, {
      probe: async () => {
        await host.mustExec("pkill -STOP -f '^nginx: master'");
      },
      switch: async () => {
        await until(host, 'docker exec reverse-proxy test -e /etc/nginx/conf.d/shop.conf.previous', 30);
        await host.mustExec("pkill -KILL -f '^nginx: master'");
      },
    });
    assert.notEqual(code, 0, stdout);
    await until(host, 'curl -sf http://127.0.0.1/ >/dev/null', 20);
    const up = traffic.report().seconds;
    await mustBeRepaired(host);
    assert.ok([before, String(version)].includes(await served(host)));
    const { lastFailedAt = 0, kinds } = await traffic.stop();
    assert.ok(lastFailedAt <= up, JSON.stringify(kinds));
  });

  test('a switch without proof is taken back, and who was answered by the new slot meanwhile is not cut off', async () => {
    const before = await served(host);
    let slow: Promise<number> | undefined;
    const { code, result, stdout } = await deploy(host, {
      probe: async () => {
        // As if workers answered for no slot: only our own question is answered otherwise.
        await inProxy(
          host,
          `client=$(command -v curl); mv "$client" "$client.real"
           printf '#!/bin/sh\\ncase "$*" in *127.0.0.1:${MARKER_PORT}*) exit 0;; esac\\nexec %s.real "$@"\\n' "$client" > "$client"
           chmod +x "$client"`,
        );
      },
      switch: async () => {
        await until(host, `curl -s http://127.0.0.1/ | grep -q '^uptimer ${version} '`, 30);
        slow = fetch(`${host.url}/slow?s=25`, { signal: AbortSignal.timeout(60_000) }).then(
          ({ status }) => status,
          () => 0,
        );
      },
    });
    await inProxy(host, 'client=$(command -v curl); mv "$client.real" "$client"');
    assert.equal(code, 4, stdout);
    assert.match(result?.error?.message ?? '', /The previous one is back/);
    assert.equal(await slow, 200);
    assert.equal(await served(host), before);
    assert.deepEqual((await status(host)).codes, []);
    await assertNothingLeft(host);
    await assertNoneFailed();
  });

  longTest(
    'a port by hand that is taken, which nginx notices at its reload only: the previous configuration serves',
    async () => {
      const before = await served(host);
      await host.load(tinyImage);
      await host.mustExec(`docker run -d --name squatter --network container:reverse-proxy ${tinyImage}`);
      await inProxy(host, "echo 'server { listen 8080; return 204; }' > /etc/nginx/conf.d/own.conf");
      const { code, result, stdout } = await deploy(host);
      assert.equal(code, 4, stdout);
      assert.match(result?.error?.message ?? '', /The previous one is back/);
      assert.equal(await served(host), before);
      assert.equal((await status(host)).live, result?.live);
      await host.mustExec('docker rm -f squatter; docker exec reverse-proxy rm /etc/nginx/conf.d/own.conf');
      assert.deepEqual((await status(host)).codes, []);
      await assertNothingLeft(host);
      await assertNoneFailed();
      const next = await deploy(host);
      assert.equal(next.code, 0, next.stdout);
    },
  );

  longTest(
    'the engine that builds is gone when its old images are to go: the deployment is through all the same',
    async () => {
      const socketPath = path.join(lab.folder, 'builder.sock');
      const open = new Set<net.Socket>();
      const builder = net.createServer((socket) => {
        const engine = net.connect(lab.engine.socketPath);
        for (const [from, to] of [
          [socket, engine],
          [engine, socket],
        ] as const) {
          open.add(from);
          from.pipe(to);
          from.on('error', () => to.destroy());
        }
      });
      await once(builder.listen(socketPath), 'listening');
      const gone = (): Promise<void> => {
        open.forEach((socket) => socket.destroy());
        builder.close();
        return Promise.resolve();
      };
      const { code, stdout } = await deploy(host, { drain: gone }, {}, { DOCKER_HOST: `unix://${socketPath}` });
      assert.equal(code, 0, stdout);
      assert.match(stdout, /Older images of shop were not removed/);
      assert.deepEqual((await status(host)).codes, []);
      await assertNothingLeft(host);
      await assertNoneFailed();
    },
  );
});

longTest(
  'a switch that cannot be taken back, because the disk is full, leaves the slot that nginx serves',
  async (context) => {
    const host = await (await lab.host({ engine: '26.1', name: 'full', disk: '1200m', prepared: true })).dockerReady();
    const first = await deploy(host);
    assert.equal(first.code, 0, first.stdout);
    const traffic = Traffic.start({ url: `${host.url}/`, keepAlive: 6, fresh: 2, pauseMs: 100 });
    context.after(() => traffic.stop());
    const { code, result, stdout } = await deploy(
      host,
      {
        verify: async (kill) => {
          await host.fillDisk(0);
          kill('SIGINT');
        },
      },
      // Slow enough to be watched until the disk is full.
      { path: '/slow?s=4', timeout: '10s' },
    );
    assert.equal(code, 130, stdout);
    assert.equal(result?.error?.stage, 'verify');
    assert.match(stdout, /Could not take back the switch/);
    assert.equal(await served(host), String(version));
    const { codes } = await status(host);
    assert.ok(codes.includes('both-up'), codes.join());
    await host.freeDisk();
    await mustBeRepaired(host);
    assert.equal(await served(host), String(version));
    const { failed, kinds } = await traffic.stop();
    assert.equal(failed, 0, JSON.stringify(kinds));
  },
);
