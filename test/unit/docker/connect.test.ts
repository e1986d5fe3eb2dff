import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { StreamAgent } from '../../../src/docker/agent';
import { connectLocalEngine } from '../../../src/docker/connect';
import { compareVersions } from '../../../src/docker/engine';
import { DockerError, explain, isConflict, isNotFound } from '../../../src/docker/errors';
import { localAddresses } from '../../../src/docker/localAddress';
import { parseFindings, unreachableError } from '../../../src/docker/remoteCause';
import { DeployError } from '../../../src/model';

const signal = new AbortController().signal;

describe('the address of the local engine', () => {
  const home = mkdtempSync(path.join(tmpdir(), 'blue-green-home-'));
  after(() => rmSync(home, { recursive: true, force: true }));
  const writeContext = (name: string, endpoint: object): void => {
    const folder = path.join(home, '.docker/contexts/meta', createHash('sha256').update(name).digest('hex'));
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker: endpoint } }));
  };

  test('is what DOCKER_HOST says', async () => {
    const of = async (address: string): Promise<unknown> => (await localAddresses({ DOCKER_HOST: address }))[0];
    assert.deepEqual(await of('unix:///a/b.sock'), { kind: 'socket', path: '/a/b.sock' });
    assert.deepEqual(await of('npipe:////./pipe/x'), { kind: 'socket', path: '//./pipe/x' });
    assert.deepEqual(await of('tcp://10.0.0.1:99'), { kind: 'tcp', host: '10.0.0.1', port: 99, tls: undefined });
    assert.deepEqual(await of('tcp://[::1]'), { kind: 'tcp', host: '::1', port: 2375, tls: undefined });
    for (const wrong of ['ssh://deploy@host', 'nonsense']) {
      await assert.rejects(of(wrong), { code: 'docker-unreachable' });
    }
  });

  test('over TLS has the certificates of DOCKER_CERT_PATH', async () => {
    for (const name of ['ca.pem', 'cert.pem', 'key.pem']) {
      writeFileSync(path.join(home, name), name);
    }
    const env = { DOCKER_HOST: 'tcp://h', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: home };
    const [address] = await localAddresses(env);
    assert.ok(address?.kind === 'tcp' && address.port === 2376 && address.tls?.verify === true);
    assert.equal(address.tls.key?.toString(), 'key.pem');
    await assert.rejects(localAddresses({ ...env, DOCKER_CERT_PATH: '/no/such' }), /certificate/);
  });

  test('is that of the current context', async () => {
    writeContext('desktop', { Host: 'unix:///desktop.sock' });
    writeContext('far', { Host: 'ssh://deploy@far' });
    writeFileSync(path.join(home, '.docker/config.json'), '{"currentContext":"desktop"}');
    assert.deepEqual(await localAddresses({ HOME: home }), [{ kind: 'socket', path: '/desktop.sock' }]);
    await assert.rejects(localAddresses({ HOME: home, DOCKER_CONTEXT: 'far' }), /another machine/);
    await assert.rejects(localAddresses({ HOME: home, DOCKER_CONTEXT: 'gone' }), /no Docker context gone/);
    // DOCKER_HOST goes before any context, as for the docker command.
    const [host] = await localAddresses({ HOME: home, DOCKER_CONTEXT: 'far', DOCKER_HOST: 'unix:///h' });
    assert.deepEqual(host, { kind: 'socket', path: '/h' });
  });

  test('is otherwise a place where Docker is known to listen', { skip: process.platform === 'win32' }, async () => {
    const found = await localAddresses({ HOME: '/home/x', XDG_RUNTIME_DIR: '/run/user/7' });
    const paths = found.map((address) => (address.kind === 'socket' ? address.path : ''));
    assert.equal(paths[0], '/var/run/docker.sock');
    assert.ok(paths.includes('/home/x/.docker/run/docker.sock'));
    assert.ok(paths.includes('/home/x/.colima/default/docker.sock'));
    assert.ok(paths.includes('/run/user/7/docker.sock'));
  });
});

describe('an engine over HTTP', () => {
  /** Answers `/version` as told and everything else with a few fields; returns the version it was spoken to in. */
  async function spoken(version: object): Promise<string> {
    const paths: string[] = [];
    const server = http.createServer((request, response) => {
      paths.push(request.url ?? '');
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(request.url === '/version' ? version : { Name: 'x', ID: 'y', Driver: 'overlay2' }));
    });
    const port = await listen(server);
    try {
      const engine = await connectLocalEngine(signal, { DOCKER_HOST: `tcp://127.0.0.1:${port}` });
      await engine.ping(signal);
      engine.close();
      return paths.at(-1) ?? '';
    } finally {
      server.close();
    }
  }

  test('is spoken to in the newest version both know', async () => {
    assert.equal(await spoken({ ApiVersion: '1.41', MinAPIVersion: '1.12' }), '/v1.41/_ping');
    assert.equal(await spoken({ ApiVersion: '1.51', MinAPIVersion: '1.24' }), '/v1.51/_ping');
    assert.equal(await spoken({ ApiVersion: '1.99', MinAPIVersion: '1.44' }), '/v1.51/_ping');
    assert.equal(await spoken({ ApiVersion: '1.99', MinAPIVersion: '1.60' }), '/v1.60/_ping');
    await assert.rejects(spoken({ Version: '1.13', ApiVersion: '1.25' }), (error: DeployError) => {
      assert.match(error.detail ?? '', /Docker 1\.13 is too old/);
      return true;
    });
  });

  test('is found although DOCKER_HOST of this process is broken', async () => {
    const before = process.env['DOCKER_HOST'];
    process.env['DOCKER_HOST'] = 'tcp://[not an address';
    try {
      assert.equal(await spoken({ ApiVersion: '1.41' }), '/v1.41/_ping');
      assert.equal(process.env['DOCKER_HOST'], 'tcp://[not an address');
    } finally {
      delete process.env['DOCKER_HOST'];
      Object.assign(process.env, before === undefined ? {} : { DOCKER_HOST: before });
    }
  });

  test('is reached over kept connections, no more of them than allowed', async () => {
    const server = http.createServer((_request, response) => void setTimeout(() => response.end('x'), 5));
    const port = await listen(server);
    let opened = 0;
    const open = (): net.Socket => {
      opened++;
      return net.connect(port, '127.0.0.1');
    };
    const agent = new StreamAgent(open, { keepAlive: true, maxSockets: 3 });
    const get = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const request = http.get({ host: 'docker', path: '/', agent }, (answer) => answer.resume().on('end', resolve));
        request.on('error', reject);
      });
    await Promise.all(Array.from({ length: 20 }, get));
    await get();
    assert.equal(opened, 3);
    assert.ok(inspect({ agent }, { showHidden: true, depth: null }).length < 100, 'docker-modem inspects it each time');
    agent.destroy();
    server.close();
  });
});

async function listen(server: http.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

test('versions are compared as numbers', () => {
  assert.ok(compareVersions('1.9', '1.41') < 0);
  assert.ok(compareVersions('1.51', '1.5') > 0);
  assert.equal(compareVersions('1.41', '1.41'), 0);
});

test('errors are told apart, and become sentences', () => {
  const answer = (statusCode: number, message: string): Error =>
    explain(Object.assign(new Error(`(HTTP code ${statusCode}) ${message} `), { statusCode }), 'h');
  const conflict = answer(409, 'conflict - name "/x" is already in use');
  assert.ok(isConflict(conflict) && !isNotFound(conflict));
  assert.equal(conflict.message, 'Name "/x" is already in use.');
  const absent = answer(404, 'unexpected - no-such thing - really');
  assert.ok(isNotFound(absent));
  assert.equal(absent.message, 'No-such thing - really.');
  const broken = explain(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }), 'h');
  assert.ok(broken instanceof DeployError && broken.code === 'docker-unreachable');
  const lost = new DeployError('host-unreachable', 'The connection to h was lost.');
  assert.equal(explain(new DeployError('host-unreachable', 'No channel.', { cause: lost }), 'h'), lost);
  assert.ok(explain('text', 'h') instanceof DockerError);
  assert.equal(explain(new Error('aborted'), 'h', AbortSignal.abort(lost)), lost);
  const late = AbortSignal.abort(new DOMException('late', 'TimeoutError'));
  assert.match(explain(new Error('x'), 'h', late).message, /in time/);
});

describe('why a host has no Docker for us', () => {
  const socket = 'socket /var/run/docker.sock\n';
  const usable = `${socket}usable /var/run/docker.sock\n`;
  const cases: readonly { what: string; found: string; sentence: RegExp; hint: RegExp }[] = [
    { what: 'not installed', found: 'members \n', sentence: /^Docker is not installed on h\.$/, hint: /Install it/ },
    {
      what: 'no right',
      found: `members ubuntu\ninstalled yes\ndockerd runs\n${socket}cli-error permission denied\n`,
      sentence: /^User deploy may not use Docker on h\.$/,
      hint: /^Run `sudo usermod -aG docker deploy` there and log in again\.$/,
    },
    {
      what: 'a right that this login does not have yet',
      found: `members ubuntu,deploy\ninstalled yes\n${socket}`,
      sentence: /in the group docker on h, but this login/,
      hint: /End every session/,
    },
    { what: 'not running', found: 'installed yes\n', sentence: /^Docker is not running on h\.$/, hint: /systemctl/ },
    {
      what: 'a socket that nobody listens on',
      found: `installed yes\n${usable}cli-error Cannot connect\n`,
      sentence: /^Docker is not running on h\.$/,
      hint: /systemctl/,
    },
    {
      what: 'sshd refuses everything',
      found: `installed yes\ndockerd runs\n${usable}cli works\n`,
      sentence: /^sshd on h lets neither/,
      hint: /AllowStreamLocalForwarding yes/,
    },
    {
      what: 'sshd refuses, and there is no docker command',
      found: `installed yes\ndockerd runs\n${usable}`,
      sentence: /^sshd on h does not let us through to Docker\.$/,
      hint: /AllowStreamLocalForwarding yes/,
    },
  ];
  for (const { what, found, sentence, hint } of cases) {
    test(what, () => {
      const findings = parseFindings(`Welcome to h!\nuser deploy\ngroups deploy sudo\n${found}`);
      const error = unreachableError('h', findings, new Error('open failed'));
      assert.equal(error.code, 'docker-unreachable');
      assert.match(error.message, sentence);
      assert.match(error.hint ?? '', hint);
    });
  }
});
