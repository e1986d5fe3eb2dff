/** `status --drill` predicts what a restart of the machine brings back, and the restart proves it right. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DrillReport } from '../../src/engine/drill';
import { longTest } from '../long';
import type { Host } from '../machines/host';
import { tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { runCli } from './cli';
import { type App, copyApp, get } from './fixtures';

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  host = await (await lab.host({ engine: '26.1', prepared: true, disk: 'lasting' })).dockerReady();
  app = copyApp('instant', 'shop');
  for (const version of ['1', '2']) {
    app.setVersion(version);
    const { code, stdout } = await runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: app.folder });
    assert.equal(code, 0, stdout);
  }
});
after(async () => {
  app.remove();
  await lab.stop();
});

async function drill(): Promise<{ code: number; report: DrillReport }> {
  const { code, stdout } = await runCli(lab, ['status', '--drill', '--json', '--host', host.name]);
  return { code, report: (JSON.parse(stdout) as { drill: DrillReport }).drill };
}

/** What the site answers within some seconds after a restart: its status, or 0 for none. */
async function afterRestart(how: Parameters<Host['restart']>[0]): Promise<{ status: number; text: string }> {
  await host.restart(how);
  await host.dockerReady();
  for (let attempt = 0; ; attempt += 1) {
    const answer = await get(host).catch(() => ({ status: 0, text: '' }));
    if (answer.status === 200 || attempt >= 16) {
      return answer;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

test('a host in good order: everything comes back, after a reboot and after a power cut', async () => {
  const { code, report } = await drill();
  assert.equal(code, 0);
  assert.equal(report.comesBack, true, JSON.stringify(report));
  for (const how of ['reboot', 'power cut'] as const) {
    const { status, text } = await afterRestart(how);
    assert.equal(status, 200, how);
    assert.match(text, /^2/);
    const kept = await host.mustExec("docker inspect -f '{{.State.Status}}' shop_BLUE");
    assert.equal(kept.trim(), 'exited', 'the kept slot stays down');
  }
  const text = (await runCli(lab, ['status', '--drill', '--host', host.name])).stdout;
  assert.match(text, /If this host restarts now, every service comes back\./);
});

longTest('a live slot without a restart policy does not come back, and repair starts it', async () => {
  await host.mustExec('docker update --restart=no shop_GREEN');
  const { code, report } = await drill();
  assert.equal(code, 1);
  assert.match(report.services[0]?.reasons.join() ?? '', /shop_GREEN does not come back/);
  assert.equal((await afterRestart('reboot')).status, 502);
  const repaired = await runCli(lab, ['repair', '--host', host.name]);
  assert.equal(repaired.code, 0, repaired.stdout + repaired.stderr);
  assert.equal((await get(host)).status, 200);
  assert.equal((await drill()).code, 0);
});

test('whether Docker starts with the machine is asked of systemd', async () => {
  const stub = '/usr/local/bin/systemctl'; // the machines of the lab have no systemd
  try {
    for (const [word, reasons] of [
      ['disabled', ['Docker does not start with the machine. Enable it: sudo systemctl enable docker.']],
      ['enabled', []],
    ] as const) {
      await host.mustExec(`printf '#!/bin/sh\n[ "$*" = "is-enabled docker.service" ] && echo ${word}\n' > ${stub}`);
      await host.mustExec(`chmod 755 ${stub}`);
      const { code, report } = await drill();
      assert.deepEqual([code, report.comesBack, report.reasons], [reasons.length, reasons.length === 0, reasons]);
    }
  } finally {
    await host.mustExec(`rm -f ${stub}`);
  }
});

test("one absent app behind the article's file takes every site down: said before, true after, repaired", async () => {
  await host.load(tinyImage);
  await host.mustExec('docker run -d --name wiki_BLUE --network web-gateway --restart no blue-green-test/tiny:1');
  await host.mustExec(
    ['docker', 'exec', '-i', 'reverse-proxy', 'sh', '-c', 'cat > /etc/nginx/conf.d/wiki.conf && nginx -s reload'],
    'upstream wiki { server wiki_BLUE:8080; }\nserver { listen 80; server_name wiki.example; location / { proxy_pass http://wiki; } }\n',
  );
  const { code, report } = await drill();
  assert.equal(code, 1);
  assert.match(report.reasons.join(), /nginx would not start without wiki_BLUE/);
  assert.equal((await afterRestart('reboot')).status, 0, 'shop is down because wiki is absent');
  const { stdout } = await runCli(lab, ['status', '--host', host.name]);
  assert.match(stdout, /proxy-failing/);
  const repaired = await runCli(lab, ['repair', '--host', host.name]);
  assert.equal(repaired.code, 0, repaired.stdout + repaired.stderr);
  assert.equal((await get(host)).status, 200);
  assert.equal((await get(host, '/', { host: 'wiki.example' })).status, 200);
});
