import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, formatDate, formatLogTime, formatTime } from '../../../src/editor/times';
import { useTranslator } from '../../../src/l10n';

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

test('ages and dates follow the language', () => {
  const english = (message: string): string => message;
  const at = new Date(2026, 10, 23, 18, 5).getTime();
  // Which kind of space stands before PM differs from one Node to the next.
  const said = (): string[] =>
    [formatAge(at, at + 3 * 3_600_000), formatDate(at)].map((text) => text.replaceAll(/\s/g, ' '));
  assert.deepEqual(said(), ['3 hr. ago', 'Nov 23, 2026, 6:05 PM']);
  useTranslator(english, 'ru');
  try {
    assert.deepEqual(said(), ['3 ч назад', '23 нояб. 2026 г., 18:05']);
  } finally {
    useTranslator(english, 'en');
  }
  assert.equal(said()[0], '3 hr. ago');
});
