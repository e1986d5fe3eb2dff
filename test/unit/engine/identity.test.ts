import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { newDeploymentId, readCommit, releaseName, releaseTime } from '../../../src/engine/identity';

const signal = new AbortController().signal;

test('a release is named after its time, commit and deployment, valid as an image tag', () => {
  const name = releaseName(new Date('2026-11-22T20:45:01.234Z'), '1a2b3c4d5e', '9f3c51ab02de');
  assert.equal(name, '20261122-204501-1a2b3c4d5e-9f3c');
  assert.match(name, /^\w[\w.-]{0,127}$/);
  assert.equal(releaseName(new Date('2026-11-22T20:45:01Z'), undefined, '9f3c51ab02de'), '20261122-204501-9f3c');
  assert.equal(releaseTime(name), Date.UTC(2026, 10, 22, 20, 45, 1));
  assert.equal(releaseTime('latest'), 0);
});

test('deployments have ids of their own', () => {
  const ids = new Set(Array.from({ length: 100 }, newDeploymentId));
  assert.equal(ids.size, 100);
  assert.match([...ids][0] ?? '', /^[0-9a-f]{12}$/);
});

test('the commit and uncommitted changes are read, and a folder without git is fine', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'blue-green-git-'));
  try {
    assert.equal(await readCommit(folder, signal), undefined);
    const git = (...args: string[]): void => {
      execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { stdio: 'pipe' });
    };
    git('init', '-q');
    writeFileSync(path.join(folder, 'a'), '1');
    git('add', '.');
    git('commit', '-qm', 'one');
    const clean = await readCommit(folder, signal);
    assert.match(clean?.commit ?? '', /^[0-9a-f]{10}$/);
    assert.equal(clean?.dirty, false);
    writeFileSync(path.join(folder, 'a'), '2');
    assert.equal((await readCommit(folder, signal))?.dirty, true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
