/** First deployments of several services on a fresh host at the same moment: each finds what another one makes just then. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { markerAnswer } from '../../src/nginx/conf';
import { filesToRemove, filesToRestore, filesToServe, lookAtProxy, switchProxy } from '../../src/nginx/proxy';
import type { Host } from '../machines/host';
import { tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { runCli } from './cli';
import { noSignal, remoteEngine, type RemoteEngine } from './engines';
import { type App, assertNothingLeft, containers, copyApp } from './fixtures';

const names = ['blog', 'shop', 'wiki'] as const;

let lab: Lab;
let host: Host;
let apps: readonly App[];

before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  // (Two engines of this age make two networks of one name when they are asked at once.)
  host = await (await lab.host({ engine: '20.10', prepared: true })).dockerReady();
  apps = names.map((name) => {
    const app = copyApp('instant', name);
    app.setVersion(`${name} 1`);
    app.write('bluegreen.json', JSON.stringify({ services: { [name]: { route: `${name}.example` } } }));
    return app;
  });
});
after(async () => {
  apps.forEach((app) => app.remove());
  await lab.stop();
});

test('all of them go live behind the one proxy, whose welcome page goes', async () => {
  const outcomes = await Promise.all(
    apps.map((app) => runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: app.folder })),
  );
  for (const [index, { code, stdout }] of outcomes.entries()) {
    assert.equal(code, 0, stdout);
    assert.equal(await answer(`${names[index]}.example`), `${names[index]} 1\n`);
  }
  assert.deepEqual(await containers(host), [
    'blog_BLUE running',
    'reverse-proxy running',
    'shop_BLUE running',
    'wiki_BLUE running',
  ]);
  assert.equal(await inProxy('ls default.conf 2>/dev/null || true'), '');
  await assertNothingLeft(host);
});

test('the welcome page goes also where the deployment that made the proxy ended before', async () => {
  await inProxy(
    'printf "server { listen 80; server_name localhost; location / { root /usr/share/nginx/html; } }" > default.conf',
  );
  const { code, stdout } = await runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: apps[0]?.folder ?? '' });
  assert.equal(code, 0, stdout);
  assert.equal(await inProxy('ls default.conf 2>/dev/null || true'), '');
});

test('what takes a service out of nginx, or back, leaves the server of a host name that another one has come to share', async () => {
  const remote = await remoteEngine(lab, host.name);
  try {
    for (const takeAway of [filesToRestore, filesToRemove]) {
      const before = await look(remote);
      const first = await serve(remote, 'first', '/first');
      const seen = await look(remote);
      await serve(remote, 'second', '/');
      const files = takeAway === filesToRestore ? filesToRestore(before, first) : filesToRemove(seen, 'first');
      await mustSwitch(remote, files, 'first');
      assert.match(await answer('common.example'), /502 Bad Gateway/, 'it has a server, whose slot is not there');
      assert.match(await inProxy('ls'), /~common\.example\.conf/);
      assert.doesNotMatch(await inProxy('ls'), /first/);

      await mustSwitch(remote, filesToRemove(await look(remote), 'second'), 'second');
      assert.doesNotMatch(await inProxy('ls'), /common/);
    }
  } finally {
    remote.close();
  }
});

function answer(hostName: string): Promise<string> {
  return host.mustExec(['curl', '-s', '-m', '10', '-H', `Host: ${hostName}`, 'http://127.0.0.1/']);
}

function inProxy(script: string): Promise<string> {
  return host.mustExec(['docker', 'exec', 'reverse-proxy', 'sh', '-c', `cd /etc/nginx/conf.d; ${script}`]);
}

function look({ engine }: RemoteEngine): ReturnType<typeof lookAtProxy> {
  return lookAtProxy(engine, 'reverse-proxy', [], noSignal);
}

/** Has nginx serve a service that is not there on a host name that others share. Returns what it changed. */
async function serve(remote: RemoteEngine, service: string, path: string): Promise<ReturnType<typeof filesToServe>> {
  const view = await look(remote);
  const route = { hosts: ['common.example'], path, stripPath: false, maxBody: '1m', protocol: 'http' } as const;
  const identity = { service, slot: 'BLUE', deployment: 'd1' } as const;
  const files = filesToServe(view, { ...identity, port: 8080, route, nginxVersion: view.nginxVersion });
  await mustSwitch(remote, files, service, markerAnswer(identity));
  return files;
}

async function mustSwitch(
  { engine }: RemoteEngine,
  files: ReturnType<typeof filesToServe>,
  service: string,
  expect?: string,
): Promise<void> {
  const verdict = await switchProxy(engine, 'reverse-proxy', { files, service, expect }, () => Promise.resolve());
  assert.deepEqual(verdict, { kind: 'switched' });
}
