import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../../../src/editor/times';

test('midnight is the hour 00', () => {
  assert.equal(formatTime(new Date(2026, 10, 23, 0, 5, 3).getTime()), '00:05:03');
  assert.equal(formatTime(new Date(2026, 10, 22, 23, 59, 59).getTime()), '23:59:59');
});
