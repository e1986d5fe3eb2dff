import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { LoadedConfig, Overrides } from '../../../src/config/load';
import { findService, loadConfig, serviceForDockerfile } from '../../../src/config/load';
import { zeroServiceName } from '../../../src/config/zero';
import { DeployError } from '../../../src/model';

const root = mkdtempSync(path.join(tmpdir(), 'blue-green-load-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** A new folder `shop` with these files in it. */
function project(files: Readonly<Record<string, string>>): string {
  const folder = path.join(mkdtempSync(path.join(root, 'project-')), 'shop');
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

function load(folder: string, overrides: Overrides = {}, more: object = {}): Promise<LoadedConfig> {
  return loadConfig(folder, { overrides, environment: {}, ...more });
}

async function failure(promise: Promise<unknown>): Promise<DeployError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof DeployError, 'It should have failed.');
  return error;
}

const names = (loaded: LoadedConfig): string[] => loaded.services.map(({ name }) => name);

describe('zero configuration', () => {
  it('makes a service of a Dockerfile', async () => {
    const folder = project({ Dockerfile: '' });
    const loaded = await load(folder);
    const [service] = loaded.services;
    assert.equal(loaded.file, undefined);
    assert.equal(service?.name, 'shop');
    assert.equal(service.build.context, folder);
    assert.equal(service.build.dockerfile, path.join(folder, 'Dockerfile'));
    assert.equal(service.port, undefined);
    assert.equal(service.health.path, '/');
    assert.equal(service.proxy.publish, 80);
    assert.equal(loaded.positionOf(['services', 'shop']), undefined);
  });

  it('says that there is no Dockerfile, but not to someone who only looks', async () => {
    const folder = project({});
    const error = await failure(load(folder));
    assert.equal(error.code, 'config');
    assert.match(error.message, /There is no Dockerfile/);
    assert.match(error.hint ?? '', /bluegreen\.json/);
    assert.deepEqual(names(await load(folder, {}, { purpose: 'look' })), []);
  });

  it('takes everything from the person', async () => {
    const folder = project({ 'docker/api.Dockerfile': '', 'src/x': '' });
    const loaded = await load(folder, {
      service: 'api',
      dockerfile: 'docker/api.Dockerfile',
      context: 'src',
      port: 3000,
      health: '/up',
      publish: 8080,
      hosts: ['prod'],
    });
    const [service] = loaded.services;
    assert.equal(service?.name, 'api');
    assert.deepEqual(service.build, {
      context: path.join(folder, 'src'),
      dockerfile: path.join(folder, 'docker/api.Dockerfile'),
      target: undefined,
      args: {},
      secrets: {},
      ssh: false,
    });
    assert.equal(service.port, 3000);
    assert.equal(service.health.path, '/up');
    assert.equal(service.health.attempts, 60);
    assert.equal(service.proxy.publish, 8080);
    assert.deepEqual(service.hosts, ['prod']);
  });

  it('takes the Dockerfile of a context, and the folder of a Dockerfile', async () => {
    const folder = project({ 'api/Dockerfile': '', 'web/Dockerfile.prod': '' });
    const [api] = (await load(folder, { context: 'api' })).services;
    assert.deepEqual([api?.name, api?.build.dockerfile], ['api', path.join(folder, 'api/Dockerfile')]);
    const [web] = (await load(folder, { dockerfile: 'web/Dockerfile.prod' })).services;
    assert.deepEqual([web?.name, web?.build.context], ['web', path.join(folder, 'web')]);
  });

  it('names the service after the folder and the word that the Dockerfile adds', () => {
    const cases: Readonly<Record<string, string>> = {
      Dockerfile: 'my-shop',
      'Dockerfile.prod': 'my-shop',
      'prod.Dockerfile': 'my-shop',
      Containerfile: 'my-shop',
      'api.Dockerfile': 'my-shop-api',
      'Dockerfile.api': 'my-shop-api',
      'Dockerfile-api': 'my-shop-api',
      'Dockerfile.api.prod': 'my-shop-api',
      'API.dockerfile': 'my-shop-api',
      'my-shop.Dockerfile': 'my-shop',
      'build.docker': 'my-shop',
    };
    for (const [file, name] of Object.entries(cases)) {
      assert.equal(zeroServiceName(`/x/My Shop/${file}`, '/x/My Shop'), name, file);
    }
    assert.equal(zeroServiceName('/Dockerfile', '/'), 'app');
  });
});

describe('a configuration file', () => {
  const two =
    '{ "services": { "web": { "hosts": ["a"] }, "api": { "hosts": ["b"], "build": { "dockerfile": "api.Dockerfile" }, "run": { "env": { "T": { "fromEnv": "TOKEN" } } } } } }';

  it('is found in the folder, or where it is said to be', async () => {
    const folder = project({
      Dockerfile: '',
      'bluegreen.json': '{ "services": { "web": {} } }',
      'deploy/other.json': '{ "services": { "other": { "build": { "context": ".." } } } }',
    });
    assert.deepEqual(names(await load(folder)), ['web']);
    const other = await load(folder, {}, { configFile: 'deploy/other.json' });
    assert.deepEqual(names(other), ['other']);
    assert.equal(other.services[0]?.build.context, folder);
    assert.equal(other.file, path.join(folder, 'deploy/other.json'));
  });

  it('that is named must be there', async () => {
    const error = await failure(load(project({ Dockerfile: '' }), {}, { configFile: 'no.json' }));
    assert.equal(error.code, 'config');
    assert.match(error.message, /There is no file ".*no\.json"/);
  });

  it('that is there but cannot be read is not taken for none', { skip: process.platform === 'win32' }, async () => {
    const dangling = project({ Dockerfile: '' });
    symlinkSync('nowhere.json', path.join(dangling, 'bluegreen.json'));
    const pipe = project({ Dockerfile: '' });
    execFileSync('mkfifo', [path.join(pipe, 'bluegreen.json')]);
    for (const folder of [dangling, pipe]) {
      const error = await failure(load(folder));
      assert.equal(error.code, 'config');
      assert.match(error.message, /^Cannot read/);
    }
  });

  it('with problems throws the first one at its place, and tells of all', async () => {
    const folder = project({ 'bluegreen.json': '{\n "services": { "web": { "prot": 1, "port": "1" } } }' });
    const error = await failure(load(folder));
    assert.equal(error.code, 'config');
    assert.match(error.message, /"prot" is not known/);
    assert.match(error.hint ?? '', /There is 1 more problem/);
    assert.deepEqual(error.position, { file: path.join(folder, 'bluegreen.json'), line: 2, column: 25 });
    assert.equal(error.detail?.split('\n').length, 2);
  });

  it('asks for variables only where they are needed', async () => {
    const folder = project({ Dockerfile: '', 'api.Dockerfile': '', 'bluegreen.json': two });
    assert.match((await failure(load(folder))).message, /"TOKEN" is not set/);
    assert.match((await failure(load(folder, { service: 'api' }))).message, /"TOKEN" is not set/);
    assert.deepEqual(names(await load(folder, { service: 'web' })), ['web']);
    assert.deepEqual(names(await load(folder, {}, { purpose: 'look' })), ['web', 'api']);
    assert.match((await failure(load(folder, { dockerfile: 'api.Dockerfile' }))).message, /"TOKEN" is not set/);
    assert.deepEqual(names(await load(folder, { dockerfile: 'Dockerfile' })), ['web']);
    const set = await load(folder, {}, { environment: { TOKEN: 'x' } });
    assert.deepEqual(set.services[1]?.run.env, { T: 'x' });
  });

  it('asks for a Dockerfile only when it builds', async () => {
    const folder = project({ 'bluegreen.json': '{ "services": { "web": {} } }', 'other.Dockerfile': '' });
    assert.match((await failure(load(folder))).message, /There is no file ".*Dockerfile"/);
    assert.deepEqual(names(await load(folder, {}, { purpose: 'look' })), ['web']);
    const replaced = await load(folder, { service: 'web', dockerfile: 'other.Dockerfile' });
    assert.equal(replaced.services[0]?.build.dockerfile, path.join(folder, 'other.Dockerfile'));
    assert.match((await failure(load(folder, { service: 'web', dockerfile: 'no' }))).message, /no Dockerfile ".*no"/);
  });

  it('must know the service that is named', async () => {
    const folder = project({ Dockerfile: '', 'api.Dockerfile': '', 'bluegreen.json': two });
    const error = await failure(load(folder, { service: 'wbe' }));
    assert.equal(error.code, 'usage');
    assert.match(error.hint ?? '', /Did you mean "web"\?/);
    const loaded = await load(folder, {}, { purpose: 'look' });
    assert.throws(() => findService(loaded, 'zzz'), { hint: 'There is: web, api.' });
  });

  it('refuses options for one service when several are meant', async () => {
    const folder = project({ Dockerfile: '', 'api.Dockerfile': '', 'bluegreen.json': two });
    const error = await failure(load(folder, { port: 80 }, { environment: { TOKEN: 'x' } }));
    assert.equal(error.code, 'usage');
    assert.match(error.hint ?? '', /web, api/);
    const hosts = await load(folder, { hosts: ['c'] }, { environment: { TOKEN: 'x' } });
    assert.deepEqual(
      hosts.services.map((service) => service.hosts),
      [['c'], ['c']],
    );
  });

  it('gives warnings without failing', async () => {
    const folder = project({ Dockerfile: '', 'bluegreen.json': '{ "services": { "web": {}, "api": {} } }' });
    const { warnings } = await load(folder);
    assert.match(warnings[0]?.message ?? '', /both answer every request/);
  });

  it('lets the person say which Dockerfile', async () => {
    const folder = project({
      Dockerfile: '',
      'api.Dockerfile': '',
      'bluegreen.json':
        '{ "services": { "web": { "route": "a.example", "port": 1 }, "api": { "route": "b.example", "build": { "dockerfile": "api.Dockerfile" } } } }',
    });
    assert.deepEqual(names(await load(folder, { dockerfile: 'api.Dockerfile' })), ['api']);
    assert.deepEqual(names(await load(folder, { dockerfile: './Dockerfile' })), ['web']);
  });
});

describe('what a person says is checked', () => {
  const cases: [Overrides, RegExp][] = [
    [{ service: 'My App' }, /"My App" is no valid service name/],
    [{ health: 'up' }, /health check is no path/],
    [{ hosts: ['-oX'] }, /host is no host/],
    [{ port: 0 }, /from 1 to 65535, not 0/],
    [{ publish: 1.5 }, /from 1 to 65535, not 1\.5/],
  ];
  for (const [overrides, message] of cases) {
    it(JSON.stringify(overrides), async () => {
      const error = await failure(load(project({ Dockerfile: '' }), overrides));
      assert.equal(error.code, 'usage');
      assert.match(error.message, message);
    });
  }
});

describe('serviceForDockerfile', () => {
  it('is the configured service that is built from it', async () => {
    const folder = project({
      Dockerfile: '',
      'bluegreen.json': '{ "services": { "web": { "port": 8080, "run": { "env": { "A": "1" } } } } }',
    });
    const loaded = await load(folder);
    assert.equal(serviceForDockerfile(loaded, path.join(folder, 'Dockerfile')), loaded.services[0]);
    assert.equal(serviceForDockerfile(loaded, 'Dockerfile'), loaded.services[0]);
  });

  it('is the configured service of its name in the same folder, with its settings', async () => {
    const folder = project({
      Dockerfile: '',
      'Dockerfile.prod': '',
      'bluegreen.json': '{ "services": { "shop": { "port": 8080 } } }',
    });
    const service = serviceForDockerfile(await load(folder), path.join(folder, 'Dockerfile.prod'));
    assert.equal(service?.name, 'shop');
    assert.equal(service.port, 8080);
    assert.equal(service.build.dockerfile, path.join(folder, 'Dockerfile.prod'));
    assert.equal(service.build.context, folder);
  });

  it('is nobody where the name belongs to a service elsewhere, or several are built from the file', async () => {
    const folder = project({
      'api/Dockerfile': '',
      'old/api/Dockerfile': '',
      'bluegreen.json':
        '{ "services": { "api": { "build": { "context": "api" } }, "worker": { "route": "x.example", "build": { "context": "api", "target": "worker" } } } }',
    });
    const loaded = await load(folder);
    assert.equal(serviceForDockerfile(loaded, path.join(folder, 'old/api/Dockerfile')), undefined);
    assert.equal(serviceForDockerfile(loaded, path.join(folder, 'api/Dockerfile')), undefined);
    assert.equal(serviceForDockerfile(loaded, path.join(folder, 'no/Dockerfile')), undefined);
    assert.match((await failure(load(folder, { dockerfile: 'api/Dockerfile' }))).hint ?? '', /api, worker/);
  });

  it('is zero configuration for any other', async () => {
    const folder = project({
      Dockerfile: '',
      'tools/mail.Dockerfile': '',
      'bluegreen.json': '{ "services": { "web": { "port": 8080 } } }',
    });
    const service = serviceForDockerfile(await load(folder), path.join(folder, 'tools/mail.Dockerfile'));
    assert.equal(service?.name, 'tools-mail');
    assert.equal(service.port, undefined);
    assert.equal(service.build.context, path.join(folder, 'tools'));
  });
});
