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
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [before, after] = readFileSync(file, 'utf8').split(new RegExp(`${begin}[^]*${end}`));
  if (before === undefined || after === undefined) {
    throw new Error(`${file} has no place for this text: ${begin} … ${end}.`);
  }
  writeFileSync(file, `${before}${begin}\n\n${text}\n\n${end}${after}`);
}
