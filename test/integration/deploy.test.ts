/** The main way, on every engine of the matrix: three releases under traffic, then back, then away. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { HostState } from '../../src/model';
import { installEditor } from '../editor/install';
import { longTest, someOf } from '../long';
import type { Host } from '../machines/host';
import { tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { Traffic } from '../machines/traffic';
import { type CliOutcome, runCli } from './cli';
import { localEngine, removeImages } from './engines';
import { type App, assertNothingLeft, containers, copyApp, get, images } from './fixtures';

let lab: Lab;
before(async () => {
  lab = await startLab();
});
after(() => lab.stop());

// Nearly all other tests deploy to 28.5, and local.test.ts, states.test.ts and lock.test.ts to 20.10.
for (const engine of someOf(['20.10', '26.1', '28.5'] as const, (it) => it === '26.1')) {
  describe(`Docker ${engine}`, () => {
    let host: Host;
    let app: App;
    before(async () => {
      host = await (await lab.host({ engine, prepared: true })).dockerReady();
      app = copyApp('uptimer');
    });
    after(async () => {
      app.remove();
      await host.remove();
    });

    const run = (...args: string[]): Promise<CliOutcome> =>
      runCli(lab, [...args, '--host', host.name, '--json'], { cwd: app.folder });

    test('the first release goes live on a fresh host', async () => {
      app.setVersion('1');
      const { code, result, stderr } = await run('deploy');
      assert.equal(code, 0, `${stderr}${JSON.stringify(result)}`);
      assert.equal(result?.ok, true);
      assert.equal(result.live, 'BLUE');
      assert.equal(result.requests.failed, 0);
      assert.ok(result.requests.sent > 0);
      assert.match((await get(host)).text, /^uptimer 1 /);
      assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE running']);
      await assertNothingLeft(host);
    });

    test('its container, labels and nginx file are as designed', async () => {
      const labels = JSON.parse(
        await host.mustExec("docker inspect -f '{{json .Config.Labels}}' uptimer_BLUE"),
      ) as Record<string, string>;
      assert.equal(labels['blue-green.service'], 'uptimer');
      assert.equal(labels['blue-green.slot'], 'BLUE');
      assert.match(labels['blue-green.release'] ?? '', /^\d{8}-\d{6}(-[0-9a-f]{10})?-[0-9a-f]{4}$/);
      assert.match(labels['blue-green.deployment'] ?? '', /^[0-9a-f]{12}$/);
      assert.match(labels['blue-green.person'] ?? '', /@/);
      assert.match(labels['blue-green.config'] ?? '', /"port":8080/);
      const restart = await host.mustExec(
        "docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' uptimer_BLUE reverse-proxy",
      );
      assert.equal(restart, 'unless-stopped\nalways\n');
      const conf = await host.mustExec('docker exec reverse-proxy cat /etc/nginx/conf.d/uptimer.conf');
      assert.match(conf, /^# Blue-Green: service=uptimer slot=BLUE deployment=[0-9a-f]{12}$/m);
      assert.match(conf, /http:\/\/uptimer_BLUE:8080;/);
    });

    for (const [version, live, kept] of [
      ['2', 'GREEN', 'BLUE'],
      ['3', 'BLUE', 'GREEN'],
    ] as const) {
      test(`release ${version} replaces it under traffic without a lost request`, async () => {
        app.setVersion(version);
        const traffic = Traffic.start({ url: `${host.url}/`, slow: { path: '/slow?s=2', clients: 2 } });
        const { code, result, stderr } = await run('deploy');
        const counted = await traffic.stop();
        assert.equal(code, 0, `${stderr}${JSON.stringify(result)}`);
        assert.equal(result?.live, live);
        assert.equal(result.requests.failed, 0);
        assert.equal(counted.failed, 0, JSON.stringify(counted));
        assert.ok(counted.sent > 100, `only ${counted.sent} requests were sent`);
        assert.match((await get(host)).text, new RegExp(`^uptimer ${version} `));
        assert.deepEqual(await containers(host), [
          'reverse-proxy running',
          `uptimer_BLUE ${live === 'BLUE' ? 'running' : 'exited'}`,
          `uptimer_GREEN ${live === 'GREEN' ? 'running' : 'exited'}`,
        ]);
        const restart = await host.mustExec(`docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' uptimer_${kept}`);
        assert.equal(restart.trim(), 'unless-stopped', 'a kept slot stays down after a reboot');
        assert.ok(result.bytesSent < 300_000, `a one-line change sent ${result.bytesSent} bytes`);
        await assertNothingLeft(host);
      });
    }

    test('status tells what is there', async () => {
      const { code, stdout } = await runCli(lab, ['status', '--host', host.name, '--json']);
      assert.equal(code, 0);
      const state = JSON.parse(stdout) as HostState;
      assert.equal(state.proxy.state, 'running');
      assert.deepEqual(
        state.services.map((service) => [service.name, service.live]),
        [['uptimer', 'BLUE']],
      );
      assert.deepEqual(state.services[0]?.findings, []);
      const text = (await runCli(lab, ['status', '--host', host.name])).stdout;
      assert.match(text, /uptimer/);
      assert.match(text, /BLUE/);
    });

    test('the log of the live slot is shown', async () => {
      const { code, stdout } = await runCli(lab, ['logs', 'uptimer', '--host', host.name, '--tail', '50']);
      assert.equal(code, 0);
      assert.match(stdout, /uptimer 3 serves/);
    });

    test('a log is followed over a restart of its slot, until Ctrl-C', async () => {
      const seen: string[] = [];
      let restarted: Promise<string> | undefined;
      const { code } = await runCli(
        lab,
        ['logs', 'uptimer', '--host', host.name, '--tail', '1', '--follow', '--json'],
        {
          onEvent: (line, kill) => {
            seen.push('text' in line ? line.text : '');
            restarted ??= host.mustExec('docker restart uptimer_BLUE');
            if (seen.length > 1 && seen.at(-1)?.startsWith('uptimer 3 serves') === true) {
              kill('SIGINT');
            }
          },
        },
      );
      await restarted;
      assert.equal(code, 130);
      assert.deepEqual(
        seen.map((text) => /^uptimer 3 (\w+)/.exec(text)?.[1] ?? text),
        ['serves', 'stops', 'ends', 'warms', 'serves'],
      );
    });

    test('rollback goes back to release 2 without a lost request', async () => {
      const traffic = Traffic.start({ url: `${host.url}/` });
      const { code, result, stderr } = await run('rollback', 'uptimer');
      const counted = await traffic.stop();
      assert.equal(code, 0, `${stderr}${JSON.stringify(result)}`);
      assert.equal(result?.live, 'GREEN');
      assert.equal(counted.failed, 0, JSON.stringify(counted));
      assert.match((await get(host)).text, /^uptimer 2 /);
      await assertNothingLeft(host);
    });

    test('the proxy stays while a service needs it; then everything can be removed', async () => {
      const early = await runCli(lab, ['remove', '--proxy', '--yes', '--host', host.name]);
      assert.equal(early.code, 1);
      assert.match(early.stderr, /uptimer/);
      const removed = await runCli(lab, ['remove', 'uptimer', '--yes', '--host', host.name]);
      assert.equal(removed.code, 0, removed.stderr);
      assert.deepEqual(await containers(host), ['reverse-proxy running']);
      assert.deepEqual(await images(host), []);
      const proxy = await runCli(lab, ['remove', '--proxy', '--yes', '--host', host.name]);
      assert.equal(proxy.code, 0, proxy.stderr);
      assert.deepEqual(await containers(host), []);
      assert.doesNotMatch(await host.mustExec('docker network ls'), /web-gateway/);
    });
  });
}

longTest('one service to two hosts at once, built by the same engine: each gets a release of its own', async () => {
  const hosts = await Promise.all(
    (['26.1', '28.5'] as const).map(async (engine) => (await lab.host({ engine, prepared: true })).dockerReady()),
  );
  const app = copyApp('uptimer');
  try {
    app.setVersion('both');
    app.write('bluegreen.json', '{ "services": { "uptimer": { "retire": { "keepImages": 1 } } } }');
    const outcomes = await Promise.all(
      hosts.map(({ name }) => runCli(lab, ['deploy', '--host', name, '--json'], { cwd: app.folder })),
    );
    for (const { code, stdout } of outcomes) {
      assert.equal(code, 0, stdout);
    }
    const releases = new Set(outcomes.map(({ result }) => result?.release ?? assert.fail()));
    assert.equal(releases.size, 2);
    for (const release of releases) {
      // Neither deployment removes what the other one may be sending.
      await lab.engine.docker.getImage(`uptimer:${release}`).inspect();
    }
    for (const host of hosts) {
      assert.match((await get(host)).text, /^uptimer both /);
      await assertNothingLeft(host);
    }
  } finally {
    app.remove();
    await Promise.all(hosts.map((host) => host.remove()));
  }
});

longTest('an image of 300 MB goes through little memory and no file, as zstd where Node makes it', async () => {
  const { node } = await installEditor();
  const host = await (await lab.host({ engine: '26.1', prepared: true })).dockerReady();
  await host.load(tinyImage);
  const app = copyApp('instant', 'large');
  const temporary = path.join(lab.folder, 'temporary');
  mkdirSync(temporary);
  const written: string[] = [];
  const watcher = watch(temporary, (_event, name) => written.push(name ?? '?'));
  try {
    app.setVersion('1');
    app.write(
      'Dockerfile',
      `FROM ${tinyImage}\nRUN head -c 300000000 /dev/urandom > /large\nCOPY version.txt /www/index.html\n`,
    );
    const [hook, peak] = [path.join(lab.folder, 'peak.cjs'), path.join(lab.folder, 'peak')];
    writeFileSync(
      hook,
      `process.on('exit', () => require('fs').writeFileSync(${JSON.stringify(peak)}, \`\${process.resourceUsage().maxRSS}\`))`,
    );
    const { code, result, stdout } = await runCli(lab, ['deploy', '--host', host.name, '--json'], {
      node,
      cwd: app.folder,
      env: { TMPDIR: temporary, NODE_OPTIONS: `--require ${hook}` },
    });
    assert.equal(code, 0, stdout);
    // It began with level 3: noise over a fast line is not worth that.
    assert.match(stdout, /"message":"\d layers sent, \d already there, zstd 1"/);
    assert.ok((result?.bytesSent ?? 0) > 290_000_000, `${result?.bytesSent} bytes`);
    const megabytes = Number(readFileSync(peak, 'utf8')) / 1024;
    assert.ok(megabytes > 20 && megabytes < 200, `${megabytes} MB`);
    assert.deepEqual(written, []);
    assert.equal((await get(host)).text, '1\n');
  } finally {
    watcher.close();
    app.remove();
    const builder = await localEngine(lab);
    await removeImages(builder, 'large:');
    builder.close();
    await host.remove();
  }
});
