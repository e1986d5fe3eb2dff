/** The laboratory itself is tested: that its machines are what the other tests take them for. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { type AppName, buildApp } from './apps';
import { run, type Outcome } from './command';
import { execInContainer } from './execInContainer';
import type { Host } from './host';
import { oldProxyImages, proxyImage, pythonImage, tinyImage, type DockerVersion } from './images';
import { startLab, type Lab } from './lab';
import { ownerId } from './owner';
import { labLabel, ownerLabel } from './removal';
import { Traffic, describeTraffic } from './traffic';

const uptimer = 'blue-green-test/uptimer:lab-test';

let lab: Lab;
const hosts: Record<DockerVersion, Host> = {} as Record<DockerVersion, Host>;

function ssh(destination: string, command: string, input = '', ...options: string[]): Promise<Outcome> {
  return run(
    'ssh',
    ['-F', lab.sshConfigFile, ...options, '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=10', destination, command],
    { input },
  );
}

before(async () => {
  lab = await startLab();
  const start = async (engine: DockerVersion): Promise<void> => {
    hosts[engine] = await lab.host({ engine, disk: 'lasting' });
    await hosts[engine].dockerReady();
  };
  await Promise.all([
    start('20.10'),
    start('26.1'),
    start('28.5'),
    lab.bastion(),
    lab.images(proxyImage, pythonImage, tinyImage),
  ]);
});

after(() => lab.stop());

const expected = [
  { engine: '20.10', name: 'prod-2010', version: /^20\.10\./, driver: 'overlay2', store: /Backing Filesystem/ },
  { engine: '26.1', name: 'prod-26', version: /^26\.1\./, driver: 'overlay2', store: /Backing Filesystem/ },
  {
    engine: '28.5',
    name: 'prod-28',
    version: /^28\.5\./,
    driver: 'overlayfs',
    store: /driver-type io\.containerd\.snapshotter\.v1/,
  },
] as const;

for (const { engine, name, version, driver, store } of expected) {
  describe(`the host with Docker ${engine}`, () => {
    test('is logged in to with its host key checked, and has this engine and image store', async () => {
      const answer = await ssh(name, `docker info --format '{{.ServerVersion}}|{{.Driver}}|{{.DriverStatus}}'; id -un`);
      assert.equal(answer.code, 0, answer.stderr);
      const [info = '', user] = answer.stdout.trim().split('\n');
      const [theVersion = '', theDriver, theStore = ''] = info.split('|');
      assert.match(theVersion, version);
      assert.equal(theDriver, driver);
      assert.match(theStore, store);
      assert.equal(user, 'deploy');
    });

    test('is reached through the bastion, by a name that only the bastion knows', async () => {
      const answer = await ssh(`${name}-via-bastion`, 'hostname');
      assert.equal(answer.stdout.trim(), name, answer.stderr);
    });

    test('refuses Docker to a user outside of the group docker', async () => {
      const answer = await ssh(`nodocker@${name}`, 'docker version');
      assert.notEqual(answer.code, 0);
      assert.match(answer.stderr, /permission denied/i);
    });

    test('is refused by ssh when its host key is another than known_hosts says', async () => {
      const wrong = join(lab.folder, `wrong-${name}`);
      const others = readFileSync(lab.knownHostsFile, 'utf8')
        .trim()
        .split('\n')
        .filter((line) => !line.includes(hosts[engine].hostKey));
      writeFileSync(wrong, `${hosts[engine].address} ${others[0]?.split(' ').slice(1).join(' ') ?? ''}\n`);
      const answer = await ssh(name, 'true', '', '-o', `UserKnownHostsFile=${wrong}`);
      assert.equal(answer.code, 255);
      assert.match(answer.stderr, /host key|identification/i);
    });

    test('runs containers, nginx answers on its address, and fresh() takes all off again', async () => {
      const host = hosts[engine];
      await host.load(proxyImage);
      await host.load(tinyImage);
      await host.mustExec(
        `docker network create web-gateway && docker volume create data && docker run -d --restart always --network web-gateway --name reverse-proxy -p 80:80 ${proxyImage}`,
      );
      await until('nginx answers', async () => (await fetch(host.url)).ok);
      await host.fresh([proxyImage]);
      assert.equal(
        await host.mustExec('docker ps -aq; docker network ls -q --filter type=custom; docker volume ls -q'),
        '',
      );
      assert.equal((await host.mustExec("docker image ls --format '{{.Repository}}:{{.Tag}}'")).trim(), proxyImage);
      await assert.rejects(fetch(host.url));
    });

    test('comes back after a reboot and after a power cut, with its containers', async () => {
      const host = hosts[engine];
      await host.load(proxyImage);
      await host.mustExec(`docker run -d --restart always --name reverse-proxy -p 80:80 ${proxyImage}`);
      for (const how of ['reboot', 'power cut'] as const) {
        await host.restart(how);
        await host.dockerReady();
        await until(`the container runs after a ${how}`, async () => (await fetch(host.url)).ok);
        assert.equal((await ssh(name, 'hostname')).stdout.trim(), name);
      }
      await host.fresh([proxyImage]);
    });
  });
}

describe('a failing host', () => {
  test('gives no answer while it is paused, and goes on after it', async () => {
    const host = hosts['28.5'];
    await host.pause();
    const answer = await ssh('prod-28', 'true', '', '-o', 'ConnectTimeout=1');
    await host.unpause();
    assert.equal(answer.code, 255);
    assert.equal((await ssh('prod-28', 'true')).code, 0);
  });

  test('is gone from the network while its plug is pulled, and has the same address after it', async () => {
    const host = hosts['28.5'];
    await host.disconnect();
    const answer = await ssh('prod-28', 'true', '', '-o', 'ConnectTimeout=1');
    await host.connect();
    assert.equal(answer.code, 255);
    assert.equal((await ssh('prod-28', 'true')).code, 0);
    assert.equal((await ssh('prod-28-via-bastion', 'true')).code, 0);
  });

  test('has a disk that can be filled', async () => {
    const small = await lab.host({ name: 'small', engine: '26.1', disk: '200m' });
    await small.dockerReady();
    await small.load(tinyImage);
    await small.fillDisk(5_000_000);
    await assert.rejects(small.load(proxyImage), /no space left on device/);
    await small.freeDisk();
    await small.load(proxyImage);
    await small.remove();
    assert.doesNotMatch(readFileSync(lab.sshConfigFile, 'utf8'), /small/);
  });

  test('may have images from the beginning, and in memory nothing that outlives a restart', async () => {
    const prepared = await lab.host({ name: 'prepared', engine: '26.1', prepared: true });
    await prepared.dockerReady();
    const names = (await prepared.mustExec("docker image ls --format '{{.Repository}}:{{.Tag}}'")).trim().split('\n');
    assert.deepEqual(names.sort(), [proxyImage, pythonImage].sort());
    assert.match(await prepared.mustExec(['docker', 'run', '--rm', pythonImage, 'python3', '--version']), /^Python 3/);
    await assert.rejects(prepared.restart(), /a disk that is lasting/);
    await prepared.remove();
  });

  test('may have no Docker at all', async () => {
    const plain = await lab.host({ name: 'plain', docker: false });
    const answer = await ssh('plain', 'docker version');
    assert.equal(answer.code, 127);
    await assert.rejects(plain.dockerReady(), /without Docker/);
    await plain.remove();
  });

  test('says why its Docker does not start', async () => {
    const broken = await lab.host({ name: 'broken', engine: '20.10' });
    await broken.dockerReady();
    await broken.mustExec('pkill -x dockerd; until [ -e /run/dockerd.ended ]; do sleep 0.05; done');
    await assert.rejects(broken.dockerReady(), /broken: its dockerd ended\. Its last lines:\n.+/);
    await broken.remove();
  });
});

test('a slow link carries what it is told to, and no more', async () => {
  const link = await lab.slowLink(hosts['28.5'], { bytesPerSecond: 1_000_000, latencyMs: 20 });
  const started = performance.now();
  const answer = await ssh(link.alias, 'wc -c', 'x'.repeat(1_500_000));
  const seconds = (performance.now() - started) / 1000;
  assert.equal(answer.stdout.trim(), '1500000', answer.stderr);
  assert.ok(seconds > 1.5 && seconds < 10, `took ${String(seconds)} s`);
  assert.ok(link.bytes.up > 1_500_000 && link.bytes.up < 1_700_000);
  await link.close();
});

describe('the example service', () => {
  before(async () => {
    await buildApp(lab.engine, 'uptimer', uptimer);
    await hosts['28.5'].load(uptimer);
  });
  after(() => lab.engine.docker.getImage(uptimer).remove());

  test('refuses while it warms up, then serves every kind of client without a failure', async (t) => {
    const host = hosts['28.5'];
    await host.mustExec(`docker run -d --name uptimer -e WARMUP=2 -p 80:8080 ${uptimer}`);
    const started = performance.now();
    await until('the service answers', async () => (await fetch(`${host.url}/health`)).ok);
    const seconds = (performance.now() - started) / 1000;
    assert.ok(seconds > 1, `answered after ${String(seconds)} s`);

    const traffic = Traffic.start({
      url: host.url,
      slow: { path: '/slow?s=0.5', clients: 2 },
      slower: { path: '/slow?s=1', clients: 2 },
      webSocket: { path: '/ws', clients: 2 },
      events: { path: '/stream', clients: 2, seconds: 1 },
      download: { path: '/download?s=0.5', clients: 2 },
      upload: { path: '/upload', clients: 2, seconds: 0.5, bytes: 10_000 },
    });
    t.after(() => traffic.stop());
    const isEachKindServed = (): boolean => Object.values(traffic.report().kinds).every(({ sent }) => sent >= 4);
    await until('each kind is served', () => Promise.resolve(isEachKindServed()));
    const report = await traffic.stop();
    assert.equal(report.failed, 0, describeTraffic(report));
    assert.deepEqual(Object.keys(report.versions), ['1']);
  });

  test('answers the slow request that it is at when it is told to stop, and traffic counts what is lost', async (t) => {
    const host = hosts['28.5'];
    const traffic = Traffic.start({ url: host.url, webSocket: { path: '/ws', clients: 1 } });
    t.after(() => traffic.stop());
    await traffic.settle();
    const slow = fetch(`${host.url}/slow?s=1`);
    await sleep(300);
    await host.mustExec('docker stop uptimer');
    assert.equal(await (await slow).text(), 'uptimer 1 after 1 s\n');
    await traffic.settle();
    const report = await traffic.stop();
    assert.ok(report.kinds.fresh.failed > 0 && report.kinds.keepAlive.failed > 0, describeTraffic(report));
    assert.equal(report.kinds.webSocket.reopened, 1, describeTraffic(report));
    assert.equal((await host.mustExec("docker inspect --format '{{.State.ExitCode}}' uptimer")).trim(), '0');
    await host.fresh([proxyImage]);
  });

  test('changes one layer only, the last, with its version', async () => {
    const layers = async (tag: string): Promise<string[]> =>
      (await lab.engine.docker.getImage(tag).inspect()).RootFS.Layers ?? [];
    await buildApp(lab.engine, 'uptimer', `${uptimer}-2`, { 'version.txt': '2\n' });
    const [first, second] = [await layers(uptimer), await layers(`${uptimer}-2`)];
    await lab.engine.docker.getImage(`${uptimer}-2`).remove();
    assert.equal(first.length, second.length);
    assert.deepEqual(first.slice(0, -1), second.slice(0, -1));
    assert.notEqual(first.at(-1), second.at(-1));
  });
});

test('the services that fail do so as they should', async () => {
  const start = async (app: AppName): Promise<Docker.Container> => {
    const tag = `blue-green-test/${app}:lab-test`;
    await buildApp(lab.engine, app, tag);
    const labels = { [labLabel]: lab.id, [ownerLabel]: await ownerId() };
    const container = await lab.engine.docker.createContainer({ Image: tag, Labels: labels });
    await container.start();
    await lab.engine.docker.getImage(tag).remove({ force: true });
    return container;
  };
  /** Asks from within the container, as `name` (an address that is not loopback, or loopback). */
  const ask = async (container: Docker.Container, name: 'own-address' | 'loopback'): Promise<string> => {
    const script = `import socket, urllib.request, urllib.error
host = '127.0.0.1' if '${name}' == 'loopback' else socket.gethostbyname(socket.gethostname())
try: print(urllib.request.urlopen(f'http://{host}:8080').status)
except urllib.error.HTTPError as error: print(error.code)
except urllib.error.URLError as error: print(error.reason.strerror)`;
    return (await execInContainer(container, ['python3', '-c', script])).stdout.trim();
  };
  const neverHealthy = await start('never-healthy');
  await until('never-healthy answers with 500', async () => (await ask(neverHealthy, 'own-address')) === '500');

  const loopbackOnly = await start('loopback-only');
  await until('loopback-only answers itself', async () => (await ask(loopbackOnly, 'loopback')) === '200');
  assert.equal(await ask(loopbackOnly, 'own-address'), 'Connection refused');

  const crash = await start('crash');
  const { StatusCode: code } = (await crash.wait()) as { StatusCode: number };
  assert.equal(code, 3);
  assert.match((await crash.logs({ stdout: true })).toString(), /crash: DATABASE_URL is not set/);

  await assert.rejects(buildApp(lab.engine, 'broken-build', 'blue-green-test/broken:lab-test'), (error: Error) => {
    assert.match(error.message, /code: 7/);
    assert.match(error.message, /expected ';'/);
    return true;
  });
});

test('traffic is sent to nobody but the own machines', () => {
  for (const url of ['http://192.0.2.1/', 'http://10.0.0.1/', 'http://example.com/']) {
    assert.throws(() => Traffic.start({ url }), /own machines/);
  }
});

test('older proxies have the versions that their names say', async () => {
  await lab.images(...oldProxyImages);
  for (const image of [...oldProxyImages, proxyImage]) {
    const container = await lab.engine.docker.createContainer({
      Image: image,
      HostConfig: { NetworkMode: 'none' },
      Cmd: ['sleep', '60'],
    });
    await container.start();
    const { stderr } = await execInContainer(container, ['nginx', '-v']);
    await container.remove({ force: true });
    assert.ok(stderr.includes(`nginx/${/:(\d+\.\d+)/.exec(image)?.[1] ?? ''}.`), `${image}: ${stderr}`);
  }
});

test('a stopped lab leaves nothing behind', async () => {
  const other = await startLab();
  const host = await other.host({ engine: '28.5' });
  await host.dockerReady();
  await host.load(tinyImage);
  await host.mustExec(`docker run -d ${tinyImage}`);
  await other.stop();
  const filters = { label: [`blue-green-lab=${other.id}`] };
  assert.deepEqual(await lab.engine.docker.listContainers({ all: true, filters }), []);
  assert.deepEqual(await lab.engine.docker.listNetworks({ filters }), []);
  assert.equal(existsSync(other.folder), false);
});

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`of a lab that ${signal} ended nothing is left${signal === 'SIGKILL' ? ' once another has started' : ''}`, async () => {
    const cli = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'lab-cli.ts'), 'up', 'plain'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(cli, 'close');
    let output = '';
    for await (const chunk of cli.stdout) {
      output += String(chunk);
      if (output.includes('Ctrl-C removes them')) break;
    }
    const folder = /-F (\S+)\/ssh_config/.exec(output)?.[1] ?? '';
    const id = /blue-green-lab-[0-9a-f]{6}/.exec(folder)?.[0] ?? '';
    const left = async (): Promise<number> => {
      const filters = { label: [`${labLabel}=${id}`] };
      const containers = await lab.engine.docker.listContainers({ all: true, filters });
      return (
        containers.length + (await lab.engine.docker.listNetworks({ filters })).length + Number(existsSync(folder))
      );
    };
    assert.equal(await left(), 4, output); // bastion, plain, network, folder
    cli.kill(signal);
    await ended;
    if (signal === 'SIGKILL') await (await startLab()).stop();
    assert.equal(await left(), 0);
  });
}

/** Tries until it is so, or until thirty seconds have passed. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + 30_000;
  while (!(await isSo().catch(() => false))) {
    assert.ok(performance.now() < limit, `not in thirty seconds: ${what}`);
    await sleep(20);
  }
}
