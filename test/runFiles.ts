/**
 * Runs test files in the order in which they are named, as `node --test` does in the order of their names. Arguments: how
 * many at a time, the minutes one may take, where the report goes (TAP), and the files.
 */
import { createWriteStream } from 'node:fs';
import { run } from 'node:test';
import { spec, tap } from 'node:test/reporters';

const [concurrency, minutes, report = '', ...files] = process.argv.slice(2);

const stream = run({ files, concurrency: Number(concurrency), timeout: Number(minutes) * 60_000 });
stream.once('test:fail', () => (process.exitCode = 1));
stream.compose(tap).pipe(createWriteStream(report));
stream.pipe(new spec()).pipe(process.stdout);
