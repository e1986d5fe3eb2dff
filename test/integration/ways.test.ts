/** The other ways to a host: built there, by way of a registry, and hosts that are Docker contexts. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { HostState, TransferConfig } from '../../src/model';
import { longTest } from '../long';
import { mustRun } from '../machines/command';
import type { Host } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { startRegistry } from '../machines/registry';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, copyApp, get, images } from './fixtures';

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '26.1', prepared: true })).dockerReady();
  app = copyApp('uptimer');
});
after(async () => {
  app.remove();
  await lab.stop();
});

async function deploy(
  version: string,
  transfer: object | string,
  env: Record<string, string> = {},
  name = host.name,
): Promise<CliOutcome> {
  app.setVersion(version);
  app.write('bluegreen.json', JSON.stringify({ services: { uptimer: { transfer } } }));
  return runCli(lab, ['deploy', '--host', name, '--json'], { cwd: app.folder, env });
}

async function assertServes(version: string, { code, stdout }: CliOutcome): Promise<void> {
  assert.equal(code, 0, stdout);
  assert.match((await get(host)).text, new RegExp(`^uptimer ${version} `));
  await assertNothingLeft(host);
}

test('built on the host: only the context goes there, without what .dockerignore names, and no Docker is needed here', async () => {
  app.write('noise/large.txt', randomBytes(1_000_000).toString('hex'));
  app.write('.dockerignore', 'noise\n');
  const way: TransferConfig['way'] = 'host';
  const outcome = await deploy('1', way, { DOCKER_HOST: 'unix:///nothing/there.sock' });
  await assertServes('1', outcome);
  const { bytesSent = 0 } = outcome.result ?? {};
  assert.ok(bytesSent > 0 && bytesSent < 500_000, `${bytesSent} bytes were sent`);
  assert.ok(
    outcome.events.some((event) => event.type === 'stage' && event.stage === 'transfer' && event.status === 'skipped'),
  );
});

test('by way of a registry of this machine that asks for a login', async () => {
  const registry = await startRegistry({ login: { user: 'ann' } });
  const repository = `localhost:${registry.port}/ann/uptimer`;
  const login = path.join(lab.folder, 'login');
  mkdirSync(login);
  try {
    const refused = await deploy('2', { registry: repository }, { DOCKER_CONFIG: login });
    assert.equal(refused.code, 7, refused.stdout);
    assert.match(refused.result?.error?.hint ?? '', /docker login/);
    assert.match((await get(host)).text, /^uptimer 1 /);

    const auths = { [`localhost:${registry.port}`]: { auth: Buffer.from('ann:hush').toString('base64') } };
    writeFileSync(path.join(login, 'config.json'), JSON.stringify({ auths }));
    const first = await deploy('2', { registry: repository }, { DOCKER_CONFIG: login });
    await assertServes('2', first);
    const second = await deploy('3', { registry: repository }, { DOCKER_CONFIG: login });
    await assertServes('3', second);
    assert.ok(second.stdout.includes('1 layer sent'), second.stdout);
    assert.ok(!second.stdout.includes('hush'));
    assert.deepEqual(
      (await images(host)).filter((name) => name.startsWith('localhost')),
      [],
    );
  } finally {
    await registry.stop();
  }
});

longTest('by way of a registry that this machine and the host reach, each by itself', async (t) => {
  const { RegistryConfig: registries } = (await lab.engine.docker.info()) as { RegistryConfig?: unknown };
  if (!JSON.stringify(registries).includes('10.128.0.0/9')) {
    // Not one that the lab has started (../machines/engine.ts).
    t.skip('the engine of this machine would ask such a registry for TLS');
    return;
  }
  const registry = await startRegistry({ address: lab.address, login: { user: 'ann' } });
  const place = `${lab.address}:${registry.port}`;
  const login = path.join(lab.folder, 'office');
  mkdirSync(login);
  const auths = { [place]: { auth: Buffer.from('ann:hush').toString('base64') } };
  writeFileSync(path.join(login, 'config.json'), JSON.stringify({ auths }));
  try {
    const outcome = await deploy('office', { registry: `${place}/ann/uptimer` }, { DOCKER_CONFIG: login });
    await assertServes('office', outcome);
    assert.ok(!outcome.stdout.includes('hush'));
    assert.deepEqual(
      (await images(host)).filter((name) => name.startsWith(place)),
      [],
    );
  } finally {
    await registry.stop();
  }
});

test('a Docker context that leads to the host by ssh, and one that does not exist', async () => {
  const docker = path.join(lab.folder, 'docker');
  const env = { ...process.env, DOCKER_CONFIG: docker };
  for (const [name, leadsTo] of [
    ['prod', `ssh://${host.name}`],
    ['here', `unix://${lab.engine.socketPath}`],
  ] as const) {
    await mustRun('docker', ['context', 'create', name, '--docker', `host=${leadsTo}`], { env });
  }
  await assertServes('4', await deploy('4', 'ssh', { DOCKER_CONFIG: docker }, 'context:prod'));
  const { code, stdout } = await deploy('4', 'ssh', { DOCKER_CONFIG: docker }, 'context:nothing');
  assert.equal(code, 8);
  assert.match(stdout, /There is no Docker context nothing on this machine/);
  const here = await runCli(lab, ['status', '--host', 'context:here', '--json'], { env: { DOCKER_CONFIG: docker } });
  assert.equal(here.code, 0, here.stderr);
  assert.equal((JSON.parse(here.stdout) as HostState).engineVersion, lab.engine.version);
});
