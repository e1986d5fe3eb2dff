/** The table of faults as text. */
import type { Row } from './table';

/** One line a row, for a terminal. */
export function describeTable(rows: readonly Row[]): string {
  return rows
    .map((row) =>
      [
        row.wrong === undefined ? 'ok  ' : 'FAIL',
        `${row.fault} at ${row.stage}:`,
        `${row.failed} of ${row.sent} requests failed${row.stopsSite ? ' (the fault stops the site)' : ''},`,
        `live ${row.live ?? 'none'} (was ${row.before ?? 'none'}),`,
        `named ${row.named.join(', ') || 'nothing'},`,
        `repaired by ${row.repairedBy || '-'} (${row.seconds} s)`,
        ...(row.wrong === undefined ? [] : [`\n     ${row.wrong}`]),
      ].join(' '),
    )
    .join('\n');
}

/** The whole of docs/FAULTS.md. */
export function markdown(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.fault,
    row.stage,
    row.stopsSite ? `${row.failed} of ${row.sent} ¹` : `${row.failed} of ${row.sent}`,
    liveInWords(row),
    row.named.map((code) => `\`${code}\``).join(', ') || 'nothing unusual',
    row.repairedBy,
  ]);
  const head = ['fault', 'at', 'requests failed', 'live slot', 'state named', 'repaired by'];
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return `# Faults

Each row is one deployment under traffic, with one fault injected at the moment a stage begins, on a real host with a
real engine. Afterwards \`blue-green status\` has to name the state, and \`blue-green repair\` or the next deployment has
to bring the host back to one in which there is nothing to name: the service answers, both slots are there, no lock, no
temporary container, image or file is left. Repeat it with \`npm run test:faults -- --write\`; \`npm test\` runs a few
of the rows. What the codes mean: [CLI.md](CLI.md#states-and-repair).

${[line(head), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n')}

¹ The fault itself stops what serves (a power cut, a restart of the engine or the proxy), so requests fail until it is
over. In all other rows none may fail.
`;
}

function liveInWords({ before, live }: Row): string {
  if (live === undefined) {
    return 'none';
  }
  return live === before ? 'the one before' : 'the new one';
}
