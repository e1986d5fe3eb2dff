import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { registryAuth, registryOf } from '../../../src/docker/registry';

const folder = mkdtempSync(path.join(tmpdir(), 'blue-green-login-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function authOf(registry: string, config: object | string): Promise<unknown> {
  writeFileSync(path.join(folder, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config));
  const auth = await registryAuth(registry, { DOCKER_CONFIG: folder });
  // As Go's decoder does, which insists on the padding.
  assert.ok(auth === undefined || (auth.length % 4 === 0 && /^[\w-]*=*$/.test(auth)), auth);
  return auth === undefined ? undefined : JSON.parse(Buffer.from(auth, 'base64url').toString());
}

test('a name leads to its registry, and one without to Docker Hub', () => {
  assert.equal(registryOf('ghcr.io/ann/shop:1'), 'ghcr.io');
  assert.equal(registryOf('localhost:5000/shop:1'), 'localhost:5000');
  assert.equal(registryOf('localhost/shop'), 'localhost');
  assert.equal(registryOf('ann/shop:1'), 'https://index.docker.io/v1/');
  assert.equal(registryOf('shop'), 'https://index.docker.io/v1/');
  for (const hub of ['docker.io', 'index.docker.io', 'registry-1.docker.io']) {
    assert.equal(registryOf(`${hub}/ann/shop:1`), 'https://index.docker.io/v1/');
  }
});

describe('credentials of docker login', () => {
  test('are read from config.json', async () => {
    const auth = Buffer.from('ann:hush:?hush~').toString('base64');
    const config = { auths: { 'ghcr.io': { auth }, 'quay.io': { identitytoken: 'token' }, 'empty.io': {} } };
    assert.deepEqual(await authOf('ghcr.io', config), {
      username: 'ann',
      password: 'hush:?hush~',
      serveraddress: 'ghcr.io',
    });
    assert.deepEqual(await authOf('quay.io', config), { identitytoken: 'token', serveraddress: 'quay.io' });
    assert.equal(await authOf('empty.io', config), undefined);
    assert.equal(await authOf('other.io', config), undefined);
    assert.equal(await authOf('other.io', '{ broken'), undefined);
  });

  test('are asked of a credential helper', async () => {
    const helper = path.join(folder, 'docker-credential-lab');
    writeFileSync(
      helper,
      '#!/bin/sh\nread -r server\n[ "$server" = ghcr.io ] || { echo "credentials not found"; exit 1; }\n' +
        'echo \'{"ServerURL":"ghcr.io","Username":"ann","Secret":"hush"}\'\n',
    );
    chmodSync(helper, 0o755);
    const before = process.env['PATH'];
    process.env['PATH'] = `${folder}${path.delimiter}${before ?? ''}`;
    try {
      const found = { username: 'ann', password: 'hush', serveraddress: 'ghcr.io' };
      assert.deepEqual(await authOf('ghcr.io', { credsStore: 'lab' }), found);
      assert.deepEqual(await authOf('ghcr.io', { credHelpers: { 'ghcr.io': 'lab' } }), found);
      assert.equal(await authOf('quay.io', { credsStore: 'lab' }), undefined);
      await assert.rejects(authOf('ghcr.io', { credsStore: 'absent' }), /is not installed/);
    } finally {
      process.env['PATH'] = before;
    }
  });
});
