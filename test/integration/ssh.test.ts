import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer as createHttpServer, request } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Duplex, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { Server as Ssh2Server, type AuthContext, type Connection } from 'ssh2';
import { DeployError, type HostKeyQuestion, type Questions } from '../../src/model';
import { connectSsh } from '../../src/ssh/connect';
import { fingerprintOf } from '../../src/ssh/hostKeys';
import { hostsMatch, parseKnownHosts } from '../../src/ssh/knownHosts';
import { resolveHost } from '../../src/ssh/resolve';
import type { HostTransport } from '../../src/ssh/transport';
import {
  ensureSshd,
  freePort,
  kill,
  makeKey,
  publicKey,
  startSshd,
  stopChild,
  tempFolder,
  type RunningSshd,
  type SshdOptions,
} from './sshServer';

interface Asked {
  readonly hostKeys: HostKeyQuestion[];
  readonly passphrases: { readonly file: string; readonly retry: boolean }[];
  readonly passwords: { readonly host: string; readonly prompt: string }[];
}

interface Answers {
  readonly trust?: boolean;
  readonly passphrases?: readonly string[];
  readonly passwords?: readonly string[];
}

/** Answers as told and notes what was asked; whatever nobody foresaw gets no answer. */
function person(answers: Answers = {}): Questions & { readonly asked: Asked } {
  const asked: Asked = { hostKeys: [], passphrases: [], passwords: [] };
  return {
    asked,
    trustHostKey: (question) => {
      asked.hostKeys.push(question);
      return Promise.resolve(answers.trust === true);
    },
    passphrase: (file, retry) =>
      Promise.resolve((answers.passphrases ?? [])[asked.passphrases.push({ file, retry }) - 1]),
    password: (host, prompt) => Promise.resolve((answers.passwords ?? [])[asked.passwords.push({ host, prompt }) - 1]),
    confirm: () => Promise.resolve(false),
  };
}

const nothingAsked: Asked = { hostKeys: [], passphrases: [], passwords: [] };

async function refused(work: Promise<unknown>, code: string): Promise<DeployError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof DeployError, `not a DeployError: ${String(error)}`);
    assert.equal(error.code, code, `${error.message}\n${error.detail ?? ''}`);
    return error;
  }
  throw new assert.AssertionError({ message: `was not refused with ${code}` });
}

/** Waits for a condition, checking often: for what only another process knows. */
async function until(condition: () => boolean, what: string, limitMs = 10_000): Promise<void> {
  for (const deadline = Date.now() + limitMs; !condition();) {
    assert.ok(Date.now() < deadline, `not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What the running test leaves behind, whether it passes or not. */
const cleanUps: (() => Promise<void>)[] = [];

/** Listens on a port of 127.0.0.1 or a Unix socket until the test is over. */
async function listen(server: Server, where: number | string = 0): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
  cleanUps.push(() => {
    sockets.forEach((socket) => socket.destroy());
    return new Promise((resolve) => server.close(() => resolve()));
  });
  if (typeof where === 'number') {
    server.listen(where, '127.0.0.1');
  } else {
    server.listen(where);
  }
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('SSH to a real sshd', { timeout: 600_000 }, () => {
  const folder = tempFolder();
  const at = (name: string): string => join(folder.path, name);
  let sshd: RunningSshd;
  /** Every test has its own known_hosts and leaves no connection. */
  let knownHosts: string;
  let count = 0;
  const open: HostTransport[] = [];
  /** One more sshd, for the running test. */
  async function launch(name: string, options: SshdOptions = {}): Promise<RunningSshd> {
    const started = await startSshd(folder.path, name, options);
    cleanUps.push(() => started.stop());
    return started;
  }
  const environmentAgent = process.env.SSH_AUTH_SOCK;

  before(async () => {
    await ensureSshd();
    delete process.env.SSH_AUTH_SOCK;
    sshd = await startSshd(folder.path, 'main', { hostKeyTypes: ['ed25519', 'rsa', 'ecdsa'] });
    makeKey(at('id'));
    makeKey(at('stranger'));
    appendFileSync(sshd.authorizedKeys, `${publicKey(at('id'))}\n`);
  });
  after(async () => {
    await sshd.stop();
    folder.remove();
    if (environmentAgent !== undefined) {
      process.env.SSH_AUTH_SOCK = environmentAgent;
    }
  });
  beforeEach(() => {
    knownHosts = at(`known_hosts_${++count}`);
  });
  afterEach(async () => {
    for (const transport of open.splice(0)) {
      transport.close();
    }
    await Promise.all(cleanUps.splice(0).map((cleanUp) => cleanUp()));
  });

  function know(server: { port: number; hostKeys: Readonly<Record<string, string>> }, type = 'ed25519'): void {
    appendFileSync(knownHosts, `[127.0.0.1]:${server.port} ${publicKey(server.hostKeys[type] ?? '')}\n`);
  }

  /** An ssh configuration with one host `h`, and lines of the test's own. */
  function config(
    lines: readonly string[] = [],
    { port = sshd.port, key = 'id', more = [] as readonly string[] } = {},
  ): string {
    const file = at(`config_${count}`);
    const all = [
      'Host h',
      ...lines,
      '  HostName 127.0.0.1',
      `  Port ${port}`,
      ...(key === '' ? [] : [`  IdentityFile ${at(key)}`]),
      ...more,
      'Host *',
      `  UserKnownHostsFile ${knownHosts}`,
      '  GlobalKnownHostsFile none',
    ];
    writeFileSync(file, `${all.join('\n')}\n`);
    return file;
  }

  async function dial(
    sshConfigFile: string,
    questions: Questions = person(),
    signal: AbortSignal = AbortSignal.timeout(60_000),
    destination = 'h',
  ): Promise<HostTransport> {
    const transport = await connectSsh(destination, { sshConfigFile }, questions, signal);
    open.push(transport);
    return transport;
  }

  /** sshd's log of what it saw since a moment ago. */
  function logSince(server: RunningSshd): () => string {
    const start = server.log().length;
    return () => server.log().slice(start);
  }

  async function whoami(transport: HostTransport): Promise<string> {
    return (await transport.exec('whoami', { timeoutMs: 10_000 })).stdout.trim();
  }

  describe('host keys', { timeout: 120_000 }, () => {
    it('asks about an unknown key, remembers it, and does not ask again', async () => {
      const me = person({ trust: true });
      assert.equal(await whoami(await dial(config(), me)), sshd.user);
      const expected = execFileSync('ssh-keygen', ['-lf', `${sshd.hostKeys['ed25519'] ?? ''}.pub`], {
        encoding: 'utf8',
      });
      assert.deepEqual(me.asked.hostKeys, [
        { host: '127.0.0.1', port: sshd.port, keyType: 'ED25519', fingerprint: expected.split(' ')[1] },
      ]);
      execFileSync('ssh-keygen', ['-F', `[127.0.0.1]:${sshd.port}`, '-f', knownHosts]);
      const again = person();
      await dial(config(), again);
      assert.deepEqual(again.asked, nothingAsked);
      // And ssh itself trusts what was written.
      const options = ['-F', config(), '-o', 'StrictHostKeyChecking=yes', '-o', 'BatchMode=yes'];
      assert.equal(execFileSync('ssh', [...options, 'h', 'echo fine'], { encoding: 'utf8' }), 'fine\n');
    });

    it('offers nothing to an unknown host that is not trusted', async () => {
      const wary = await launch('wary');
      const error = await refused(dial(config([], { port: wary.port }), person()), 'host-untrusted');
      assert.match(error.message, /SHA256:/);
      assert.match(error.hint ?? '', new RegExp(`ssh -p ${wary.port} ${wary.user}@h`));
      assert.equal(existsSync(knownHosts), false);
      await until(() => wary.connections().length === 0, 'the connection is closed');
      await wary.stop();
      assert.doesNotMatch(wary.log(), /publickey|Failed|Accepted|Postponed|authenticating user/);
    });

    it('refuses a changed key before any credential, naming file, line and remedy', async () => {
      const changed = await launch('changed');
      writeFileSync(knownHosts, '# first line\n');
      appendFileSync(knownHosts, `[127.0.0.1]:${changed.port} ${publicKey(at('stranger'))}\n`);
      const me = person({ trust: true });
      const error = await refused(dial(config([], { port: changed.port }), me), 'host-untrusted');
      assert.deepEqual(me.asked, nothingAsked);
      assert.deepEqual(error.position, { file: knownHosts, line: 2, column: 1 });
      const print = (file: string): string => fingerprintOf(Buffer.from(publicKey(file).split(' ')[1] ?? '', 'base64'));
      const old = print(at('stranger'));
      const shown = print(changed.hostKeys['ed25519'] ?? '');
      assert.equal(error.detail, `known: ED25519 ${old} (${knownHosts}:2)\nshown: ED25519 ${shown}`);
      await until(() => changed.connections().length === 0, 'the connection is closed');
      assert.doesNotMatch(changed.log(), /publickey|Failed|Accepted|authenticating user/);
      // The command works as it stands: the host is unknown afterwards.
      const command = /ssh-keygen -R .*$/.exec(error.hint ?? '')?.[0] ?? 'false';
      execFileSync('/bin/sh', ['-c', command], { stdio: 'ignore' });
      appendFileSync(changed.authorizedKeys, `${publicKey(at('id'))}\n`);
      await dial(config([], { port: changed.port }), me);
      assert.equal(me.asked.hostKeys.length, 1);
    });

    it('refuses a key of another type for a known host', async () => {
      const rsaOnly = await launch('rsaonly', { hostKeyTypes: ['rsa'] });
      appendFileSync(knownHosts, `[127.0.0.1]:${rsaOnly.port} ${publicKey(at('stranger'))}\n`);
      const error = await refused(dial(config([], { port: rsaOnly.port }), person({ trust: true })), 'host-untrusted');
      assert.match(error.detail ?? '', /known: ED25519 .*\nshown: RSA/);
    });

    it('refuses a revoked key', async () => {
      know(sshd);
      appendFileSync(knownHosts, `@revoked * ${publicKey(sshd.hostKeys['ed25519'] ?? '')}\n`);
      const error = await refused(dial(config(), person({ trust: true })), 'host-untrusted');
      assert.match(error.message, /revoked/);
      assert.equal(error.position?.line, 2);
    });

    it('refuses a key of a RevokedHostKeys file, and every host when that list cannot be read', async () => {
      know(sshd);
      writeFileSync(at('revoked'), `# list\n${publicKey(sshd.hostKeys['ed25519'] ?? '')}\n`);
      const error = await refused(dial(config([`  RevokedHostKeys ${at('revoked')}`])), 'host-untrusted');
      assert.match(error.message, /revoked/);
      execFileSync('ssh-keygen', ['-q', '-k', '-f', at('krl'), `${at('stranger')}.pub`]);
      await refused(dial(config([`  RevokedHostKeys ${at('krl')}`])), 'host-untrusted');
    });

    it('says that a host known only by its certificate authority cannot be checked', async () => {
      appendFileSync(knownHosts, `@cert-authority [127.0.0.1]:* ${publicKey(at('stranger'))}\n`);
      const error = await refused(dial(config(), person({ trust: true })), 'host-untrusted');
      assert.match(error.message, /certificate authority/);
    });

    it('understands hashed names, and writes them when told to', async () => {
      know(sshd);
      execFileSync('ssh-keygen', ['-q', '-H', '-f', knownHosts], { stdio: 'ignore' });
      assert.match(readFileSync(knownHosts, 'utf8'), /^\|1\|/);
      await dial(config());
      rmSync(knownHosts);
      await dial(config(['  HashKnownHosts yes']), person({ trust: true }));
      assert.match(readFileSync(knownHosts, 'utf8'), /^\|1\|/);
      execFileSync('ssh-keygen', ['-F', `[127.0.0.1]:${sshd.port}`, '-f', knownHosts]);
      await dial(config());
    });

    it('asks the server for the kind of key that is known', async () => {
      for (const type of ['rsa', 'ecdsa', 'ed25519']) {
        writeFileSync(knownHosts, '');
        know(sshd, type);
        await dial(config());
      }
    });

    it('honours HostKeyAlias, StrictHostKeyChecking yes, no and accept-new', async () => {
      writeFileSync(knownHosts, `alias ${publicKey(sshd.hostKeys['ed25519'] ?? '')}\n`);
      await dial(config(['  HostKeyAlias alias']));
      rmSync(knownHosts);

      const strict = person({ trust: true });
      await refused(dial(config(['  StrictHostKeyChecking yes']), strict), 'host-untrusted');
      assert.deepEqual(strict.asked, nothingAsked);

      const careless = person();
      await refused(dial(config(['  StrictHostKeyChecking no']), careless), 'host-untrusted');
      assert.equal(careless.asked.hostKeys.length, 1);

      const accepting = person();
      await dial(config(['  StrictHostKeyChecking accept-new']), accepting);
      assert.deepEqual(accepting.asked, nothingAsked);
      assert.match(readFileSync(knownHosts, 'utf8'), /ssh-ed25519/);

      writeFileSync(knownHosts, `[127.0.0.1]:${sshd.port} ${publicKey(at('stranger'))}\n`);
      for (const value of ['no', 'accept-new']) {
        await refused(dial(config([`  StrictHostKeyChecking ${value}`]), person({ trust: true })), 'host-untrusted');
      }
    });

    it('keeps verifying when keys are exchanged anew during a long connection', async () => {
      const rekeying = await launch('rekeying', { config: ['RekeyLimit 1M'] });
      appendFileSync(rekeying.authorizedKeys, `${publicKey(at('id'))}\n`);
      const transport = await dial(config([], { port: rekeying.port }), person({ trust: true }));
      const stream = transport.openCommand('cat');
      const data = randomBytes(6 * 1024 * 1024);
      const [, received] = await Promise.all([pipeline([data], stream, { end: true }), sha(stream)]);
      assert.equal(received, createHash('sha256').update(data).digest('hex'));
    });
  });

  describe('keys', { timeout: 120_000 }, () => {
    beforeEach(() => know(sshd));

    for (const type of ['ed25519', 'rsa', 'ecdsa'] as const) {
      it(`logs in with a key of type ${type}`, async () => {
        if (!existsSync(at(`plain_${type}`))) {
          makeKey(at(`plain_${type}`), type);
        }
        appendFileSync(sshd.authorizedKeys, `${publicKey(at(`plain_${type}`))}\n`);
        const me = person();
        assert.equal(await whoami(await dial(config([], { key: `plain_${type}` }), me)), sshd.user);
        assert.deepEqual(me.asked, nothingAsked);
      });
    }

    for (const [name, more] of [
      ['openssh', []],
      ['pem', ['-m', 'PEM']],
    ] as const) {
      it(`asks for the passphrase of an encrypted key in ${name} format until it is right`, async () => {
        const file = `locked_${name}`;
        makeKey(at(file), name === 'pem' ? 'rsa' : 'ed25519', ['-N', 'open sesame', ...more]);
        appendFileSync(sshd.authorizedKeys, `${publicKey(at(file))}\n`);
        const me = person({ passphrases: ['wrong', 'open sesame'] });
        assert.equal(await whoami(await dial(config([], { key: file }), me)), sshd.user);
        assert.deepEqual(me.asked.passphrases, [
          { file: at(file), retry: false },
          { file: at(file), retry: true },
        ]);
        // Without its public half beside it as well.
        renameSync(`${at(file)}.pub`, `${at(file)}.away`);
        const other = person({ passphrases: ['open sesame'] });
        await dial(config([], { key: file }), other);
        assert.equal(other.asked.passphrases.length, 1);
        renameSync(`${at(file)}.away`, `${at(file)}.pub`);
      });
    }

    it('gives up a key after three wrong passphrases, without telling them', async () => {
      const me = person({ passphrases: ['secret-one', 'secret-two', 'secret-three', 'open sesame'] });
      const error = await refused(dial(config([], { key: 'locked_openssh' }), me), 'host-auth');
      assert.equal(me.asked.passphrases.length, 3);
      assert.match(error.detail ?? '', /locked_openssh: its passphrase was wrong 3 times/);
      assert.doesNotMatch(JSON.stringify([error, error.message, error.detail, error.stack]), /secret-|sesame/);
    });

    it('does not ask for a passphrase of a key the server would refuse', async () => {
      makeKey(at('locked_stranger'), 'ed25519', ['-N', 'whatever']);
      const me = person({ passphrases: ['whatever'] });
      const more = [`  IdentityFile ${at('id')}`];
      await dial(config([], { key: 'locked_stranger', more }), me);
      assert.deepEqual(me.asked, nothingAsked);
    });

    it('asks nothing more once there was no answer, but tries what needs none', async () => {
      const more = [`  IdentityFile ${at('locked_pem')}`, `  IdentityFile ${at('id')}`];
      const me = person();
      await dial(config([], { key: 'locked_openssh', more }), me);
      assert.equal(me.asked.passphrases.length, 1);
    });

    it('passes over a key that others can read, as ssh does', async () => {
      makeKey(at('open_to_all'));
      appendFileSync(sshd.authorizedKeys, `${publicKey(at('open_to_all'))}\n`);
      chmodSync(at('open_to_all'), 0o644);
      const error = await refused(dial(config([], { key: 'open_to_all' })), 'host-auth');
      assert.match(error.detail ?? '', /others can read it/);
    });

    it('lists all that was tried when nothing opens', async () => {
      const more = [`  IdentityFile ${at('nowhere')}`];
      const error = await refused(dial(config([], { key: 'stranger', more })), 'host-auth');
      assert.match(error.message, new RegExp(`${sshd.user}@127.0.0.1:${sshd.port} does not let you in`));
      assert.match(error.detail ?? '', /stranger: refused by the server/);
      assert.match(error.detail ?? '', /nowhere: there is no such file/);
      assert.match(error.detail ?? '', /ssh-agent: none is configured/);
      assert.match(error.detail ?? '', /the server accepts: publickey/);
    });
  });

  // An account with a password would have to be made on this machine; ssh2's own server speaks the same protocol.
  type Check = (auth: AuthContext, tries: number) => void;
  async function server(check: Check): Promise<{ port: number; connections: Set<Connection> }> {
    const connections = new Set<Connection>();
    const ssh = new Ssh2Server({ hostKeys: [readFileSync(sshd.hostKeys['ed25519'] ?? '')] }, (client) => {
      let tries = 0;
      connections.add(client);
      client.on('authentication', (auth) => check(auth, ++tries));
      client.on('error', () => undefined);
      client.on('close', () => connections.delete(client));
    });
    const port = await freePort();
    ssh.listen(port, '127.0.0.1');
    await once(ssh, 'listening');
    know({ port, hostKeys: sshd.hostKeys });
    cleanUps.push(() => {
      connections.forEach((connection) => connection.end());
      return new Promise((resolve) => ssh.close(() => resolve()));
    });
    return { port, connections };
  }

  describe('ssh-agent', { timeout: 120_000 }, () => {
    let stopAgent: () => Promise<void>;
    const socket = (): string => at('agent.sock');
    const add = (name: string, passphrase?: string): void => {
      const env = {
        ...process.env,
        SSH_AUTH_SOCK: socket(),
        DISPLAY: ':0',
        SSH_ASKPASS_REQUIRE: 'force',
        SSH_ASKPASS: at('askpass'),
      };
      writeFileSync(at('askpass'), `#!/bin/sh\necho '${passphrase ?? ''}'\n`, { mode: 0o700 });
      execFileSync('ssh-add', ['-q', at(name)], { env, stdio: 'ignore' });
    };
    before(async () => {
      const child = spawn('ssh-agent', ['-D', '-a', socket()], { stdio: 'ignore' });
      stopAgent = () => stopChild(child);
      await until(() => existsSync(socket()), 'the agent listens');
    });
    after(() => stopAgent());
    beforeEach(() => {
      know(sshd);
      execFileSync('ssh-add', ['-q', '-D'], { env: { ...process.env, SSH_AUTH_SOCK: socket() }, stdio: 'ignore' });
    });
    const withAgent = (
      lines: readonly string[] = [],
      options: { key?: string; more?: readonly string[]; port?: number } = {},
    ): string => config([`  IdentityAgent ${socket()}`, ...lines], { key: '', ...options });

    it('logs in with keys of all types', async () => {
      for (const type of ['ed25519', 'rsa', 'ecdsa']) {
        add(`plain_${type}`);
        await dial(withAgent(['  IdentityFile none']));
        execFileSync('ssh-add', ['-q', '-D'], { env: { ...process.env, SSH_AUTH_SOCK: socket() }, stdio: 'ignore' });
      }
    });

    it('is found through SSH_AUTH_SOCK', async () => {
      add('id');
      process.env.SSH_AUTH_SOCK = socket();
      try {
        await dial(config([], { key: '' }));
      } finally {
        delete process.env.SSH_AUTH_SOCK;
      }
    });

    it('spares the passphrase of a key it holds', async () => {
      add('locked_openssh', 'open sesame');
      const me = person();
      await dial(withAgent([], { key: 'locked_openssh' }), me);
      assert.deepEqual(me.asked, nothingAsked);
    });

    it('serves a configured public key whose private half only the agent has', async () => {
      add('id');
      writeFileSync(at('only.pub'), readFileSync(`${at('id')}.pub`));
      await dial(withAgent(['  IdentitiesOnly yes'], { key: 'only.pub' }));
      await dial(withAgent(['  IdentitiesOnly yes'], { key: 'only' }));
    });

    it('gives only configured keys when IdentitiesOnly is set', async () => {
      add('id');
      const error = await refused(dial(withAgent(['  IdentitiesOnly yes'], { key: 'stranger' })), 'host-auth');
      assert.match(error.detail ?? '', /stranger: refused/);
      assert.doesNotMatch(error.detail ?? '', /agent key/);
      await dial(withAgent(['  IdentitiesOnly no'], { key: 'stranger' }));
    });

    it('tries a named key before a crowd of others, and says so when the crowd is all there is', async () => {
      const few = await launch('few', { config: ['MaxAuthTries 3'] });
      know(few);
      appendFileSync(few.authorizedKeys, `${publicKey(at('id'))}\n`);
      for (let i = 0; i < 5; i++) {
        makeKey(at(`crowd_${i}`));
        add(`crowd_${i}`);
      }
      await dial(withAgent([], { key: 'id', port: few.port }));
      add('id');
      const error = await refused(dial(withAgent(['  IdentityFile none'], { port: few.port })), 'host-auth');
      assert.match(error.message, /no more tries/);
      assert.match(error.detail ?? '', /agent key ED25519 test-ed25519: refused by the server/);
    });

    it('asks what the server takes before it offers keys that nobody named', async () => {
      const seen: string[] = [];
      const ssh = await server((auth) => {
        seen.push(auth.method);
        auth.reject(['password']);
      });
      add('id');
      await refused(dial(withAgent(['  IdentityFile none'], { port: ssh.port })), 'host-auth');
      await refused(dial(withAgent([], { key: 'id', port: ssh.port })), 'host-auth');
      assert.deepEqual(seen, ['none', 'publickey', 'none']);
    });

    it('satisfies a server that wants two keys, from the agent, from files, or one of each', async () => {
      const two = await launch('two', { config: ['AuthenticationMethods publickey,publickey'] });
      know(two);
      const keys = ['id', 'plain_rsa'];
      appendFileSync(two.authorizedKeys, keys.map((key) => `${publicKey(at(key))}\n`).join(''));
      const more = [`  IdentityFile ${at('plain_rsa')}`];
      await dial(withAgent([], { key: 'id', port: two.port, more }));
      add('id');
      await dial(withAgent([], { key: 'id', port: two.port, more }));
      add('plain_rsa');
      await dial(withAgent(['  IdentityFile none'], { port: two.port }));
      const error = await refused(dial(config([], { port: two.port })), 'host-auth');
      assert.match(error.detail ?? '', /publickey/);
    });

    it('does without an agent that does not answer', async () => {
      await dial(config([`  IdentityAgent ${at('nobody.sock')}`]));
      const held = new Set<Socket>();
      const silent = createServer((socket) => held.add(socket.on('close', () => held.delete(socket)).resume()));
      await listen(silent, at('silent.sock'));
      const started = Date.now();
      const error = await refused(
        dial(config([`  IdentityAgent ${at('silent.sock')}`], { key: 'stranger' })),
        'host-auth',
      );
      assert.match(error.detail ?? '', /ssh-agent: it does not answer/);
      assert.ok(Date.now() - started < 10_000);
      await until(() => held.size === 0, 'the connection to the agent is closed');
      const stop = new AbortController();
      silent.once('connection', () => stop.abort());
      const waiting = dial(config([`  IdentityAgent ${at('silent.sock')}`]), person(), stop.signal);
      await refused(waiting, 'cancelled');
      await until(() => held.size === 0, 'the connection to the agent is closed');
    });
  });

  describe('passwords', { timeout: 120_000 }, () => {
    it('asks for a password, again when it was wrong, and tells nobody', async () => {
      const offered: string[] = [];
      const ssh = await server((auth) => {
        if (auth.method === 'password') {
          offered.push(auth.password);
        }
        if (auth.method === 'password' && auth.password === 'right') {
          auth.accept();
        } else {
          auth.reject(['password']);
        }
      });
      const me = person({ passwords: ['wrong', 'right'] });
      await dial(config([], { port: ssh.port }), me);
      assert.deepEqual(offered, ['wrong', 'right']);
      assert.equal(me.asked.passwords.length, 2);
      assert.match(me.asked.passwords[0]?.host ?? '', /@127\.0\.0\.1:/);
      const error = await refused(
        dial(config([], { port: ssh.port }), person({ passwords: ['bad1', 'bad2', 'bad3', 'right'] })),
        'host-auth',
      );
      assert.doesNotMatch([error.message, error.detail, error.hint, error.stack].join(), /bad\d|right/);
      const none = await refused(dial(config([], { port: ssh.port }), person()), 'host-auth');
      assert.match(none.detail ?? '', /the server accepts: password/);
      const batch = person({ passwords: ['right'] });
      await refused(dial(config(['  BatchMode yes'], { port: ssh.port }), batch), 'host-auth');
      assert.deepEqual(batch.asked, nothingAsked);
    });

    it('answers keyboard-interactive after a key that is not enough alone', async () => {
      let keyAccepted = false;
      const ssh = await server((auth) => {
        if (auth.method === 'publickey') {
          if (auth.signature === undefined) {
            auth.accept();
          } else {
            keyAccepted = true;
            auth.reject(['keyboard-interactive'], true);
          }
        } else if (auth.method === 'keyboard-interactive' && keyAccepted) {
          const prompts = [
            { prompt: 'Code: ', echo: true },
            { prompt: 'PIN: ', echo: false },
          ];
          auth.prompt(prompts, 'Second factor', 'Look at your phone', (answers) => {
            if (answers.join() === '123,456') {
              auth.accept();
            } else {
              auth.reject(['keyboard-interactive']);
            }
          });
        } else {
          auth.reject(['publickey']);
        }
      });
      const me = person({ passwords: ['123', '456'] });
      await dial(config([], { port: ssh.port }), me);
      assert.deepEqual(
        me.asked.passwords.map(({ prompt }) => prompt),
        ['Second factor\nLook at your phone\nCode:', 'PIN:'],
      );
      keyAccepted = false;
      await refused(dial(config([], { port: ssh.port }), person({ passwords: ['123'] })), 'host-auth');
      await until(() => ssh.connections.size === 1, 'the refused connection is closed');
    });

    it('offers a named key at once, and again when the server takes it only after a password', async () => {
      const seen: string[] = [];
      let passwordAccepted = false;
      const ssh = await server((auth) => {
        seen.push(auth.method);
        if (auth.method === 'password' && auth.password === 'right') {
          passwordAccepted = true;
          auth.reject(['publickey'], true);
        } else if (auth.method === 'publickey' && passwordAccepted) {
          auth.accept();
        } else {
          auth.reject(['password']);
        }
      });
      await dial(config([], { port: ssh.port }), person({ passwords: ['right'] }));
      assert.deepEqual(seen, ['publickey', 'password', 'publickey', 'publickey']);
    });

    it('stops asking when cancelled', async () => {
      const ssh = await server((auth) => auth.reject(['password']));
      const stop = new AbortController();
      const me: Questions = {
        ...person(),
        password: () => {
          stop.abort();
          return new Promise(() => undefined);
        },
      };
      await refused(dial(config([], { port: ssh.port }), me, stop.signal), 'cancelled');
      await until(() => ssh.connections.size === 0, 'the connection is closed');
    });
  });

  describe('a server that has no patience with a person', { timeout: 60_000 }, () => {
    it('ends the question, and is told apart from one that closes by itself', async () => {
      const ssh = new Ssh2Server({ hostKeys: [readFileSync(sshd.hostKeys['ed25519'] ?? '')] }, (client) => {
        client.on('error', () => undefined);
        client.on('authentication', (auth) => auth.reject(['password']));
        leave = () => client.end();
      });
      let leave = (): void => undefined;
      const port = await freePort();
      ssh.listen(port, '127.0.0.1');
      await once(ssh, 'listening');
      cleanUps.push(() => new Promise((resolve) => ssh.close(() => resolve())));
      know({ port, hostKeys: sshd.hostKeys });
      let ended = false;
      const me: Questions = {
        ...person(),
        password: (_host, _prompt, signal) => {
          leave();
          return new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              ended = true;
              resolve(undefined);
            });
          });
        },
      };
      const error = await refused(dial(config([], { port }), me), 'host-auth');
      assert.match(error.message, /closed the connection while you were being asked/);
      assert.ok(ended, 'the question is taken back');
    });
  });

  describe('the way', { timeout: 120_000 }, () => {
    beforeEach(() => know(sshd));

    it('leads through a jump host, each end verified and authenticated', async () => {
      const jump = await launch('jump');
      appendFileSync(jump.authorizedKeys, `${publicKey(at('stranger'))}\n`);
      const hop = ['Host jump', '  HostName 127.0.0.1', `  Port ${jump.port}`, `  IdentityFile ${at('stranger')}`];
      const through = (): string => config(['  ProxyJump jump'], { more: hop });

      const unknown = await refused(dial(through()), 'host-untrusted');
      assert.match(unknown.message, new RegExp(`the jump host .*127\\.0\\.0\\.1:${jump.port}`));

      know(jump);
      const log = logSince(jump);
      const transport = await dial(through());
      assert.equal(transport.description, `${sshd.user}@127.0.0.1:${sshd.port}`);
      assert.equal(await whoami(transport), sshd.user);
      assert.match(log(), /Accepted publickey/);
      assert.ok(transport.bytesSent > 1000 && transport.bytesReceived > 1000);

      // Losing the jump host is losing the connection.
      const lost = new Promise<DeployError | undefined>((resolve) => transport.onClose(resolve));
      jump.connections().forEach(kill);
      assert.equal((await lost)?.code, 'host-unreachable');

      // Closing ends both.
      await until(() => jump.connections().length === 0, 'the jump host has no connection');
      const second = await dial(through());
      second.close();
      await until(() => jump.connections().length === 0, 'the connection to the jump host is closed');
      await until(() => sshd.connections().length === 0, 'the connection to the host is closed');

      // The last host is refused through the jump: the jump's connection does not stay.
      writeFileSync(knownHosts, '');
      know(jump);
      const target = await refused(dial(through()), 'host-untrusted');
      assert.match(target.message, new RegExp(`key of ${sshd.user}@127\\.0\\.0\\.1:${sshd.port}`));
      await until(() => jump.connections().length === 0, 'the connection to the jump host is closed');

      const closedPort = await freePort();
      know({ port: closedPort, hostKeys: sshd.hostKeys });
      const behind = await refused(
        dial(config(['  ProxyJump jump'], { more: hop, port: closedPort })),
        'host-unreachable',
      );
      assert.match(behind.message, new RegExp(`The jump host could not reach .*:${closedPort}`));
    });

    it('leads through a chain of two, and not in a circle', async () => {
      const [first, second] = await Promise.all([launch('hop1'), launch('hop2')]);
      for (const hop of [first, second]) {
        know(hop);
        appendFileSync(hop.authorizedKeys, `${publicKey(at('id'))}\n`);
      }
      const [log1, log2] = [logSince(first), logSince(second)];
      const chain = `${sshd.user}@127.0.0.1:${first.port},ssh://127.0.0.1:${second.port}`;
      const file = config([`  ProxyJump ${chain}`]);
      appendFileSync(file, `  IdentityFile ${at('id')}\n`);
      assert.equal(await whoami(await dial(file)), sshd.user);
      assert.match(log1(), /Accepted publickey/);
      assert.match(log2(), /Accepted publickey/);

      const circle = config(['  ProxyJump other'], { more: ['Host other', '  HostName 127.0.0.1', '  ProxyJump h'] });
      const error = await refused(dial(circle), 'config');
      assert.match(error.message, /circle/);

      // The first host is left again when the way to the second one cannot be gone.
      open.splice(0).forEach((transport) => transport.close());
      await until(() => first.connections().length === 0, 'the connection to the first host is closed');
      const log = logSince(first);
      const hop = `${sshd.user}@127.0.0.1:${first.port}`;
      const broken = config([`  ProxyJump ${hop},fd`], { more: ['Host fd', '  ProxyUseFdpass yes'] });
      appendFileSync(broken, `  IdentityFile ${at('id')}\n`);
      assert.match((await refused(dial(broken), 'config')).message, /ProxyUseFdpass/);
      assert.match(log(), /Accepted publickey/);
      await until(() => first.connections().length === 0, 'the first host is left');
    });

    it('leads through a ProxyCommand, and tells what that says when it fails', async () => {
      const relay = `${process.execPath} -e "const s=require('net').connect(%p,'%h');process.stdin.pipe(s).pipe(process.stdout)"`;
      const transport = await dial(config([`  ProxyCommand ${relay}`]));
      assert.equal(await whoami(transport), sshd.user);
      transport.close();
      await until(() => sshd.connections().length === 0, 'the connection is closed');
      const error = await refused(dial(config(['  ProxyCommand sh -c "echo no way >&2; exit 3"'])), 'host-unreachable');
      assert.match(error.detail ?? '', /ended with code 3\.\nno way/);
    });

    it('is described when it leads nowhere', async () => {
      const port = await freePort();
      const closed = await refused(dial(config([], { port })), 'host-unreachable');
      assert.match(closed.message, new RegExp(`refused the connection \\(127\\.0\\.0\\.1:${port}\\)`));
      const file = config();
      const nameless = await refused(dial(file, person(), undefined, 'no-such-host.invalid'), 'host-unreachable');
      assert.match(nameless.message, /cannot be resolved/);
      for (const [greeting, expected] of [
        ['HTTP/1.1 400 Bad Request\r\n\r\n', /not an SSH server|closed the connection/],
        ['', /closed the connection before/],
      ] as const) {
        const other = createServer((socket) => socket.on('error', () => undefined).end(greeting));
        const otherPort = await listen(other);
        const error = await refused(dial(config([], { port: otherPort })), 'host-unreachable');
        assert.match(error.message, expected);
      }
    });

    it('says when the server knows only ways to encrypt that this program does not', async () => {
      const odd = await launch('odd', { config: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'] });
      know(odd);
      const error = await refused(dial(config([], { port: odd.port })), 'host-unreachable');
      assert.match(error.message, /no common way to encrypt/);
    });

    it('gives up a host that swallows everything, within ConnectTimeout', async () => {
      // A listener that never accepts: once its queue is full, the kernel drops further attempts without a word.
      const code = `require('net').createServer().listen({port:0,host:'127.0.0.1',backlog:1},function(){console.log(this.address().port);for(;;);})`;
      const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'ignore'] });
      const fillers: Socket[] = [];
      try {
        const [line] = (await once(child.stdout, 'data')) as [Buffer];
        const port = Number(line.toString());
        child.kill('SIGSTOP');
        for (let i = 0; i < 8; i++) {
          fillers.push(connect(port, '127.0.0.1').on('error', () => undefined));
        }
        const started = Date.now();
        const error = await refused(dial(config(['  ConnectTimeout 2'], { port })), 'host-unreachable');
        assert.match(error.message, /did not answer within 2 s/);
        assert.ok(Date.now() - started < 4000, `took ${Date.now() - started} ms`);
      } finally {
        fillers.forEach((socket) => socket.destroy());
        await stopChild(child);
      }
    });

    it('gives up a server that takes the connection and stays silent, and can be cancelled before', async () => {
      const sockets = new Set<Socket>();
      const silent = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
        socket.resume();
      });
      const port = await listen(silent);
      const error = await refused(dial(config(['  ConnectTimeout 1'], { port })), 'host-unreachable');
      assert.match(error.message, /did not answer within/);
      const stop = new AbortController();
      const cancelled = refused(dial(config([], { port }), person(), stop.signal), 'cancelled');
      silent.once('connection', () => stop.abort());
      await cancelled;
      await until(() => sockets.size === 0, 'no socket is left');
      await refused(dial(config([], { port }), person(), AbortSignal.abort()), 'cancelled');
    });

    it('is cut while a person thinks about the host key', async () => {
      rmSync(knownHosts);
      const stop = new AbortController();
      const me: Questions = {
        ...person(),
        trustHostKey: () => {
          stop.abort();
          return Promise.resolve(true);
        },
      };
      await refused(dial(config(), me, stop.signal), 'cancelled');
      assert.equal(existsSync(knownHosts), false);
      await until(() => sshd.connections().length === 0, 'no connection is left');
    });
  });

  describe('a connection', { timeout: 120_000 }, () => {
    let transport: HostTransport;
    beforeEach(async () => {
      know(sshd);
      transport = await dial(config());
    });

    it('runs commands with input, output and exit codes', async () => {
      const run = (command: string, stdin?: string): Promise<{ exitCode: number; stdout: string; stderr: string }> =>
        transport.exec(command, { timeoutMs: 10_000, ...(stdin === undefined ? {} : { stdin }) });
      assert.deepEqual(await run('cat; echo oops >&2; exit 7', 'in\nput'), {
        exitCode: 7,
        stdout: 'in\nput',
        stderr: 'oops\n',
      });
      assert.deepEqual(await run('true', 'x'.repeat(1_000_000)), { exitCode: 0, stdout: '', stderr: '' });
      assert.equal((await run('cat | wc -c', 'ä'.repeat(2_000_000))).stdout.trim(), '4000000');
      assert.equal((await run('head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2')).stderr.length, 5_000_000);
      assert.equal((await run('kill -TERM $$')).exitCode, 143);
      assert.equal((await run('no-such-command')).exitCode, 127);
    });

    it('knows how a command has ended that ends at once', async () => {
      for (let code = 0; code < 20; code++) {
        assert.equal((await transport.exec(`exit ${code}`, { timeoutMs: 10_000 })).exitCode, code);
        if (code > 0) {
          const stream = transport.openCommand(`exit ${code}`);
          stream.resume();
          const [error] = (await once(stream, 'error')) as [Error];
          assert.match(error.message, new RegExp(` ended with code ${code}\\.$`));
        }
      }
    });

    it('gets what the host says compressed, and sends as it is what is compressed already', async () => {
      const size = 2_000_000;
      const [sent, received] = [transport.bytesSent, transport.bytesReceived];
      const echo = await transport.exec('tee /dev/null', {
        timeoutMs: 10_000,
        stdin: 'say it again\n'.repeat(size / 13),
      });
      assert.ok(echo.stdout.length > 0.99 * size);
      assert.ok(transport.bytesReceived - received < 0.05 * size, `${transport.bytesReceived - received} bytes came`);
      assert.ok(transport.bytesSent - sent > 0.99 * size, `${transport.bytesSent - sent} bytes went`);
    });

    it('gets it whole when keys are exchanged anew, and from a host that does not compress', async () => {
      for (const [name, lines, proof] of [
        ['rekeys', ['RekeyLimit 256K', 'LogLevel DEBUG1'], /rekeying[^]*rekeying/],
        ['plain', ['Compression no'], /./],
      ] as const) {
        const server = await launch(name, { config: lines });
        know(server);
        appendFileSync(server.authorizedKeys, `${publicKey(at('id'))}\n`);
        const log = logSince(server);
        const other = await dial(config([], { port: server.port }));
        const noise = randomBytes(3_000_000).toString('base64');
        const { stdout } = await other.exec('cat; seq 200000', { timeoutMs: 30_000, stdin: noise });
        const numbers = Array.from({ length: 200_000 }, (_, n) => `${n + 1}\n`).join('');
        assert.ok(stdout === noise + numbers);
        assert.match(log(), proof);
        assert.equal((await other.exec('echo still here', { timeoutMs: 10_000 })).stdout, 'still here\n');
      }
    });

    it('runs more commands at once than sshd allows sessions', async () => {
      const results = await Promise.all(
        Array.from({ length: 24 }, (_, i) => transport.exec(`echo ${i}; sleep 0.05`, { timeoutMs: 30_000 })),
      );
      assert.deepEqual(
        results.map(({ stdout }) => Number(stdout)),
        Array.from({ length: 24 }, (_, i) => i),
      );
    });

    it('ends a command that takes too long or is cancelled, and goes on', async () => {
      const started = Date.now();
      const slow = await refused(transport.exec('sleep 30', { timeoutMs: 300 }), 'host-unreachable');
      assert.match(slow.message, /within 0\.3 s/);
      const stop = new AbortController();
      const cancelled = refused(transport.exec('sleep 30', { timeoutMs: 30_000, signal: stop.signal }), 'cancelled');
      setImmediate(() => stop.abort());
      await cancelled;
      await refused(transport.exec('true', { timeoutMs: 1000, signal: AbortSignal.abort() }), 'cancelled');
      const quick = new AbortController();
      const atOnce = refused(transport.exec('sleep 30', { timeoutMs: 30_000, signal: quick.signal }), 'cancelled');
      quick.abort();
      await atOnce;
      assert.ok(Date.now() - started < 5000);
      assert.equal(await whoami(transport), sshd.user);
    });

    it('carries 200 Unix socket channels at once', async () => {
      const path = at('echo.sock');
      const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
      await listen(echo, path);
      const texts = await Promise.all(
        Array.from({ length: 200 }, async (_, i) => {
          const stream = transport.openUnixSocket(path);
          stream.end(`hello ${i} `.repeat(1000));
          return text(stream);
        }),
      );
      texts.forEach((received, i) => assert.equal(received, `hello ${i} `.repeat(1000)));
    });

    it('reaches TCP ports and command streams, with back-pressure and half-close', async () => {
      const data = randomBytes(20 * 1024 * 1024);
      const digest = createHash('sha256').update(data).digest('hex');
      // Answers only when it has seen the end of its input.
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        const hash = createHash('sha256');
        socket.on('data', (chunk: Buffer) => hash.update(chunk)).on('end', () => socket.end(hash.digest('hex')));
      });
      const port = await listen(server);
      const tcp = transport.openTcp('127.0.0.1', port);
      tcp.end(data);
      assert.equal(await text(tcp), digest);
      const command = transport.openCommand('sha256sum');
      command.end(data);
      assert.equal((await text(command)).slice(0, 64), digest);
      assert.ok(transport.bytesSent > 2 * data.length, 'the wire counts all of it');
      assert.ok(transport.bytesSent < 2.2 * data.length);
      // A reader that does not read stops the sender: no more than the channel's window is taken in.
      const before = transport.bytesReceived;
      const endless = transport.openCommand('cat /dev/zero');
      await once(endless, 'readable');
      let last = -1;
      await until(() => {
        const still = transport.bytesReceived === last;
        last = transport.bytesReceived;
        return still;
      }, 'the sender stops');
      assert.ok(transport.bytesReceived - before < 5 * 1024 * 1024);
      endless.destroy();
      // And a writer nobody listens to has to wait.
      const stuck = transport.openCommand('sleep 60');
      let accepted = 0;
      while (stuck.write(Buffer.alloc(64 * 1024)) || (await drained(stuck))) {
        accepted += 64 * 1024;
        assert.ok(accepted < 16 * 1024 * 1024, 'the stream takes in without end');
      }
      stuck.destroy();
      assert.equal(await whoami(transport), sshd.user);
    });

    it('lets others have their turn on a slow line that a stream keeps full', async () => {
      // A line without room of its own, as one to far away is. The window of a channel, 2 MB, is 13 s of it.
      const relay = at('relay.mjs');
      writeFileSync(
        relay,
        `import { connect } from 'node:net';
        const socket = connect(${sshd.port}, '127.0.0.1');
        socket.pipe(process.stdout);
        for await (const chunk of process.stdin) {
          socket.write(chunk);
          await new Promise((resolve) => setTimeout(resolve, chunk.length / 160));
        }
        socket.end();`,
      );
      const slow = await dial(config([`  ProxyCommand ${process.execPath} ${relay}`]));
      const before = slow.bytesSent;
      const full = slow.openCommand('cat > /dev/null');
      const filling = pipeline(Readable.from(endless()), full).catch(() => undefined);
      await until(() => slow.bytesSent - before > 500_000, 'the line is full');
      const begin = performance.now();
      assert.equal(await whoami(slow), sshd.user);
      const took = Math.round(performance.now() - begin);
      full.destroy();
      await filling;
      assert.ok(took < 8_000, `another command waited for ${took} ms`);
    });

    it('reports streams that cannot be opened, and failed commands, on the stream', async () => {
      const missing = transport.openUnixSocket(at('nothing.sock'));
      const [error] = (await once(missing, 'error')) as [DeployError];
      assert.equal(error.code, 'host-unreachable');
      assert.match(error.message, /nothing\.sock on .* could not be opened/);
      const failing = transport.openCommand('echo broken >&2; exit 4');
      failing.resume();
      const [failure] = (await once(failing, 'error')) as [DeployError];
      assert.match(failure.message, /ended with code 4/);
      assert.equal(failure.detail, 'broken');
      const ending = transport.openCommand('true');
      assert.equal(await text(ending), '');
      const early = transport.openUnixSocket(at('nothing.sock'));
      early.destroy();
      await once(early, 'close');
    });

    it('fails a write that is under way when the other side goes', async () => {
      const path = at('rude.sock');
      const rude = createServer({ pauseOnConnect: true }, (socket) => setTimeout(() => socket.destroy(), 100));
      await listen(rude, path);
      const stream = transport.openUnixSocket(path);
      stream.resume();
      await assert.rejects(pipeline([Buffer.alloc(16 * 1024 * 1024)], stream), /was closed by the host/);
      assert.equal(await whoami(transport), sshd.user);
    });

    it('serves as the connection of an http.Agent, and drops one the server has closed', async () => {
      const path = at('http.sock');
      const server = createHttpServer((req, res) => {
        req.resume().on('end', () => res.end(req.url));
      });
      server.keepAliveTimeout = 2000;
      await listen(server, path);
      let opened = 0;
      const agent = new Agent({ keepAlive: true });
      agent.createConnection = () => {
        opened++;
        return transport.openUnixSocket(path);
      };
      const get = (url: string): Promise<string> =>
        new Promise((resolve, reject) => {
          const req = request({ agent, host: 'host', path: url, method: 'POST' }, (res) => {
            text(res).then(resolve, reject);
          });
          req.on('error', reject);
          req.end('body');
        });
      try {
        assert.equal(await get('/1'), '/1');
        assert.equal(await get('/2'), '/2');
        assert.equal(opened, 1, 'the second request uses the first one’s connection');
        await until(() => Object.keys(agent.freeSockets).length === 0, 'the closed connection is dropped');
        assert.equal(await get('/3'), '/3');
        assert.equal(opened, 2);
        let fastest = Infinity;
        for (let i = 0; i < 20; i++) {
          const started = performance.now();
          await get(`/${i}`);
          fastest = Math.min(fastest, performance.now() - started);
        }
        assert.ok(fastest < 20, `the fastest request took ${fastest} ms: is setNoDelay on?`);
      } finally {
        agent.destroy();
      }
    });

    it('notices at once when the host drops it: every stream fails, onClose is called once', async () => {
      const reasons: (DeployError | undefined)[] = [];
      transport.onClose((reason) => reasons.push(reason));
      const stream = transport.openCommand('cat');
      stream.write('x');
      await once(stream, 'data');
      const streamError = once(stream, 'error') as Promise<[DeployError]>;
      const command = refused(transport.exec('sleep 60', { timeoutMs: 60_000 }), 'host-unreachable');
      sshd.connections().forEach(kill);
      const [error] = await streamError;
      assert.equal(error.code, 'host-unreachable');
      assert.match(error.message, /was lost/);
      await command;
      assert.equal(transport.closed, true);
      transport.close();
      assert.equal(reasons.length, 1);
      assert.equal(reasons[0]?.code, 'host-unreachable');
      transport.onClose((reason) => reasons.push(reason));
      assert.equal(reasons.length, 2, 'who comes late is told at once');
      await refused(transport.exec('true', { timeoutMs: 1000 }), 'host-unreachable');
      const late = transport.openUnixSocket('/nowhere');
      const [lateError] = (await once(late, 'error')) as [DeployError];
      assert.equal(lateError.code, 'host-unreachable');
    });

    it('closes cleanly on demand, leaving nothing behind', async () => {
      const reasons: (DeployError | undefined)[] = [];
      transport.onClose((reason) => reasons.push(reason));
      const stream = transport.openCommand('cat');
      const cutOff = once(stream, 'error') as Promise<[DeployError]>;
      transport.close();
      assert.match((await cutOff)[0].message, /was closed/);
      assert.deepEqual(reasons, [undefined]);
      await until(() => sshd.connections().length === 0, 'sshd has no connection left');
    });
  });

  describe('a link', { timeout: 120_000 }, () => {
    /** Passes bytes on to sshd until told to swallow them, at most so many a second upwards. */
    async function link(bytesPerSecond = Infinity): Promise<{ port: number; cut(): void }> {
      let dead = false;
      const server = createServer((near) => {
        const far = connect(sshd.port, '127.0.0.1');
        for (const socket of [near, far]) {
          socket.on('error', () => undefined).on('close', () => [near, far].forEach((one) => one.destroy()));
        }
        near.on('data', (chunk: Buffer) => {
          if (!dead) {
            near.pause();
            far.write(chunk);
            setTimeout(() => near.resume(), (chunk.length / bytesPerSecond) * 1000);
          }
        });
        far.on('data', (chunk: Buffer) => {
          if (!dead) {
            near.write(chunk);
          }
        });
      });
      const port = await listen(server);
      know({ port, hostKeys: sshd.hostKeys });
      return { port, cut: () => (dead = true) };
    }
    const keepAlive = ['  ServerAliveInterval 1', '  ServerAliveCountMax 1'];

    it('that swallows everything is noticed in seconds', async () => {
      const way = await link();
      const transport = await dial(config(keepAlive, { port: way.port }));
      const lost = new Promise<DeployError | undefined>((resolve) => transport.onClose(resolve));
      way.cut();
      const started = Date.now();
      const reason = await lost;
      assert.equal(reason?.code, 'host-unreachable');
      assert.match(reason.detail ?? '', /No life sign/);
      assert.ok(Date.now() - started < 5000, `took ${Date.now() - started} ms`);
    });

    it('that is idle or slow stays up', async () => {
      const way = await link(400_000);
      const transport = await dial(config(keepAlive, { port: way.port }));
      const command = transport.openCommand('wc -c');
      command.end(Buffer.alloc(1_500_000));
      assert.equal((await text(command)).trim(), '1500000');
      const { exitCode } = await transport.exec('sleep 4', { timeoutMs: 10_000 });
      assert.equal(exitCode, 0);
    });
  });

  describe('compared with OpenSSH', { timeout: 120_000 }, () => {
    it('known_hosts names match as ssh-keygen -F matches them', () => {
      const key = publicKey(at('stranger'));
      const patterns = [
        'plain.example.com',
        'a,b,10.0.0.1',
        '[127.0.0.1]:2222,[::1]:2222',
        '*.wild.example.com,!not.wild.example.com',
        'host?',
        '!negative',
        'UPPER.example.com',
        '[*]:77',
      ];
      writeFileSync(knownHosts, patterns.map((hosts) => `${hosts} ${key}\n`).join(''));
      writeFileSync(at('hashed'), `plain.example.com ${key}\n[127.0.0.1]:2222 ${key}\n`);
      execFileSync('ssh-keygen', ['-q', '-H', '-f', at('hashed')], { stdio: 'ignore' });
      appendFileSync(knownHosts, readFileSync(at('hashed')));
      const entries = parseKnownHosts(readFileSync(knownHosts, 'utf8'), knownHosts);
      assert.equal(entries.length, patterns.length + 2);
      const names = [
        'plain.example.com',
        'plain.example.org',
        'a',
        'b',
        'ab',
        '10.0.0.1',
        '[127.0.0.1]:2222',
        '127.0.0.1',
        '[::1]:2222',
        'x.wild.example.com',
        'not.wild.example.com',
        'wild.example.com',
        'host1',
        'host12',
        'host',
        'negative',
        'positive',
        'upper.example.com',
        '[anything]:77',
        '[anything]:78',
      ];
      for (const name of names) {
        let found: string;
        try {
          found = execFileSync('ssh-keygen', ['-F', name, '-f', knownHosts], { encoding: 'utf8' });
        } catch {
          found = '';
        }
        const theirs = [...found.matchAll(/found: line (\d+)/g)].map(([, line]) => Number(line));
        const ours = entries.filter((entry) => hostsMatch(entry.hosts, name)).map(({ line }) => line);
        assert.deepEqual(ours, theirs, name);
      }
    });

    it('the configuration read without ssh is the one ssh reads', async () => {
      writeFileSync(at('oracle_inc'), 'Host web\n  Port 1111\n  IdentityFile ~/inc-%h\nHost *.db\n  User dba\n');
      const lines = [
        'Host web *.example.com !bad.example.com',
        '  HostName %h.internal',
        '  User=deploy',
        '  IdentityFile ~/.ssh/%r@%h:%p',
        '  IdentityFile "/keys/with space"',
        `  Include ${at('oracle_inc')}`,
        '  ServerAliveInterval 15',
        'Host chain',
        '  ProxyJump first,me@second:2222',
        '  StrictHostKeyChecking accept-new',
        'Host command',
        '  ProxyCommand nc -x proxy:1080 "%h" %p',
        '  IdentityAgent none',
        `Include ${at('oracle_inc')}`,
        'Match originalhost matched user root',
        '  Port 3333',
        'Match host web.internal',
        '  ConnectTimeout 7',
        'Host *',
        '  HashKnownHosts yes',
        '  UserKnownHostsFile ~/kh1 /kh2',
        '  IdentitiesOnly yes',
        '  Port 4444',
      ];
      const file = at('oracle');
      writeFileSync(file, `${lines.join('\n')}\n`);
      for (const destination of [
        'web',
        'root@web:9',
        'a.example.com',
        'bad.example.com',
        'chain',
        'command',
        'root@matched',
        'x@matched',
        'x.db',
        '[::1]:5',
        '10.0.0.1',
      ]) {
        const signal = AbortSignal.timeout(10_000);
        const theirs = await resolveHost(destination, { sshConfigFile: file }, signal);
        const ours = await resolveHost(destination, { sshConfigFile: file, sshProgram: at('no-ssh') }, signal);
        assert.deepEqual(ours, theirs, destination);
      }
    });

    it('an error in the configuration is told with its line', async () => {
      writeFileSync(at('wrong'), 'Host h\n  NoSuchKeyword yes\n');
      const error = await refused(dial(at('wrong')), 'config');
      assert.deepEqual(error.position, { file: at('wrong'), line: 2, column: 1 });
    });
  });
});

async function sha(stream: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) {
    hash.update(chunk);
  }
  return hash.digest('hex');
}

/** Whether a stream that was full takes more within a moment. */
function drained(stream: Duplex): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 300, false);
    stream.once('drain', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

function* endless(): Generator<Buffer> {
  for (;;) {
    yield randomBytes(64 * 1024);
  }
}
