import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { pipeline as connect, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { AdaptiveCompressor, GZIP } from '../../../src/docker/compression';
import { Meter } from '../../../src/docker/meter';

/** Compresses `source` for a line that is said to be waited for this share of the time; levels it had, and what arrived. */
async function run(source: Iterable<Buffer>, share: number): Promise<{ levels: number[]; arrived: Buffer }> {
  const gzip = new AdaptiveCompressor(GZIP);
  const levels = [gzip.level];
  const begin = performance.now();
  const line = new Meter(({ bytes }) => {
    gzip.onTaken({ bytes, waitedMs: share * (performance.now() - begin) });
    if (levels.at(-1) !== gzip.level) {
      levels.push(gzip.level);
    }
  });
  connect(Readable.from(source), gzip.stream, line, () => undefined);
  return { levels, arrived: gunzipSync(await buffer(line)) };
}

/** Half noise, half zeros: it shrinks to about a half. */
function halfNoise(megabytes: number): Buffer[] {
  return Array.from({ length: megabytes * 8 }, () => Buffer.concat([randomBytes(64 * 1024), Buffer.alloc(64 * 1024)]));
}

test('on a slow line compression stays as hard as it began, and every byte arrives', async () => {
  const source = halfNoise(24);
  const { levels, arrived } = await run(source, 0.9);
  assert.deepEqual(levels, [6]);
  assert.ok(arrived.equals(Buffer.concat(source)));
});

test('chunks of any size arrive whole and in order', async () => {
  const sizes = [1, 100, 16 * 1024 - 1, 16 * 1024, 200_000, 1, 0, 3];
  const source = sizes.map((bytes) => randomBytes(bytes));
  const { arrived } = await run(source, 0);
  assert.ok(arrived.equals(Buffer.concat(source)));
});

test('on a fast line less is compressed', async () => {
  const source = halfNoise(24);
  const { levels, arrived } = await run(source, 0);
  assert.deepEqual(levels, [6, 3, 1]);
  assert.ok(arrived.equals(Buffer.concat(source)));
});

test('what is compressed already is left as it is for a while, then it is tried again', async () => {
  const source = [...Array.from({ length: 6 }, () => randomBytes(1024 * 1024)), ...halfNoise(16)];
  const { levels, arrived } = await run(source, 0);
  assert.deepEqual(levels.slice(-2), [0, 1]);
  assert.ok(arrived.equals(Buffer.concat(source)));
});

test('on a fast line what does not shrink is tried less and less often', async () => {
  const source = Array.from({ length: 80 }, () => randomBytes(1024 * 1024));
  const { levels } = await run(source, 0);
  const tries = levels.filter((level) => level === 1).length;
  // 20 decisions: with three out of four left as they are, it would be seven.
  assert.ok(tries >= 2 && tries <= 4, levels.join());
});

test('on a slow line trying costs nothing: whatever shrinks is compressed at once', async () => {
  const source = [...Array.from({ length: 16 }, () => randomBytes(1024 * 1024)), ...halfNoise(32)];
  const { levels, arrived } = await run(source, 0.9);
  assert.deepEqual(levels, [6, 1, 3, 6]);
  assert.ok(arrived.equals(Buffer.concat(source)));
});

test('a line that breaks as the level changes breaks nothing else', async () => {
  for (let turn = 0; turn < 20; turn++) {
    const gzip = new AdaptiveCompressor(GZIP);
    const line = new Meter(({ bytes }) => {
      const before = gzip.level;
      gzip.onTaken({ bytes, waitedMs: 0 });
      if (gzip.level !== before) {
        line.destroy(new Error('cut'));
      }
    });
    // What nobody waits for any more may still throw: node's test runner then fails this test.
    await assert.rejects(
      pipeline(Readable.from(halfNoise(12)), gzip.stream, line, async (it) => {
        await buffer(it);
      }),
      {
        message: 'cut',
      },
    );
  }
});

test('the meter knows who is waited for: whoever takes its bytes, or their source', async () => {
  const seen: boolean[] = [];
  const meter = new Meter(({ full }) => seen.push(full));
  meter.write(Buffer.alloc(1024 * 1024));
  assert.deepEqual([meter.full, seen], [true, [true]]);
  meter.end();
  assert.equal((await buffer(meter)).length, 1024 * 1024);
  assert.deepEqual([meter.full, seen], [false, [true, false]]);
});

test('the meter counts the time in which nobody takes anything', async () => {
  const meter = new Meter(() => undefined);
  connect(Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(64 * 1024))), meter, () => undefined);
  let slept = 0;
  for await (const chunk of meter) {
    assert.ok(chunk instanceof Buffer);
    const begin = performance.now();
    await delay(5);
    slept += performance.now() - begin;
  }
  assert.equal(meter.bytes, 40 * 64 * 1024);
  assert.ok(meter.waitedMs > slept / 2 && meter.waitedMs < slept * 2, `${meter.waitedMs} of ${slept} ms`);
});
