import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DeployError } from '../../../src/model';
import { parseDestination } from '../../../src/ssh/destination';
import { shellQuote } from '../../../src/ssh/quote';

describe('parseDestination', () => {
  const cases: readonly (readonly [string, string, string | undefined, number | undefined])[] = [
    ['web', 'web', undefined, undefined],
    [' deploy@web ', 'web', 'deploy', undefined],
    ['deploy@web:2222', 'web', 'deploy', 2222],
    ['10.0.0.7:22', '10.0.0.7', undefined, 22],
    ['ssh://deploy@web:2222', 'web', 'deploy', 2222],
    ['ssh://web/', 'web', undefined, undefined],
    ['ssh://dep%6Coy@web', 'web', 'deploy', undefined],
    ['[::1]', '::1', undefined, undefined],
    ['root@[fe80::1%eth0]:2222', 'fe80::1%eth0', 'root', 2222],
    ['ssh://root@[2001:db8::7]:22', '2001:db8::7', 'root', 22],
    ['2001:db8::7', '2001:db8::7', undefined, undefined],
    ['user@corp@web', 'web', 'user@corp', undefined],
  ];
  for (const [text, host, user, port] of cases) {
    it(`understands ${text}`, () => assert.deepEqual(parseDestination(text), { host, user, port }));
  }

  const refused = [
    '',
    '-oProxyCommand=x',
    'root@-oProxyCommand=x',
    '-x@web',
    'a -x@web',
    'ssh://-x',
    'web;id',
    '$(id)',
    '`id`',
    'a b',
    "web'",
    'a|b',
    'root;id@web',
    'root\\@web',
    '@web',
    'web:0',
    'web:65536',
    'web:port',
    '[::1',
    '[::1]x',
    'ssh://a%zz@web',
    'web/x',
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseDestination(text),
        (error) => error instanceof DeployError && error.code === 'usage',
      );
    });
  }
});

describe('shellQuote', () => {
  it('leaves plain words alone and quotes everything else', () => {
    assert.equal(shellQuote('/run/docker.sock'), '/run/docker.sock');
    assert.equal(shellQuote(''), "''");
    assert.equal(shellQuote('a b'), "'a b'");
    assert.equal(shellQuote("it's"), "'it'\\''s'");
    assert.equal(shellQuote('$(id)\n`id`'), "'$(id)\n`id`'");
    assert.equal(shellQuote('~'), "'~'");
    assert.equal(shellQuote('a=b'), "'a=b'");
    assert.throws(() => shellQuote('a\0b'), RangeError);
  });
});
