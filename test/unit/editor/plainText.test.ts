import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainText, terminalText } from '../../../src/editor/plainText';

test('plain text has no escape sequences, titles or control characters', () => {
  assert.equal(plainText('\u001b[31mred\u001b[0m'), 'red');
  assert.equal(plainText('\u001b]0;title\u0007text'), 'text');
  assert.equal(plainText('\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\'), 'link');
  assert.equal(plainText('a\u0000b\u0008c\u009b1mz'), 'abcz');
  assert.equal(plainText('tab\tand\nline'), 'tab\tand\nline');
});

test('of a line that draws over itself the last drawing stays', () => {
  assert.equal(plainText('10%\r50%\r100%'), '100%');
  assert.equal(plainText('windows line\r\nnext\r'), 'windows line\nnext');
});

test('a terminal keeps colours and loses all that moves, titles or asks', () => {
  assert.equal(terminalText('\u001b[1;31mred\u001b[0m'), '\u001b[1;31mred\u001b[0m');
  assert.equal(terminalText('\u001b[2J\u001b[Hgone'), 'gone');
  assert.equal(terminalText('\u001b]0;title\u0007\u001b[6ntext'), 'text');
  assert.equal(terminalText('\u001b]633;E;rm -rf;\u0007ok'), 'ok');
  assert.equal(terminalText('bell\u0007 and return\r'), 'bell and return');
});
