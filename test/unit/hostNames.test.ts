import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostLabel, liveSentence } from '../../src/hostNames';

test("this machine's own engine is not called by its short name in a sentence", () => {
  assert.equal(hostLabel('prod'), 'prod');
  assert.equal(hostLabel('local'), 'this machine');
  assert.equal(liveSentence('shop', 'BLUE', 'prod'), 'BLUE is live at prod.');
  assert.equal(liveSentence('shop', 'BLUE', 'local'), 'BLUE is live on this machine.');
  assert.equal(liveSentence('shop', undefined, 'prod'), 'No slot of shop is live at prod.');
  assert.equal(liveSentence('shop', undefined, 'local'), 'No slot of shop is live on this machine.');
});
