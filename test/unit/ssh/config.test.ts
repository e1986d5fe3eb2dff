import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DeployError } from '../../../src/model';
import { listAliases } from '../../../src/ssh/config';
import { parseConfigLine } from '../../../src/ssh/includes';
import { parseSshG, resolveHost } from '../../../src/ssh/resolve';
import type { HostSettings } from '../../../src/ssh/settings';
import { expandPath, expandTokens } from '../../../src/ssh/tokens';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'blue-green-config-'));
});
after(() => rmSync(folder, { recursive: true }));

function write(name: string, ...lines: readonly string[]): string {
  const file = join(folder, name);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** Resolves without any ssh program, by the configuration file alone. */
function resolve(destination: string, sshConfigFile: string): Promise<HostSettings> {
  const options = { sshConfigFile, sshProgram: join(folder, 'no-such-ssh') };
  return resolveHost(destination, options, AbortSignal.timeout(10_000));
}

describe('configuration lines', () => {
  it('splits keyword and values', () => {
    const values = (text: string): unknown => {
      const line = parseConfigLine(text);
      return line === undefined ? undefined : [line.keyword, ...line.values];
    };
    assert.deepEqual(values('  Host a  "b c" d # e'), ['host', 'a', 'b c', 'd']);
    assert.deepEqual(values('Port=22'), ['port', '22']);
    assert.deepEqual(values('Port = 22'), ['port', '22']);
    assert.equal(values('# Host a'), undefined);
    assert.equal(values('   '), undefined);
  });
});

describe('listAliases', () => {
  it('lists concrete names once, in order, following Includes', async () => {
    write('conf.d/20.conf', 'Host twenty web');
    write('conf.d/10.conf', 'Host ten', `Include ${folder}/deep.conf`);
    write('conf.d/.hidden.conf', 'Host hidden');
    write('conf.d/skip.txt', 'Host skipped');
    write('deep.conf', 'Host deep');
    const main = write(
      'aliases',
      'Host first *.example.com !not',
      `Include ${folder}/conf.d/*.conf "${folder}/absent.conf"`,
      'host=web second?',
      '  HostName x',
      'Match host matched',
      'HOST last',
    );
    assert.deepEqual(await listAliases(main), ['first', 'ten', 'deep', 'twenty', 'web', 'last']);
  });

  it('survives an Include that includes itself, and a missing file', async () => {
    const main = write('circle', 'Host a', `Include ${folder}/circle`, 'Host b');
    assert.deepEqual(await listAliases(main), ['a', 'b']);
    assert.deepEqual(await listAliases(join(folder, 'nothing')), []);
  });
});

describe('tokens', () => {
  const values = { alias: 'web', hostname: 'web.example.com', port: 2222, user: 'deploy' };
  it('stand for what ssh_config(5) says', () => {
    assert.equal(expandTokens('%h %n %p %r %% %x %k', values), 'web.example.com web 2222 deploy % %x web');
    assert.equal(expandTokens('%d|%u', values), `${homedir()}|${userInfo().username}`);
    assert.match(expandTokens('%C', values), /^[0-9a-f]{40}$/);
  });
  it('and paths know home and variables', () => {
    assert.equal(expandPath('~/.ssh/%h', values), join(homedir(), '.ssh', 'web.example.com'));
    assert.equal(expandPath('${KEYS}/id', values, { KEYS: '/keys' }), '/keys/id');
    assert.equal(expandPath('${MISSING}/id', values, {}), '${MISSING}/id');
    assert.equal(expandPath('__PROGRAMDATA__/ssh/x', values, { ProgramData: 'D:\\Data' }), 'D:\\Data/ssh/x');
  });
});

describe('ssh -G', () => {
  it('is read with repeated keywords, CRLF and paths with spaces', () => {
    const raw = parseSshG(
      'host web\r\nidentityfile ~/a b\r\nidentityfile ~/c\r\nuserknownhostsfile /home/me/a b /home/me/c ~/d\r\nsendenv\r\n',
    );
    assert.deepEqual(raw.get('identityfile'), ['~/a b', '~/c']);
    assert.deepEqual(raw.get('userknownhostsfile'), ['/home/me/a b', '/home/me/c', '~/d']);
  });
});

describe('without an ssh program', () => {
  it('takes ssh’s defaults for a host nobody configured', async () => {
    const settings = await resolve('deploy@203.0.113.5:2222', write('empty', ''));
    assert.equal(settings.hostname, '203.0.113.5');
    assert.equal(settings.user, 'deploy');
    assert.equal(settings.port, 2222);
    assert.deepEqual(
      settings.identityFiles,
      ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => join(homedir(), '.ssh', name)),
    );
    assert.equal(settings.identityFilesNamed, false);
    assert.equal(settings.unknownHostKey, 'ask');
    assert.equal(settings.connectTimeoutMs, 10_000);
    assert.equal(settings.serverAliveIntervalMs, undefined);
    assert.equal(settings.userKnownHostsFiles[0], join(homedir(), '.ssh', 'known_hosts'));
    assert.deepEqual(settings.proxyJump, []);
  });

  it('reads all that matters', async () => {
    const file = write(
      'full',
      'Host web',
      '  HostName %h.example.com',
      '  User deploy',
      '  Port 2222',
      '  IdentityFile ~/keys/%h-%r',
      `  IdentityFile "${folder}/with space"`,
      '  IdentitiesOnly yes',
      `  IdentityAgent ${folder}/%n.sock`,
      '  UserKnownHostsFile /a "/b c"',
      '  GlobalKnownHostsFile none',
      '  HostKeyAlias the-web',
      '  HashKnownHosts yes',
      '  StrictHostKeyChecking accept-new',
      '  ConnectTimeout 1m5s',
      '  ServerAliveInterval 30',
      '  ServerAliveCountMax 5',
      '  ProxyCommand nc -X 5 "%h" %p',
      '  AddressFamily inet6',
      '  PasswordAuthentication no',
      '  NumberOfPasswordPrompts 1',
      '  RevokedHostKeys /revoked',
    );
    assert.deepEqual(await resolve('web', file), {
      alias: 'web',
      hostname: 'web.example.com',
      port: 2222,
      user: 'deploy',
      identityFiles: [join(homedir(), 'keys', 'web.example.com-deploy'), `${folder}/with space`],
      identityFilesNamed: true,
      identitiesOnly: true,
      agent: `${folder}/web.sock`,
      proxyJump: [],
      proxyCommand: 'nc -X 5 "web.example.com" 2222',
      hostKeyAlias: 'the-web',
      userKnownHostsFiles: ['/a', '/b c'],
      globalKnownHostsFiles: [],
      hashKnownHosts: true,
      revokedHostKeysFile: '/revoked',
      unknownHostKey: 'accept',
      connectTimeoutMs: 65_000,
      serverAliveIntervalMs: 30_000,
      serverAliveCountMax: 5,
      addressFamily: 6,
      bindAddress: undefined,
      publicKeyAllowed: true,
      passwordAllowed: false,
      keyboardInteractiveAllowed: true,
      passwordPrompts: 1,
    } satisfies HostSettings);
  });

  it('logs in by the preferred methods only, and takes a ConnectTimeout of 0 for none', async () => {
    const file = write('few', 'Host web', '  PreferredAuthentications password,publickey', '  ConnectTimeout 0');
    const settings = await resolve('web', file);
    assert.equal(settings.connectTimeoutMs, 10_000);
    assert.deepEqual(
      [settings.publicKeyAllowed, settings.passwordAllowed, settings.keyboardInteractiveAllowed],
      [true, true, false],
    );
  });

  it('lets an Include inside a section count for that section only, and goes on after it', async () => {
    write('inner', 'User inner', 'Host web', '  Port 1111', 'Host db', '  Port 2222');
    const file = write('outer', 'Host web', `  Include ${folder}/inner`, '  ConnectTimeout 3', 'Host *', '  User star');
    const web = await resolve('web', file);
    assert.deepEqual([web.user, web.port, web.connectTimeoutMs], ['inner', 1111, 3000]);
    const db = await resolve('db', file);
    assert.deepEqual([db.user, db.port, db.connectTimeoutMs], ['star', 22, 10_000]);
  });

  it('never runs a command of the configuration', async () => {
    const file = write('exec', `Match exec "touch ${folder}/ran"`, '  User pwned', 'Host *', '  User safe');
    assert.equal((await resolve('web', file)).user, 'safe');
  });

  it('takes what the person wrote before what the file says, and the first value before later ones', async () => {
    const file = write('order', 'Host web', '  User a', '  Port 1', 'Host *', '  User b', '  Port 2');
    const settings = await resolve('me@web:3', file);
    assert.deepEqual([settings.user, settings.port], ['me', 3]);
    assert.equal((await resolve('web', file)).user, 'a');
  });

  it('counts StrictHostKeyChecking no as ask, and yes as refuse', async () => {
    const file = write(
      'strict',
      'Host no',
      ' StrictHostKeyChecking no',
      'Host off',
      ' StrictHostKeyChecking off',
      'Host yes',
      ' StrictHostKeyChecking yes',
    );
    assert.equal((await resolve('no', file)).unknownHostKey, 'ask');
    assert.equal((await resolve('off', file)).unknownHostKey, 'ask');
    assert.equal((await resolve('yes', file)).unknownHostKey, 'refuse');
  });

  it('puts files of the caller before configured ones', async () => {
    const file = write('extra', 'Host web', '  IdentityFile /configured');
    const options = {
      sshConfigFile: file,
      sshProgram: join(folder, 'no-such-ssh'),
      identityFiles: ['/mine'],
      knownHostsFile: '/known',
    };
    const settings = await resolveHost('web', options, AbortSignal.timeout(10_000));
    assert.deepEqual(settings.identityFiles, ['/mine', '/configured']);
    assert.deepEqual(settings.userKnownHostsFiles, ['/known']);
    const other = await resolveHost('other', options, AbortSignal.timeout(10_000));
    assert.deepEqual(other.identityFiles, ['/mine']);
  });

  it('splits a chain of jump hosts, which wins over a ProxyCommand, and knows none', async () => {
    const file = write(
      'jump',
      'Host a',
      '  ProxyJump x, me@y:2',
      'Host b',
      '  ProxyJump none',
      'Host *',
      '  ProxyJump z',
    );
    assert.deepEqual((await resolve('a', file)).proxyJump, ['x', 'me@y:2']);
    assert.deepEqual((await resolve('b', file)).proxyJump, []);
    assert.deepEqual((await resolve('c', file)).proxyJump, ['z']);
  });

  it('says when the named configuration cannot be read', async () => {
    await assert.rejects(
      resolve('web', join(folder, 'nothing')),
      (error) => error instanceof DeployError && error.code === 'config' && error.message.includes('nothing'),
    );
  });
});
