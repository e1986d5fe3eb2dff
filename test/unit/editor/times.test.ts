import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLogTime, formatTime } from '../../../src/editor/times';

test('midnight is the hour 00', () => {
  assert.equal(formatTime(new Date(2026, 10, 23, 0, 5, 3).getTime()), '00:05:03');
  assert.equal(formatTime(new Date(2026, 10, 22, 23, 59, 59).getTime()), '23:59:59');
});

test("a log line's time is that of this machine", () => {
  const before = process.env['TZ'];
  process.env['TZ'] = 'Asia/Tokyo';
  try {
    assert.equal(formatLogTime('2026-11-27T18:15:03.123456789Z'), '2026-11-28 03:15:03.123');
  } finally {
    if (before === undefined) {
      delete process.env['TZ'];
    } else {
      process.env['TZ'] = before;
    }
  }
});
