/** Rows of the table that were run, kept between runs: one JSON line each, the latest of a row counts. */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Stage } from '../../src/model';
import type { Row } from './table';

const FILE = path.join(import.meta.dirname, '../../test-results/faults.jsonl');

export function keepRow(row: Row): void {
  mkdirSync(path.dirname(FILE), { recursive: true });
  appendFileSync(FILE, `${JSON.stringify(row)}\n`);
}

export function keptRows(): Row[] {
  const lines = existsSync(FILE) ? readFileSync(FILE, 'utf8').split('\n').filter(Boolean) : [];
  const rows = lines.map((line) => JSON.parse(line) as Row);
  return [...new Map(rows.map((row) => [`${row.fault} at ${row.stage}`, row])).values()];
}

export function hasPassed(rows: readonly Row[], fault: string, stage: Stage): boolean {
  return rows.some((row) => row.fault === fault && row.stage === stage && row.wrong === undefined);
}
