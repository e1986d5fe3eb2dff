import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Complaint } from '../../../src/config/complaint';
import { checkNginxSize, formatDuration, parseDuration, parseSize } from '../../../src/config/units';

function table<T>(read: (text: string) => T | Complaint, cases: Readonly<Record<string, T | undefined>>): void {
  for (const [text, expected] of Object.entries(cases)) {
    const value = read(text);
    assert.equal(value instanceof Complaint ? undefined : value, expected, text);
  }
}

describe('units', () => {
  it('durations are milliseconds', () => {
    table(parseDuration, {
      '500ms': 500,
      '1.5s': 1500,
      '2m': 120_000,
      '1h': 3_600_000,
      '0s': 0,
      '5': undefined,
      s: undefined,
      '5 s': undefined,
      '-5s': undefined,
      '5S': undefined,
      '1e3s': undefined,
      '': undefined,
    });
  });

  it('durations are written as they are read', () => {
    for (const text of ['100ms', '1s', '90s', '1m', '24h']) {
      const ms = parseDuration(text);
      assert.equal(typeof ms === 'number' ? formatDuration(ms) : ms, text);
    }
  });

  it('sizes are bytes, in powers of 1024', () => {
    table(parseSize, {
      '512m': 536_870_912,
      '1.5g': 1_610_612_736,
      '1GiB': 1_073_741_824,
      '2KB': 2048,
      '1024': 1024,
      '1024b': 1024,
      '1mm': undefined,
      '9999999t': undefined,
      m: undefined,
      '-1m': undefined,
    });
  });

  it('sizes of nginx stay as they are written', () => {
    table(checkNginxSize, {
      '100m': '100m',
      '1G': '1G',
      '0': '0',
      '8192': '8192',
      '1.5m': undefined,
      '1mb': undefined,
      '99999999999g': undefined,
      '1m;': undefined,
    });
  });
});
