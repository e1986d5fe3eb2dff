import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unifiedDiff } from '../../../src/nginx/diff';
import { DEAD_AFTER_MS, SILENT_AT_MOST_MS } from '../../../src/engine/lock';
import { BEGIN_WITHIN_SECONDS, parseVerdict, procNetAddress } from '../../../src/nginx/proxy';

test('addresses are written as /proc/net/tcp writes them', () => {
  assert.equal(procNetAddress('172.18.0.3'), '030012AC');
  assert.equal(procNetAddress('127.0.0.1'), '0100007F');
});

test('the verdict of a switch is the last word of its output', () => {
  assert.deepEqual(parseVerdict('\nverdict switched\n', ''), { kind: 'switched' });
  assert.deepEqual(parseVerdict('unknown directive "foo"\n\nverdict refused\n', ''), {
    kind: 'refused',
    output: 'unknown directive "foo"',
  });
  assert.equal(parseVerdict('', 'killed').kind, 'broken');
  assert.equal(parseVerdict('verdict maybe\n', '').kind, 'broken');
});

test('a switch whose deployer died cannot begin any more when its lock is taken over', () => {
  assert.ok(SILENT_AT_MOST_MS + BEGIN_WITHIN_SECONDS * 1_000 < DEAD_AFTER_MS);
});

test('a diff shows what changes and nothing when nothing does', () => {
  assert.equal(unifiedDiff('a\nb\n', 'a\nb\n'), '');
  assert.equal(unifiedDiff('a\nb\n', 'a\nc\n'), '@@ -1,2 +1,2 @@\n a\n-b\n+c');
  assert.equal(unifiedDiff('', 'a\n'), '@@ -0,0 +1,1 @@\n+a');
});
