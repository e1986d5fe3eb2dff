/**
 * Rows of the table that were run, kept between runs: one JSON line each, the latest of a row counts. A row belongs to
 * the program that it was run with, so that no table is put together from rows of different ones.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Stage } from '../../src/model';
import type { Row } from './table';

const root = path.join(import.meta.dirname, '../..');
const FILE = path.join(root, 'test-results/faults.jsonl');

type KeptRow = Row & { readonly program: string };

/** Tells one build of the program from another. */
export function builtProgram(): string {
  const bundle = readFileSync(path.join(root, 'dist/cli.js'));
  return createHash('sha256').update(bundle).digest('hex').slice(0, 16);
}

export function keepRow(row: Row, program: string): void {
  mkdirSync(path.dirname(FILE), { recursive: true });
  const kept: KeptRow = { ...row, program };
  appendFileSync(FILE, `${JSON.stringify(kept)}\n`);
}

export function keptRows(program: string): Row[] {
  const lines = existsSync(FILE) ? readFileSync(FILE, 'utf8').split('\n').filter(Boolean) : [];
  const rows = lines.map((line) => JSON.parse(line) as KeptRow).filter((row) => row.program === program);
  return [...new Map(rows.map((row) => [`${row.fault} at ${row.stage}`, row])).values()];
}

export function hasPassed(rows: readonly Row[], fault: string, stage: Stage): boolean {
  return rows.some((row) => row.fault === fault && row.stage === stage && row.wrong === undefined);
}
