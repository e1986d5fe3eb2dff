/** The table of faults as text. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { replaceMarked, table } from '../markdown';
import type { Row } from './table';

/** One line a row, for a terminal. */
export function describeTable(rows: readonly Row[]): string {
  return rows
    .map((row) =>
      [
        row.wrong === undefined ? 'ok  ' : 'FAIL',
        `${row.fault} at ${row.stage}:`,
        `ended with ${row.code ?? 'nothing'},`,
        `${row.failed} of ${row.sent} requests failed${row.stopsSite ? ' (the fault stops the site)' : ''},`,
        `live ${row.live ?? 'none'} (was ${row.before ?? 'none'}),`,
        `named ${row.named.join(', ') || 'nothing'},`,
        `repaired by ${row.repairedBy || '-'} (${row.seconds} s)`,
        ...(row.wrong === undefined ? [] : [`\n     ${row.wrong}`]),
      ].join(' '),
    )
    .join('\n');
}

/** Writes docs/FAULTS.md, and the short table between its marks in the README. Throws when rows are missing. */
export function writeTables(root: string, rows: readonly Row[], wanted: number): void {
  if (rows.length !== wanted) {
    throw new Error(`${rows.length} of ${wanted} rows have been run: no table is written.`);
  }
  const commit = execFileSync('git', ['describe', '--always', '--abbrev=10', '--dirty', '--exclude=*'], { cwd: root });
  writeFileSync(path.join(root, 'docs/FAULTS.md'), markdown(rows, commit.toString().trim()));
  replaceMarked(path.join(root, 'README.md'), 'faults', shortTable(rows));
}

/** The whole of docs/FAULTS.md. */
function markdown(rows: readonly Row[], commit: string): string {
  const cells = rows.map((row) => [
    row.fault,
    row.stage,
    row.engine,
    row.stopsSite ? `${row.failed} of ${row.sent} ¹` : `${row.failed} of ${row.sent}`,
    liveInWords(row),
    [...new Set(row.named)].map((code) => `\`${code}\``).join(', ') || 'nothing unusual',
    row.wrong === undefined ? row.repairedBy : `**not as it should be: ${row.wrong}**`,
  ]);
  return `# Faults

Each row is one deployment under traffic, with one fault injected at the moment a stage begins, on a real host with a
real engine, whose version the row names. Afterwards \`blue-green status\` has to name the state, and \`blue-green repair\`
or the next deployment has to bring the host back to one in which there is nothing to name: the service answers, both
slots are there, no lock, no temporary container, image or file is left. All rows were run with one and the same build
of the program, that of commit \`${commit}\`. Repeat it with \`npm run test:faults -- --write\`, or in slices with \`--minutes 30 --continue --write\`;
\`npm test\` runs a few of the rows. What the codes mean: [CLI.md](CLI.md#states-and-repair).

${table(['fault', 'at', 'Docker', 'requests failed', 'live slot', 'state named', 'repaired by'], cells)}

¹ The fault itself stops what serves (a power cut, a restart of the engine or the proxy), so requests fail until it is
over, or, where the proxy is gone, until it is made again. None that is sent after that may fail; in all other rows none
at all.
`;
}

/** A line for each fault. */
function shortTable(rows: readonly Row[]): string {
  const sum = (numbers: readonly number[]): string => numbers.reduce((a, b) => a + b, 0).toLocaleString('en-US');
  const cells = [...new Set(rows.map(({ fault }) => fault))].map((fault) => {
    const own = rows.filter((row) => row.fault === fault);
    const lost = `${sum(own.map(({ failed }) => failed))} of ${sum(own.map(({ sent }) => sent))}`;
    return [
      fault,
      String(own.length),
      own.some(({ stopsSite }) => stopsSite) ? 'only while the fault lasts' : lost,
      `${own.filter(({ wrong }) => wrong === undefined).length} of ${own.length}`,
    ];
  });
  return table(['fault', 'stages', 'requests failed', 'named and repaired'], cells);
}

function liveInWords({ before, live }: Row): string {
  if (live === undefined) {
    return 'none';
  }
  return live === before ? `${live}, as before` : `${live}, before: ${before ?? 'none'}`;
}
