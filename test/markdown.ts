/** Parts of documents that programs write. */
import { readFileSync, writeFileSync } from 'node:fs';

export function table(head: readonly string[], cells: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}

/** Puts a text between the marks `<!-- name -->` and `<!-- /name -->` of a document. Throws when they are not there. */
export function replaceMarked(file: string, name: string, text: string): void {
  const { before, begin, end, after } = aroundMarks(file, name);
  writeFileSync(file, `${before}${begin}\n\n${text}\n\n${end}${after}`);
}

/** The rows between the marks of a document, each as its cells, the head and the line below it left out. */
export function markedRows(file: string, name: string): string[][] {
  const lines = aroundMarks(file, name)
    .within.split('\n')
    .filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

interface Marked {
  readonly before: string;
  readonly begin: string;
  readonly within: string;
  readonly end: string;
  readonly after: string;
}

function aroundMarks(file: string, name: string): Marked {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [before, within, after] = readFileSync(file, 'utf8').split(new RegExp(`${begin}([^]*)${end}`));
  if (before === undefined || within === undefined || after === undefined) {
    throw new Error(`${file} has no place for this text: ${begin} … ${end}.`);
  }
  return { before, begin, within, end, after };
}
