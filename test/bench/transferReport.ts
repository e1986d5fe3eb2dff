/** What `npm run bench:transfer` measured, as text. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { replaceMarked, table } from '../markdown';

/** One case by one way: the median of its runs, and the most memory of all of them. */
export interface Row {
  readonly line: string;
  /** Who has built the image. */
  readonly builder: string;
  readonly what: string;
  readonly way: string;
  readonly ours: boolean;
  readonly bytes: number;
  readonly seconds: number;
  readonly peakBytes: number | undefined;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** The table, and where another way is better than ours. */
export function report(rows: readonly Row[]): string {
  const sorted = groups(rows).flat();
  const cells = sorted.map(({ line, builder, what, way, bytes, seconds, peakBytes }) => [
    line,
    builder,
    what,
    way.replaceAll('|', '\\|'),
    kilobytes(bytes),
    `${seconds.toFixed(2)} s`,
    peakBytes === undefined ? '' : `${Math.round(peakBytes / 1e6)} MB`,
  ]);
  const head = ['line', 'built by', 'case', 'way', 'on the wire', 'time', 'our memory'];
  const better = groups(rows).flatMap(compare);
  return [
    table(head, cells),
    better.length === 0
      ? 'Ours is behind in no row.'
      : ['Ours is behind here:', '', ...better.map((it) => `- ${it}`)].join('\n'),
  ].join('\n\n');
}

/** Bytes of memory that our process stays below, whatever the image. */
const MEMORY_LIMIT = 200_000_000;

/** What is claimed of our way and these rows do not bear out, a sentence for each. */
export function brokenClaims(rows: readonly Row[]): string[] {
  return groups(rows).flatMap((group) => {
    const bytesBy = (way: string): number => group.find((row) => row.way.startsWith(way))?.bytes ?? Infinity;
    const [pipeline, registry] = [bytesBy('save'), bytesBy('registry')];
    return group
      .filter(({ ours }) => ours)
      .flatMap(({ line, builder, what, way, bytes, peakBytes = 0 }) => {
        const broken = [
          what === 'one line changed' && bytes > pipeline / 1000 && `more than 1/1000 of the pipeline's bytes`,
          what === 'one line changed' && bytes > registry && `more bytes than the registry`,
          what === 'first deployment' && way.includes('zstd') && bytes > registry && `more bytes than the registry`,
          peakBytes >= MEMORY_LIMIT && `${Math.round(peakBytes / 1e6)} MB of memory`,
        ].filter((it) => it !== false);
        return broken.map((it) => `${line} line, built by ${builder}, ${what}: ${way} takes ${it}`);
      });
  });
}

/** Puts the report into docs/MEASURED.md. */
export function writeReport(rows: readonly Row[]): void {
  const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
  replaceMarked(path.join(root, 'docs/MEASURED.md'), 'transfer', report(rows));
}

/** Rows of one case on one line beside each other. */
function groups(rows: readonly Row[]): Row[][] {
  const byCase = new Map<string, Row[]>();
  for (const row of rows) {
    const key = [row.line, row.builder, row.what].join('\n');
    byCase.set(key, [...(byCase.get(key) ?? []), row]);
  }
  return [...byCase.values()];
}

/** Sentences for whatever another way does with less time or fewer bytes. */
function compare(rows: readonly Row[]): string[] {
  const others = rows.filter(({ ours }) => !ours);
  return rows
    .filter(({ ours }) => ours)
    .flatMap((own) =>
      others.flatMap((other) => {
        const behind = [
          ...(own.seconds > other.seconds ? [`${(own.seconds - other.seconds).toFixed(2)} s`] : []),
          ...(own.bytes > other.bytes ? [kilobytes(own.bytes - other.bytes)] : []),
        ];
        const where = `${own.line} line, built by ${own.builder}, ${own.what}`;
        return behind.length === 0 ? [] : [`${where}: ${own.way} takes ${behind.join(' and ')} more than ${other.way}`];
      }),
    );
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e6 ? 1 : 0 })} KB`;
}
