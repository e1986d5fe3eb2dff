import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { inspect, promisify } from 'node:util';
import { StreamAgent } from '../../../src/docker/agent';
import { connectEngineAt, connectLocalEngine, connectRemoteEngine } from '../../../src/docker/connect';
import { compareVersions } from '../../../src/docker/engine';
import { DockerError, explain, isConflict, isNotFound } from '../../../src/docker/errors';
import { localAddresses, resolveContext } from '../../../src/docker/localAddress';
import { lookForCause, parseFindings, unreachableError } from '../../../src/docker/remoteCause';
import { DeployError } from '../../../src/model';
import type { HostTransport } from '../../../src/ssh/transport';

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
    rmSync(path.join(home, 'cert.pem'));
    await assert.rejects(localAddresses(env), /certificate/, 'a key without its certificate');
    rmSync(path.join(home, 'key.pem'));
    const [anybody] = await localAddresses(env);
    assert.ok(anybody?.kind === 'tcp' && anybody.tls?.ca !== undefined && anybody.tls.key === undefined);
    const [https] = await localAddresses({ DOCKER_HOST: 'https://h' });
    assert.deepEqual(https?.kind === 'tcp' && https.tls, {
      ca: undefined,
      cert: undefined,
      key: undefined,
      verify: true,
    });
  });

  test('of a context over TLS is never one without', async () => {
    writeContext('tls', { Host: 'tcp://10.0.0.1:2376' });
    const env = { DOCKER_CONFIG: path.join(home, '.docker') };
    const plain = await resolveContext('tls', env);
    assert.deepEqual(plain, { kind: 'tcp', host: '10.0.0.1', port: 2376, tls: undefined, context: 'tls' });
    const id = createHash('sha256').update('tls').digest('hex');
    const folder = path.join(home, '.docker/contexts/tls', id, 'docker');
    mkdirSync(folder, { recursive: true });
    await assert.rejects(resolveContext('tls', env), /certificate/, 'an empty folder');
    mkdirSync(path.join(folder, 'ca.pem'));
    await assert.rejects(resolveContext('tls', env), /ca\.pem for Docker cannot be read/);
    rmSync(path.join(folder, 'ca.pem'), { recursive: true });
    writeFileSync(path.join(folder, 'ca.pem'), 'ca');
    const safe = await resolveContext('tls', env);
    assert.equal(safe.kind === 'tcp' && safe.tls?.ca?.toString(), 'ca');
    writeContext('lax', { Host: 'tcp://10.0.0.1:2376', SkipTLSVerify: true });
    const lax = await resolveContext('lax', env);
    assert.equal(lax.kind === 'tcp' && lax.tls?.verify, false);
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
    await assert.rejects(spoken({ Version: '1.13', ApiVersion: '1.25' }), {
      code: 'docker-unreachable',
      message: /^Docker 1\.13 is too old/,
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

describe('a host whose Docker answers, but does not work', () => {
  /** A host whose every socket leads to a server here, and whose commands run here. */
  function host(port: number, exec: HostTransport['exec']): HostTransport {
    return {
      description: 'deploy@h:22',
      exec,
      openUnixSocket: () => net.connect(port, '127.0.0.1'),
      openTcp: () => assert.fail('unused'),
      openCommand: () => assert.fail('unused'),
      shareTcp: () => assert.fail('unused'),
      bytesSent: 0,
      bytesReceived: 0,
      closed: false,
      onClose: () => undefined,
      close: () => undefined,
    };
  }

  test('says what Docker says, and blames nobody else', async () => {
    const cases = [
      { status: 200, answer: { Version: '19.03.15', ApiVersion: '1.40' }, message: /^Docker 19\.03\.15 is too old/ },
      { status: 500, answer: { message: 'no space left on device' }, message: /^No space left on device\.$/ },
    ];
    for (const { status, answer, message } of cases) {
      const server = http.createServer((_request, response) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
      const noLook = (): never => assert.fail('there is nothing to look for');
      const connecting = connectRemoteEngine(host(await listen(server), noLook), signal);
      await assert.rejects(connecting, { code: 'docker-unreachable', message });
      server.close();
    }
  });

  test('is not waited for without limit by the look around', { skip: process.platform === 'win32' }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'blue-green-look-'));
    writeFileSync(path.join(folder, 'docker'), '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
    const env = { PATH: `${folder}:/usr/bin:/bin` };
    const run: HostTransport['exec'] = (command, { timeoutMs }) =>
      promisify(execFile)('/bin/sh', ['-c', command], { env, timeout: timeoutMs }).then((output) => ({
        ...output,
        exitCode: 0,
      }));
    const findings = await lookForCause(host(0, run), signal);
    assert.deepEqual([findings.cliWorks, findings.cliError], [false, 'docker version does not end']);
    rmSync(folder, { recursive: true });
  });
});

test('the docker command is led to the engine of a context over TLS by that context, and by nothing else', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'blue-green-tls-'));
  const id = createHash('sha256').update('far').digest('hex');
  const [meta, pems] = [path.join(home, 'contexts/meta', id), path.join(home, 'contexts/tls', id, 'docker')];
  [meta, pems].forEach((folder) => mkdirSync(folder, { recursive: true }));
  const key = path.join(home, 'key.pem');
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const name = ['-subj', '/CN=docker', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', [...request, ...name, '-keyout', key, '-out', path.join(pems, 'ca.pem')], {
    stdio: 'ignore',
  });
  const options = { key: readFileSync(key), cert: readFileSync(path.join(pems, 'ca.pem')) };
  const server = https.createServer(options, (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ ApiVersion: '1.41' }));
  });
  const endpoint = { Host: `tcp://127.0.0.1:${await listen(server)}` };
  writeFileSync(path.join(meta, 'meta.json'), JSON.stringify({ Name: 'far', Endpoints: { docker: endpoint } }));
  const address = await resolveContext('far', { DOCKER_CONFIG: home });
  assert.ok(address.kind !== 'ssh');
  const engine = await connectEngineAt(address, 'context:far', signal);
  const here = { DOCKER_HOST: 'unix:///here.sock', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/here' };
  assert.deepEqual(JSON.parse(JSON.stringify({ ...here, ...engine.cliEnvironment })), { DOCKER_CONTEXT: 'far' });
  engine.close();
  server.close();
  rmSync(home, { recursive: true });
});

async function listen(server: net.Server): Promise<number> {
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
      what: 'an engine that does not answer there either',
      found: `installed yes\ndockerd runs\n${usable}cli-error docker version does not end\n`,
      sentence: /^Docker runs on h, but does not answer even there\.$/,
      hint: /docker version/,
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

  test('a look that is not possible blames nobody', () => {
    const error = unreachableError('h', parseFindings('This account is for rsync only.\n'), new Error('open failed'));
    assert.match(error.message, /^Docker on h cannot be reached, and a look at why is not possible there\.$/);
    assert.equal(error.detail, 'open failed');
  });
});
