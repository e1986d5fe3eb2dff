/**
 * Runs test files in the order in which they are named, as `node --test` does in the order of their names. Arguments: how
 * many at a time, the minutes one may take, where the report goes (TAP), and the files. Says at the end which files took
 * longest: they decide how long the whole takes.
 */
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { spec, tap } from 'node:test/reporters';

/** How many files are named at the end. */
const NAMED = 12;

const [concurrency, minutes, report = '', ...files] = process.argv.slice(2);

/** Milliseconds by file. What is done before and after its tests is not in it. */
const took = new Map<string, number>();

/** Without it the processes of the files would outlive this one. */
const ended = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => ended.abort());
}

const timeout = Number(minutes) * 60_000;
const stream = run({ files, concurrency: Number(concurrency), timeout, signal: ended.signal });
stream.once('test:fail', () => (process.exitCode = 1));
const add = (test: { file?: string; nesting: number; details: { duration_ms: number } }): void => {
  if (test.file !== undefined && test.nesting === 0) {
    took.set(test.file, (took.get(test.file) ?? 0) + test.details.duration_ms);
  }
};
stream.on('test:pass', add);
stream.on('test:fail', add);
stream.once('end', () => {
  const longest = [...took].sort(([, a], [, b]) => b - a).slice(0, NAMED);
  const inWords = longest.map(([file, ms]) => `${path.basename(file, '.test.ts')} ${Math.round(ms / 1000)} s`);
  console.error(`[test] ${files.length} files, the longest: ${inWords.join(', ')}`);
});
stream.compose(tap).pipe(createWriteStream(report));
stream.pipe(new spec()).pipe(process.stdout);
