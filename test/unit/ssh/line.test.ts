import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { inWholePackets } from '../../../src/ssh/line';

/** A line that notes what it is given at once. */
class Noting extends Duplex {
  readonly seen: string[] = [];

  override _read(): void {
    // Nothing comes from there.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.seen.push(chunk.toString());
    done();
  }

  override _writev(pieces: readonly { readonly chunk: Buffer }[], done: () => void): void {
    this.seen.push(pieces.map(({ chunk }) => chunk.toString()).join('+'));
    done();
  }
}

test('the pieces of a packet go to the line together, and the next packet after them', async () => {
  const line = new Noting();
  const stream = inWholePackets(line);
  for (const packet of ['a', 'b']) {
    for (const piece of ['length', 'content', 'tag']) {
      stream.write(`${packet} ${piece}`);
    }
    await turn();
  }
  stream.write('last');
  stream.end();
  await turn();
  assert.deepEqual(line.seen, ['a length+a content+a tag', 'b length+b content+b tag', 'last']);
});

test('whoever waits for a line that is full hears when there is room again', async () => {
  const stream = inWholePackets(new Noting({ writableHighWaterMark: 3 }));
  let called = 0;
  assert.equal(
    stream.write('1234', () => called++),
    false,
  );
  assert.equal(stream.writableNeedDrain, true);
  await new Promise((resolve) => stream.once('drain', resolve));
  assert.equal(called, 1);
  assert.equal(stream.write('5'), true);
});
