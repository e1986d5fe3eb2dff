import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distinguish, wholePath } from '../../../src/editor/distinguish';

type Choice = readonly [name: string, ...texts: [string, ...string[]]];

function told(...choices: Choice[]): string[] {
  return distinguish(
    choices,
    ([name]) => name,
    ([, ...texts]) => texts,
  );
}

test('choices of different names are told by their shortest text', () => {
  assert.deepEqual(told(['shop', 'Dockerfile', '/a/Dockerfile'], ['blog', 'Dockerfile', '/b/Dockerfile']), [
    'Dockerfile',
    'Dockerfile',
  ]);
});

test('those of one name are told by the shortest kind of text that tells them apart', () => {
  assert.deepEqual(
    told(
      ['app', 'app/Dockerfile', '~/one/app/Dockerfile'],
      ['app', 'app/Dockerfile', '~/two/app/Dockerfile'],
      ['app', 'app/Dockerfile.test', '~/two/app/Dockerfile.test'],
    ),
    ['~/one/app/Dockerfile', '~/two/app/Dockerfile', '~/two/app/Dockerfile.test'],
  );
  const file = ['web/Dockerfile', '~/web/Dockerfile'] as const;
  assert.deepEqual(told(['web', ...file, '~/a/bluegreen.json'], ['web', ...file, '~/b/bluegreen.json']), [
    '~/a/bluegreen.json',
    '~/b/bluegreen.json',
  ]);
});

test("a path below the person's home begins with ~", () => {
  assert.equal(wholePath('/home/ann/shop/Dockerfile', '/home/ann'), '~/shop/Dockerfile');
  assert.equal(wholePath('/home/anna/Dockerfile', '/home/ann'), '/home/anna/Dockerfile');
  assert.equal(wholePath('/srv/Dockerfile', '/home/ann'), '/srv/Dockerfile');
});
