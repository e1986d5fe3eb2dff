import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { jsonLines, lineError } from '../../../src/docker/json';
import { onAbort, StallLimit, withLimit } from '../../../src/docker/limits';
import { demultiplex, LineCutter } from '../../../src/docker/multiplex';

/** A frame as Docker sends it for a container without a terminal. */
function frame(stream: 1 | 2, text: string): Buffer {
  const data = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

/** The same bytes in pieces of `size`, so that every border is met. */
function inPieces(bytes: Buffer, size: number): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    pieces.push(bytes.subarray(at, at + size));
  }
  return Readable.from(pieces);
}

test('frames are taken apart wherever the network cut them', async () => {
  const bytes = Buffer.concat([frame(1, 'out 1\n'), frame(2, 'err ü\n'), frame(1, ''), frame(1, 'out 2\n')]);
  for (const size of [1, 3, 8, 9, 1000]) {
    const found = { stdout: '', stderr: '' };
    for await (const { stream, data } of demultiplex(inPieces(bytes, size), false)) {
      found[stream] += data.toString('latin1');
    }
    assert.deepEqual(found, { stdout: 'out 1\nout 2\n', stderr: Buffer.from('err ü\n').toString('latin1') }, `${size}`);
  }
});

test('a terminal has no frames, whatever its bytes look like', async () => {
  const bytes = frame(1, 'text');
  const chunks: Buffer[] = [];
  for await (const { stream, data } of demultiplex(inPieces(bytes, 5), true)) {
    assert.equal(stream, 'stdout');
    chunks.push(data);
  }
  assert.deepEqual(Buffer.concat(chunks), bytes);
});

test('lines are cut at their ends, characters never in the middle, long lines at the limit', () => {
  const cutter = new LineCutter(10);
  const bytes = Buffer.from('one\r\ntwo ü\n' + 'x'.repeat(25) + '\nlast');
  const lines: string[] = [];
  for (const byte of bytes) {
    lines.push(...cutter.push(Buffer.from([byte])));
  }
  lines.push(...cutter.end());
  assert.deepEqual(lines, ['one', 'two ü', `${'x'.repeat(10)}…`, 'last']);
  assert.deepEqual(cutter.end(), []);
});

test('an answer of JSON lines is read over all borders, and its errors in both forms', async () => {
  const bytes = Buffer.from(
    '{"stream":"ü"}\r\n\n{"errorDetail":{"message":"a"},"error":"b"}\n{"error":"c"}\nbroken{\n{"id":1}',
  );
  for (const size of [1, 7, 1000]) {
    const lines = [];
    for await (const line of jsonLines(inPieces(bytes, size))) {
      lines.push(line);
    }
    assert.deepEqual(
      lines.map((line) => line['stream'] ?? lineError(line) ?? line['id']),
      ['ü', 'a', 'c', 1],
    );
  }
});

const limits = { engine: 'test', signal: new AbortController().signal };

test('a limit ends a call that never answers, with its own sentence', async () => {
  const never = withLimit(() => new Promise(() => undefined), { ...limits, limitMs: 20, late: () => 'Too slow.' });
  await assert.rejects(never, { name: 'DockerError', message: 'Too slow.' });
});

test('the signal ends a call at once, and one that is aborted already begins none', async () => {
  const control = new AbortController();
  const call = withLimit(() => new Promise(() => undefined), { ...limits, signal: control.signal, limitMs: 10_000 });
  control.abort();
  await assert.rejects(call, { name: 'DeployError', code: 'cancelled' });
  let begun = false;
  const late = withLimit(() => Promise.resolve((begun = true)), { ...limits, signal: control.signal, limitMs: 10_000 });
  await assert.rejects(late, { code: 'cancelled' });
  assert.equal(begun, false);
});

test('a listener that was taken back is not called, one on an aborted signal at once', () => {
  const control = new AbortController();
  const called: string[] = [];
  onAbort(control.signal, () => called.push('kept'));
  onAbort(control.signal, () => called.push('taken back'))();
  control.abort();
  onAbort(control.signal, () => called.push('late'));
  assert.deepEqual(called, ['kept', 'late']);
});

test('standing still counts from the last sign of life', async () => {
  // Long beside the pauses: a machine that does other work stretches those.
  const limitMs = 1_500;
  const begin = performance.now();
  const stall = new StallLimit(limits.signal, limitMs, () => new Error('still'));
  while (performance.now() - begin < limitMs * 1.2) {
    await delay(50);
    stall.alive();
  }
  assert.equal(stall.signal.aborted, false, 'more than the limit has passed, with signs of life');
  await new Promise<void>((resolve) => onAbort(stall.signal, resolve));
  assert.equal((stall.signal.reason as Error).message, 'still');
  stall.end();
  const ended = new StallLimit(limits.signal, 10, () => new Error('still'));
  ended.end();
  await delay(30);
  assert.equal(ended.signal.aborted, false);
});
