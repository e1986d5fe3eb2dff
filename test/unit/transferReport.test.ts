import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokenClaims, type Row } from '../bench/transferReport';

const MEGABYTES = 1_000_000;
const ways = {
  pipeline: 'save | gzip | ssh | load',
  registry: 'registry through ssh',
  zstd: 'ours, zstd',
  gzip: 'ours, gzip',
};

function row(what: string, way: keyof typeof ways, bytes: number, peakBytes?: number): Row {
  const ours = way === 'zstd' || way === 'gzip';
  return { line: 'slow', builder: 'Docker 28.5', what, way: ways[way], ours, bytes, seconds: 1, peakBytes };
}

test('a claim of the transfer that does not hold is named', () => {
  const first = [row('first deployment', 'pipeline', 50e6), row('first deployment', 'registry', 50e6)];
  const line = [row('one line changed', 'pipeline', 50e6), row('one line changed', 'registry', 20e3)];
  const good = [
    ...first,
    row('first deployment', 'zstd', 50e6, 199 * MEGABYTES),
    row('first deployment', 'gzip', 51e6),
    ...line,
    row('one line changed', 'zstd', 20e3),
    row('2 GB image', 'zstd', 2e9, 199 * MEGABYTES),
  ];
  assert.deepEqual(brokenClaims(good), []);
  const begin = 'slow line, built by Docker 28.5,';
  assert.deepEqual(
    brokenClaims([
      ...first,
      row('first deployment', 'zstd', 50e6 + 1),
      ...line,
      row('one line changed', 'zstd', 20e3 + 1),
      row('one line changed', 'gzip', 50e3 + 1),
      row('2 GB image', 'zstd', 2e9, 200 * MEGABYTES),
    ]),
    [
      `${begin} first deployment: ours, zstd takes more bytes than the registry`,
      `${begin} one line changed: ours, zstd takes more bytes than the registry`,
      `${begin} one line changed: ours, gzip takes more than 1/1000 of the pipeline's bytes`,
      `${begin} one line changed: ours, gzip takes more bytes than the registry`,
      `${begin} 2 GB image: ours, zstd takes 200 MB of memory`,
    ],
  );
});
