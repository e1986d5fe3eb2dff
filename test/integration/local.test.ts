/**
 * `--host local`: this machine's own engine as the host. So that the tests touch nobody's containers, a lab host's
 * engine and published port are brought to this machine by `ssh -L`; to the program they are local.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import packageJson from '../../package.json';
import { longTest } from '../long';
import type { Host } from '../machines/host';
import { proxyImage, pythonImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, containers, copyApp, images } from './fixtures';

const root = path.join(import.meta.dirname, '../..');

let lab: Lab;
let host: Host;
let app: App;
let tunnel: ChildProcess;
let port: number;
let socket: string;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  app = copyApp('uptimer');
  socket = path.join(lab.folder, 'local.sock');
  port = await freePort();
  tunnel = spawn(
    'ssh',
    [
      '-N',
      '-F',
      lab.sshConfigFile,
      '-L',
      `${socket}:/run/docker.sock`,
      '-L',
      `127.0.0.1:${port}:127.0.0.1:${port}`,
      host.name,
    ],
    { stdio: 'ignore' },
  );
  for (let tries = 0; !existsSync(socket); tries += 1) {
    assert.ok(tries < 200, 'ssh -L did not come up within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
after(async () => {
  tunnel.kill();
  app.remove();
  await lab.stop();
});

test('the command is there after the installation that the README tells', () => {
  const prefix = mkdtempSync(path.join(tmpdir(), 'blue-green-npm-'));
  try {
    const npm = ['install', '--global', '--prefix', prefix, '--offline', '--no-audit', '--no-fund', '.'];
    execFileSync('npm', npm, { cwd: root, stdio: 'pipe', timeout: 60_000 });
    const said = execFileSync(path.join(prefix, 'bin', 'blue-green'), ['--version'], { cwd: prefix, timeout: 30_000 });
    assert.equal(said.toString(), `${packageJson.version}\n`);
  } finally {
    rmSync(prefix, { recursive: true, force: true });
  }
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as net.AddressInfo;
      server.close(() => resolve(free));
    });
  });
}

function deploy(publish = port, engine = `unix://${socket}`): Promise<CliOutcome> {
  return runCli(lab, ['deploy', '--host', 'local', '--publish', String(publish), '--json'], {
    cwd: app.folder,
    env: { DOCKER_HOST: engine },
  });
}

test('two releases go live on this machine; nothing is sent, nothing is lost', async () => {
  for (const [version, live] of [
    ['1', 'BLUE'],
    ['2', 'GREEN'],
  ] as const) {
    app.setVersion(version);
    const { code, events, result, stdout } = await deploy();
    assert.equal(code, 0, stdout);
    assert.equal(events.find((event) => event.type === 'plan')?.plan.slot, live);
    assert.equal(result?.live, live);
    assert.equal(result.bytesSent, 0);
    assert.equal(result.requests.failed, 0);
    assert.ok(result.requests.sent > 0);
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    assert.match(await answer.text(), new RegExp(`^uptimer ${version} `));
  }
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE exited', 'uptimer_GREEN running']);
  await assertNothingLeft(host);
});

longTest('images of releases beyond the last three are removed, and no others', async () => {
  for (const version of ['3', '4', '5']) {
    app.setVersion(version);
    assert.equal((await deploy()).code, 0);
  }
  const left = await images(host);
  assert.equal(left.filter((name) => name.startsWith('uptimer:')).length, 3);
  assert.ok(left.includes('python:3.13-alpine'));
});

test('a proxy that publishes another port is not bent to the wish: the error says how to go on', async () => {
  const other = await freePort();
  const { code, result } = await deploy(other);
  assert.equal(code, 2);
  assert.match(result?.error?.message ?? '', new RegExp(`publishes port ${port}, not ${other}`));
});

/** Brings the engine of a host to its TCP port 2375. */
const RELAY = `
import socket, threading
def pass_on(a, b):
    while data := a.recv(65536): b.sendall(data)
    b.shutdown(socket.SHUT_WR)
server = socket.create_server(('', 2375))
while True:
    client, _ = server.accept()
    engine = socket.socket(socket.AF_UNIX)
    engine.connect('/docker.sock')
    for pair in ((client, engine), (engine, client)): threading.Thread(target=pass_on, args=pair).start()
`;

test('an engine that DOCKER_HOST finds on another machine: requests go there, or to nowhere', async () => {
  const relay = ['run', '-d', '--rm', '--name', 'relay', '--network', 'host', '-v', '/run/docker.sock:/docker.sock'];
  await host.mustExec(['docker', ...relay, pythonImage, 'python3', '-c', RELAY]);
  // What is published there is no longer at this machine's own address as well.
  tunnel.kill();
  const engine = `tcp://${host.address}:2375`;
  const there = await deploy(port, engine);
  assert.equal(there.code, 0, there.stdout);
  assert.ok((there.result?.requests.sent ?? 0) > 0, there.stdout);
  assert.equal(there.result?.requests.failed, 0);

  await host.mustExec('docker rm -f reverse-proxy');
  const publish = `127.0.0.1:${port}:80`;
  await host.mustExec(`docker run -d --name reverse-proxy --network web-gateway -p ${publish} ${proxyImage}`);
  const nowhere = await deploy(port, engine);
  assert.equal(nowhere.code, 0, nowhere.stdout);
  assert.equal(nowhere.result?.requests.sent, 0);
  assert.match(nowhere.stdout, /Requests cannot be sent through this connection \(connect ECONNREFUSED/);
  await host.mustExec('docker stop -t 0 relay');
});
