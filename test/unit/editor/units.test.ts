import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration, formatSeconds } from '../../../src/editor/units';

test('amounts never show a thousand of the smaller unit', () => {
  assert.equal(formatBytes(999), '999 B');
  assert.equal(formatBytes(999_949), '999.9 KB');
  assert.equal(formatBytes(999_950), '1.0 MB');
  assert.equal(formatBytes(999_950_000), '1.00 GB');
});

test('what was measured has tenths, what is announced has whole seconds', () => {
  assert.equal(formatDuration(10_000), '10.0 s');
  assert.equal(formatSeconds(10_000), '10 s');
  assert.equal(formatSeconds(500), '1 s');
  assert.equal(formatSeconds(80_000), '1 min 20 s');
});
