import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envChanges, mustBeAsRead } from '../../../src/engine/stages/plan';
import type { Plan } from '../../../src/model';
import { plan } from '../editor/samples';

test("environment: names that come, change and go; the image's own are none of them", () => {
  const changes = envChanges({ A: '1', B: 'new', D: '4' }, ['PATH=/bin', 'A=1', 'B=old', 'C=3'], ['A', 'B', 'C']);
  assert.deepEqual(changes, { added: ['D'], changed: ['B'], removed: ['C'] });
});

test('of a slot that another tool made nothing is claimed', () => {
  assert.equal(envChanges({ A: '1' }, ['B=2'], undefined), undefined);
});

test('what was read is done, and nothing else', () => {
  const isAsRead = (change: Partial<Plan>, read: Plan = plan): boolean => {
    try {
      mustBeAsRead({ ...plan, ...change }, read);
      return true;
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 'plan-changed');
      return false;
    }
  };
  // Another run, some time later, and what only a preview knows.
  const later = { deployment: '0123456789ab', release: '20261123-090000-0123', freeDiskBytes: 12_000_000_000 };
  const preview = {
    ...plan,
    toSend: { bytes: 1, layers: 1, present: 0 },
    warnings: ['The folder has changes.', 'More.'],
  };
  assert.ok(isAsRead(later));
  assert.ok(isAsRead({ ...later, warnings: ['The folder has changes.'] }, preview));
  assert.ok(isAsRead({ warnings: [] }, preview), 'what need not be warned of any more');

  const [own] = plan.files;
  assert.ok(own !== undefined);
  for (const change of [
    { live: 'GREEN', slot: 'BLUE' },
    { live: undefined },
    { proxy: 'create' },
    { publish: 8080 },
    { commit: 'fedcba9' },
    { files: [{ ...own, before: `${own.before}# by hand\n` }] },
    { files: [...plan.files, { path: '/etc/nginx/conf.d/~shop.example.conf', before: '', after: 'server;\n' }] },
    { env: { added: ['MODE'], changed: [], removed: [] } },
    { env: undefined },
    { warnings: ['The folder has changes that are not committed.'] },
  ] satisfies Partial<Plan>[]) {
    assert.equal(isAsRead(change), false, JSON.stringify(change));
  }
});
