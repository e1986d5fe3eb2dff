import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Output } from '../../../src/cli/output';
import { outputLine, plainLine, wantsColours } from '../../../src/cli/style';
import { formatAge, formatBytes, formatMs } from '../../../src/cli/units';
import { FakeScreen } from './screen';

describe('output', () => {
  it('sends results to stdout and the way there to stderr', () => {
    const [stdout, stderr] = [new FakeScreen(), new FakeScreen()];
    const output = new Output(stdout, stderr, {});
    output.note('working');
    output.out('done');
    assert.equal(stdout.text, 'done\n');
    assert.equal(stderr.text, 'working\n');
  });

  it('keeps the live line below the others, and takes it away at the end', () => {
    const [stdout, stderr] = [new FakeScreen(true), new FakeScreen(true)];
    const output = new Output(stdout, stderr, { NO_COLOR: '1' });
    output.startLive(() => 'busy');
    output.note('first');
    output.note('second');
    output.stopLive();
    output.note('third');
    assert.equal(stderr.text, 'first\n\r\x1b[Kbusy\r\x1b[Ksecond\n\r\x1b[Kbusy\r\x1b[Kthird\n');
  });

  it('cuts the live line to the width of the terminal', () => {
    const stderr = new FakeScreen(true);
    const output = new Output(new FakeScreen(), stderr, { NO_COLOR: '1' });
    output.startLive(() => 'x'.repeat(200));
    output.note('');
    output.stopLive();
    assert.ok(stderr.text.includes(`\r\x1b[K${'x'.repeat(58)}…\r`), stderr.text);
  });

  it('takes a width of 0 for one that is not known', () => {
    const stderr = Object.assign(new FakeScreen(true), { columns: 0 });
    const output = new Output(new FakeScreen(), stderr, { NO_COLOR: '1' });
    output.startLive(() => 'busy');
    output.note('');
    output.stopLive();
    assert.match(stderr.text, /busy/);
  });

  it('has no live line without a terminal', () => {
    for (const [isTTY, environment] of [
      [false, {}],
      [true, { TERM: 'dumb' }],
    ] as const) {
      const stderr = new FakeScreen(isTTY);
      const output = new Output(new FakeScreen(), stderr, environment);
      output.startLive(() => 'busy');
      output.note('line');
      output.stopLive();
      assert.equal(stderr.text, 'line\n');
    }
  });

  it('has the live line out of the way of a question, and back after it', async () => {
    const stderr = new FakeScreen(true);
    const output = new Output(new FakeScreen(), stderr, { NO_COLOR: '1' });
    output.startLive(() => 'busy');
    const answer = await output.undisturbed(() => {
      stderr.text = '';
      output.note('meanwhile');
      return Promise.resolve(42);
    });
    assert.equal(answer, 42);
    assert.equal(stderr.text, 'meanwhile\n');
    output.note('after');
    assert.ok(stderr.text.endsWith('after\n\r\x1b[Kbusy'));
    output.stopLive();
  });

  it('stays silent when the reader has gone away', () => {
    const [stdout, stderr] = [new FakeScreen(), new FakeScreen()];
    const output = new Output(stdout, stderr, {});
    output.out('one');
    stdout.fail();
    output.out('two');
    assert.equal(stdout.text, 'one\n');
    assert.equal(output.broken.aborted, true);
  });
});

describe('colours', () => {
  it('follow the terminal, NO_COLOR and FORCE_COLOR', () => {
    assert.equal(wantsColours({}, true), true);
    assert.equal(wantsColours({}, false), false);
    assert.equal(wantsColours({ TERM: 'dumb' }, true), false);
    assert.equal(wantsColours({ NO_COLOR: '1' }, true), false);
    assert.equal(wantsColours({ NO_COLOR: '' }, true), true);
    assert.equal(wantsColours({ FORCE_COLOR: '1' }, false), true);
    assert.equal(wantsColours({ FORCE_COLOR: '1', NO_COLOR: '1' }, false), true);
    assert.equal(wantsColours({ FORCE_COLOR: '0' }, true), false);
  });
});

describe('text from elsewhere', () => {
  it('cannot move the cursor, set the title or ring', () => {
    assert.equal(plainLine('a\x1b[2Jb\x1b]0;title\x07c\x07d\te'), 'abcd\te');
    assert.equal(plainLine('a\r\n b'), 'a b');
  });
  it('of programs keeps its colours where there are some', () => {
    assert.equal(outputLine('\x1b[31mred\x1b[2J', true), '\x1b[31mred\x1b[0m');
    assert.equal(outputLine('\x1b[31mred', false), 'red');
    assert.equal(outputLine('plain', true), 'plain');
  });
});

describe('amounts', () => {
  it('are read at a glance', () => {
    assert.deepEqual([0, 999, 1000, 12_900, 999_949, 999_951, 84_300_000, 1.5e9].map(formatBytes), [
      '0 B',
      '999 B',
      '1.0 KB',
      '12.9 KB',
      '999.9 KB',
      '1.0 MB',
      '84.3 MB',
      '1.50 GB',
    ]);
    assert.deepEqual([0, 999, 999.6, 59_949, 59_951, 84_000, 3_600_000].map(formatMs), [
      '0 ms',
      '999 ms',
      '1.0 s',
      '59.9 s',
      '1 min 0 s',
      '1 min 24 s',
      '60 min 0 s',
    ]);
    assert.deepEqual([-5, 59_000, 60_000, 3_600_000, 90_000_000].map(formatAge), [
      '0 s',
      '59 s',
      '1 min',
      '1 h',
      '1 d',
    ]);
  });
});
