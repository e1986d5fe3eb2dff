import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { AdaptiveCompressor, GZIP, OUTPUT, PackedPiece } from '../../../src/docker/compression';
import { LAYER_TYPE, LayoutWriter } from '../../../src/docker/ociLayout';
import { PackedLayer } from '../../../src/docker/packedLayer';

const chunked = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));

/** An archive of these layers, as it is when the host has unpacked what came over the line. */
async function archiveOf(
  layers: readonly Buffer[],
  content: (layer: Buffer) => { size: number; content: AsyncIterable<Uint8Array | PackedPiece> },
): Promise<{ archive: Buffer; sent: number }> {
  const writer = new LayoutWriter();
  const compressor = new AdaptiveCompressor(GZIP);
  pipeline(writer.stream, compressor.stream, () => undefined);
  const arrived = buffer(compressor.stream);
  const blobs = [];
  for (const layer of layers) {
    const digest = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
    const given = content(layer);
    await writer.layer(digest, given.size, given.content);
    blobs.push({ digest, size: layer.length, mediaType: LAYER_TYPE });
  }
  await writer.finish('shop:1', Buffer.from('{}'), blobs);
  const sent = await arrived;
  return { archive: gunzipSync(sent), sent: sent.length };
}

describe('a packed layer', () => {
  const shapes: Record<string, Buffer> = {
    'of a few bytes': Buffer.from('x'),
    'as long as a block of an archive': randomBytes(512),
    'that hardly shrinks': randomBytes(3 * 1024 * 1024 + 1),
    'that shrinks a thousand times': Buffer.alloc(40 * 1024 * 1024),
    'that is empty': Buffer.alloc(0),
  };
  for (const [name, layer] of Object.entries(shapes)) {
    test(`${name} makes the very archive that the layer itself makes`, async () => {
      const others = [randomBytes(1000), randomBytes(70_000)];
      const layers = [others[0] ?? layer, layer, others[1] ?? layer];
      const plain = await archiveOf(layers, (it) => ({ size: it.length, content: Readable.from([it]) }));
      const packed = await archiveOf(layers, (it) => {
        const made = new PackedLayer(chunked(gzipSync(it), 65_536));
        return { size: made.bytes, content: Readable.from(made.pieces()) };
      });
      assert.ok(packed.archive.equals(plain.archive));
    });
  }

  test('goes out as it is, in pieces of a size that the line likes', () => {
    const layer = randomBytes(1_000_000);
    const gzipped = gzipSync(layer);
    const pieces = [...new PackedLayer(chunked(gzipped, 100_000)).pieces()];
    assert.ok(Buffer.concat(pieces.map(({ packed }) => packed)).equals(gzipped));
    assert.ok(pieces.every(({ packed }) => packed.length <= OUTPUT));
    assert.equal(
      pieces.reduce((sum, { length }) => sum + length, 0),
      layer.length,
    );
  });

  test('unpacks to the layer, and to nothing that is longer than it said', async () => {
    const layer = randomBytes(100_000);
    const gzipped = gzipSync(layer);
    assert.ok((await new PackedLayer(chunked(gzipped, 7000)).unpack()).equals(layer));
    assert.equal((await new PackedLayer([gzipSync(Buffer.alloc(0))]).unpack()).length, 0);
    gzipped.writeUInt32LE(99_999, gzipped.length - 4);
    await assert.rejects(new PackedLayer([gzipped]).unpack());
  });

  test('says how long it is, however its last bytes were cut', () => {
    const gzipped = gzipSync(Buffer.alloc(70_000));
    for (let last = 1; last <= 5; last++) {
      const cut = [gzipped.subarray(0, -last), ...chunked(gzipped.subarray(-last), 1)];
      assert.equal(new PackedLayer(cut).bytes, 70_000);
    }
    assert.equal(new PackedLayer([]).bytes, 0);
  });

  test('of another length than the archive was told is an error, and not a wrong archive', async () => {
    const packed = new PackedLayer([gzipSync(randomBytes(1000))]);
    const writer = new LayoutWriter();
    const read = buffer(
      writer.stream.map((chunk: Buffer | PackedPiece) => (chunk instanceof PackedPiece ? chunk.packed : chunk)),
    );
    await assert.rejects(
      writer.layer(`sha256:${'0'.repeat(64)}`, 1001, Readable.from(packed.pieces())),
      /Size mismatch/,
    );
    await assert.rejects(read);
  });
});
