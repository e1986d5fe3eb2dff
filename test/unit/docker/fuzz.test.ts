/** What an engine sends is read without trust: whatever it is, it is refused or read, soon, and nothing else happens. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { jsonLines } from '../../../src/docker/json';
import { readLayout, readSaved } from '../../../src/docker/savedImage';
import { type EntryHeader, TarWriter } from '../../../src/docker/tarWriter';
import { layerOfV1Folder } from '../../../src/docker/v1Layers';

/** Milliseconds that reading anything may take. */
const LIMIT_MS = 5_000;
const ROUNDS = 400;

/** The same numbers in every run (mulberry32). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const sha = (content: string): string => createHash('sha256').update(content).digest('hex');
const contents = ['lowest', 'x'.repeat(3000), 'topmost'];
const layers = contents.map((content) => `sha256:${sha(content)}`);
const config = JSON.stringify({ rootfs: { diff_ids: layers } });
const configDigest = `sha256:${sha(config)}`;
const manifest = JSON.stringify([
  { Config: `blobs/sha256/${sha(config)}`, Layers: contents.map((content) => `blobs/sha256/${sha(content)}`) },
]);

type Entry = readonly [header: EntryHeader, content: string];
const good: readonly Entry[] = [
  ...[...contents, config].map((content): Entry => [{ name: `blobs/sha256/${sha(content)}` }, content]),
  [{ name: 'manifest.json' }, manifest],
];

async function archive(entries: readonly Entry[]): Promise<Buffer> {
  const writer = new TarWriter();
  const bytes = buffer(writer.stream);
  for (const [header, content] of entries) {
    await writer.add({ ...header }, header.type === undefined ? Buffer.from(content) : undefined);
  }
  writer.end();
  return bytes;
}

/** The layers that were handed on, or undefined when the archive was refused. A hang is a failure. */
async function read(bytes: Buffer, withLayout: boolean): Promise<Map<number, string> | undefined> {
  const found = new Map<number, string>();
  const open = (): Readable => Readable.from(bytes.length === 0 ? [] : [bytes], { objectMode: false });
  const reading = async (): Promise<Map<number, string> | undefined> => {
    try {
      const layout = withLayout ? await readLayout(open()) : undefined;
      await readSaved(open(), layers, configDigest, layout, async ({ index, content }) => {
        found.set(index, Buffer.from(await buffer(content as AsyncIterable<Buffer>)).toString());
      });
      return found;
    } catch (error) {
      assert.ok(error instanceof Error);
      return undefined;
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: 'The reader hangs.' })), LIMIT_MS);
  });
  try {
    return await Promise.race([reading(), late]);
  } finally {
    clearTimeout(timer);
  }
}

describe('archives that nobody should send', () => {
  const whole = Object.assign({}, contents);

  test('a good one is read, in any order', async () => {
    const random = randomNumbers(1);
    for (let round = 0; round < 20; round++) {
      const shuffled = [...good].sort(() => random(3) - 1);
      for (const withLayout of [false, true]) {
        assert.deepEqual(Object.fromEntries((await read(await archive(shuffled), withLayout)) ?? []), whole);
      }
    }
  });

  test('cut anywhere', async () => {
    const bytes = await archive(good);
    for (let length = 0; length < bytes.length - 1024; length += 97) {
      for (const withLayout of [false, true]) {
        const found = await read(bytes.subarray(0, length), withLayout);
        // All that is needed may have come before the cut.
        assert.ok(found === undefined || found.size === layers.length, `cut at ${length}`);
      }
    }
  });

  test('with bytes changed at random', async () => {
    const bytes = await archive(good);
    const random = randomNumbers(2);
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const broken = Buffer.from(bytes);
      for (let changes = 1 + random(8); changes > 0; changes--) {
        broken[random(broken.length)] = random(256);
      }
      const found = await read(broken, round % 2 === 0);
      if (found === undefined) {
        refused++;
        continue;
      }
      // What is handed on is the layer's own bytes, all of them: where those were changed, its digest says so on the host.
      for (const [index, content] of contents.entries()) {
        const at = bytes.indexOf(content);
        assert.equal(found.get(index), broken.subarray(at, at + content.length).toString(), `round ${round}`);
      }
    }
    assert.ok(refused > 0 && refused < ROUNDS, `${refused} of ${ROUNDS} were refused`);
  });

  test('with a table of contents of every wrong kind', async () => {
    for (const wrong of [
      '',
      '[',
      '{}',
      '[]',
      'null',
      '[null]',
      '[{"Layers":7}]',
      '[{"Layers":[null,{}],"Config":[]}]',
    ]) {
      const entries = good.map((entry): Entry => (entry[0].name === 'manifest.json' ? [entry[0], wrong] : entry));
      assert.equal(await read(await archive(entries), true), undefined, wrong);
    }
    assert.equal(await read(await archive([[{ name: 'manifest.json' }, '['.repeat(200_000)]]), true), undefined);
  });

  test('with links, devices and names that lead elsewhere: none of them is a layer', async () => {
    const [first] = good;
    const name = first?.[0].name ?? '';
    const hostile: Entry[] = [
      [{ name: '../../etc/passwd' }, 'root'],
      [{ name: '/etc/passwd' }, 'root'],
      [{ name: `../${name}` }, 'evil'],
      [{ name: `${name}/../x` }, 'evil'],
      [{ name: `${'d/'.repeat(60)}x` }, 'deep'],
      [{ name, type: 'symlink', linkname: '/etc/passwd' }, ''],
      [{ name, type: 'link', linkname: '../../etc/passwd' }, ''],
      [{ name, type: 'character-device' }, ''],
      [{ name, type: 'directory' }, ''],
    ];
    const found = await read(await archive([...hostile, ...good.slice(1)]), false);
    assert.equal(found, undefined, 'the first layer is missing, whatever bears its name');
    assert.deepEqual(Object.fromEntries((await read(await archive([...hostile, ...good]), false)) ?? []), whole);
  });

  test('with a layer that claims to be huge', async () => {
    const bytes = await archive(good);
    // The size field of the first header, in octal: 8 GB.
    bytes.write('77777777777\0', 124);
    let sum = 0;
    bytes.fill(' ', 148, 156);
    for (let index = 0; index < 512; index++) {
      sum += bytes[index] ?? 0;
    }
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    assert.equal(await read(bytes, false), undefined);
    assert.equal(await read(bytes, true), undefined);
  });
});

describe('answers that nobody should send', () => {
  async function lines(...chunks: (string | Buffer)[]): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const line of jsonLines(Readable.from(chunks))) {
      found.push(line);
    }
    return found;
  }

  test('lines of every wrong kind', async () => {
    const random = randomNumbers(3);
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = Buffer.from(Array.from({ length: random(300) }, () => random(256)));
      const found = await lines(bytes, '\n', '{"stream":"ok"}\n');
      assert.ok(found.every((line) => typeof line === 'object' && line !== null && !Array.isArray(line)));
      assert.deepEqual(found.at(-1), { stream: 'ok' }, 'what comes after it is read');
    }
    assert.deepEqual(await lines('{"a":1}\n{"b', '":2}\n\n[1]\nnull\n7\n{"c":\n'), [{ a: 1 }, { b: 2 }, {}, {}, {}]);
  });

  test('a line without end', async () => {
    const chunk = 'x'.repeat(1024 * 1024);
    await assert.rejects(lines(...Array.from({ length: 20 }, () => chunk)), /line without end/);
  });

  test('descriptions of layers', () => {
    const random = randomNumbers(4);
    const description = `{"id":"${'0'.repeat(64)}","parent":"x","config":{"a":[1,{"b":"\\"}"}]},"os":"linux"}`;
    for (let round = 0; round < ROUNDS; round++) {
      const broken = Array.from(description);
      broken.splice(random(broken.length), random(4), String.fromCharCode(random(0x2000)));
      assert.equal(layerOfV1Folder('0'.repeat(64), broken.join(''), layers), undefined);
    }
  });
});
