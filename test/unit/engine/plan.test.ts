import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envChanges } from '../../../src/engine/stages/plan';

test("environment: names that come, change and go; the image's own are none of them", () => {
  const changes = envChanges({ A: '1', B: 'new', D: '4' }, ['PATH=/bin', 'A=1', 'B=old', 'C=3'], ['A', 'B', 'C']);
  assert.deepEqual(changes, { added: ['D'], changed: ['B'], removed: ['C'] });
});

test('of a slot that another tool made nothing is claimed', () => {
  assert.deepEqual(envChanges({ A: '1' }, ['B=2'], undefined), { added: [], changed: [], removed: [] });
});
