import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endOfPart, likelySpeed, speedOf } from '../../../src/docker/parts';
import { parseDf } from '../../../src/engine/disk';

const MB = 1024 * 1024;

describe('where a part of an image ends', () => {
  test('a small image, and one with a small rest, is one part', () => {
    assert.equal(endOfPart([2 * MB, 3 * MB, 1], 0, 0), 3);
    assert.equal(endOfPart([200 * MB, 3 * MB, 1], 0, 0), 3);
    assert.equal(endOfPart([], 0, 0), 0);
  });

  test('the first part is short, the others take some seconds each', () => {
    const sizes = [30 * MB, 30 * MB, 30 * MB, 30 * MB, 30 * MB];
    assert.equal(endOfPart(sizes, 0, 0), 1);
    // 4 MB a second: 60 MB in the time of one part.
    const slow = (4 * MB) / 1000;
    assert.deepEqual([endOfPart(sizes, 1, slow), endOfPart(sizes, 3, slow)], [3, 5]);
    const fast = (100 * MB) / 1000;
    assert.equal(endOfPart(sizes, 1, fast), 5);
  });

  test('to a host in the same building the first part is large at once', () => {
    const sizes = [70 * MB, 30 * MB, 10 * MB, 200 * MB];
    assert.deepEqual([endOfPart(sizes, 0, likelySpeed(1)), endOfPart(sizes, 0, likelySpeed(25))], [4, 1]);
    assert.equal(endOfPart([...sizes, 500 * MB], 0, likelySpeed(1)), 4);
  });

  test('what waits to be sent does not count for the speed of a line', () => {
    assert.equal(speedOf({ bytes: 4 * MB, rawBytes: 12 * MB }, 1000), (6 * MB) / 1000);
    assert.equal(speedOf({ bytes: MB, rawBytes: 3 * MB }, 10), 0);
    assert.equal(speedOf({ bytes: 0, rawBytes: 0 }, 0), 0);
  });

  test('layers of unknown size are one part', () => {
    assert.ok(endOfPart(undefined, 0, 1) >= 127);
  });
});

test('free room is read from what df says of one or several folders', () => {
  const head = 'Filesystem     1024-blocks      Used Available Capacity Mounted on\n';
  assert.deepEqual(parseDf(`${head}/dev/sda1          41152736  20000000  19030220      52% /\n`), [19030220 * 1024]);
  assert.deepEqual(parseDf(`${head}overlay 1000 400 600 40% /\n/dev/a b 2000 500 1500 25% /var/lib/my disk\n`), [
    600 * 1024,
    1500 * 1024,
  ]);
  assert.deepEqual([parseDf(''), parseDf('df: no such file')], [[], []]);
});
