import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogBuffer, MAX_LINES } from '../../../src/editor/logBuffer';

test('lines are written once, in their order', () => {
  const buffer = new LogBuffer();
  buffer.add('a');
  buffer.add('b');
  assert.deepEqual(buffer.take(), { text: 'a\nb\n', replace: false });
  assert.deepEqual(buffer.take(), { text: '', replace: false });
});

test('a channel that has grown too long is replaced by its last lines', () => {
  const buffer = new LogBuffer();
  let replaced: string | undefined;
  for (let index = 0; index < MAX_LINES * 2 && replaced === undefined; index++) {
    buffer.add(String(index));
    const { text, replace } = buffer.take();
    replaced = replace ? text : undefined;
  }
  assert.equal(replaced?.trim().split('\n').length, MAX_LINES);
});
