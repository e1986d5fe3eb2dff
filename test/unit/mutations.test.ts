import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { STAGES } from '../../src/model';
import { broken, fileOf, mutations } from '../mutations/mutations';

const root = path.dirname(path.dirname(import.meta.dirname));

test('there is a mistake for each stage, it finds its place, and the test that guards it is there', () => {
  assert.deepEqual([...new Set(mutations.map(({ stage }) => stage))], STAGES);
  for (const mutation of mutations) {
    const text = readFileSync(path.join(root, fileOf(mutation)), 'utf8');
    assert.notEqual(broken(text, mutation), text);
    const { file, name } = mutation.guard;
    assert.ok(readFileSync(path.join(root, file), 'utf8').includes(name), `${file} has no test ${name}`);
  }
});
