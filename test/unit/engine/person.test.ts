import assert from 'node:assert/strict';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { test } from 'node:test';
import { personHere } from '../../../src/engine/person';

test('a person is an account and a machine; where the system knows no such account, what the environment calls it', (t) => {
  assert.equal(personHere(), `${os.userInfo().username}@${os.hostname()}`);
  const environment = process.env;
  t.after(() => {
    process.env = environment;
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  t.mock.method(os, 'userInfo', () => {
    throw new Error('ENOENT');
  });
  syncBuiltinESMExports();
  process.env = { USER: 'ada' };
  assert.equal(personHere(), `ada@${os.hostname()}`);
  process.env = {};
  assert.equal(personHere(), `unknown@${os.hostname()}`);
});
