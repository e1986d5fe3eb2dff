/**
 * `npm run test:faults`: every fault at every stage, each on whichever of the hosts with engines 28.5 and 20.10 is free,
 * those that need a small disk on one with 26.1. Arguments choose faults whose name contains one of them (`killed`, `SSH`, `disk`), `--stage` stages. `--minutes` begins no row after so long,
 * `--continue` leaves out rows that an earlier run of the same program has seen pass: so the table can be made in
 * slices. `--write` puts the rows of all of them into docs/FAULTS.md and the short table into the README. Ends with 1
 * when a row is not as it should be, or has not been run.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Stage, STAGES } from '../../src/model';
import { mustRun } from '../machines/command';
import { type DockerVersion, tinyImage } from '../machines/images';
import type { HostOptions } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { type Fault, faults } from './faults';
import { describeTable, writeTables } from './report';
import { builtProgram, hasPassed, keepRow, keptRows } from './rows';
import { Patient, type Row, type Way } from './table';

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
/** Enough for the images of a test, little enough to be filled in no time. */
const DISK = '500m';

interface Case {
  readonly fault: Fault;
  readonly stage: Stage;
  readonly way: Way;
}

/** Those that all rows without a disk of their own are run on. */
const ENGINES: readonly DockerVersion[] = ['28.5', '20.10'];

const CASES = faults.flatMap((fault) =>
  STAGES.map((stage, index): Case => ({ fault, stage, way: index % 2 === 0 ? 'repair' : 'deploy' })),
);

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      stage: { type: 'string', multiple: true },
      minutes: { type: 'string' },
      continue: { type: 'boolean' },
      write: { type: 'boolean' },
    },
    allowPositionals: true,
  });
  await mustRun(process.execPath, [path.join(root, 'esbuild.mjs'), '--production']);
  const program = builtProgram();
  const kept = values.continue === true ? keptRows(program) : [];
  const cases = CASES.filter(
    ({ fault: { name }, stage }) =>
      (positionals.length === 0 || positionals.some((it) => name.includes(it))) &&
      (values.stage === undefined || values.stage.includes(stage)) &&
      !hasPassed(kept, name, stage),
  );
  const until = values.minutes === undefined ? Infinity : performance.now() + Number(values.minutes) * 60_000;
  if (Number.isNaN(until)) {
    throw new Error('--minutes takes a number.');
  }
  const rows = cases.length === 0 ? [] : await runAll(cases, program, until);
  console.log(describeTable(inOrder(rows)));
  console.log(`${rows.length} rows run, ${cases.length - rows.length} left.`);
  if (values.write === true) {
    writeTables(root, inOrder(keptRows(program)), CASES.length);
  }
  process.exitCode = rows.length === cases.length && rows.every(({ wrong }) => wrong === undefined) ? 0 : 1;
}

async function runAll(cases: readonly Case[], program: string, until: number): Promise<Row[]> {
  const lab = await startLab();
  try {
    await lab.images(tinyImage);
    const onDisk = cases.filter(({ fault }) => fault.needsDisk === true);
    const others = cases.filter(({ fault }) => fault.needsDisk !== true);
    // One queue for all hosts: a fast engine takes more.
    const work = [
      ...(onDisk.length > 0 ? [lane(lab, '26.1', onDisk, program, until, DISK)] : []),
      ...(others.length > 0 ? ENGINES.map((engine) => lane(lab, engine, others, program, until)) : []),
    ];
    return (await Promise.all(work)).flat();
  } finally {
    await lab.stop();
  }
}

/** Takes cases off the queue until it is empty, or the time is over. */
async function lane(
  lab: Lab,
  engine: DockerVersion,
  queue: Case[],
  program: string,
  until: number,
  disk: NonNullable<HostOptions['disk']> = 'lasting',
): Promise<Row[]> {
  const name = `faults-${engine.replace('.', '')}${disk === 'lasting' ? '' : '-disk'}`;
  const host = await (await lab.host({ engine, name, prepared: true, disk })).dockerReady();
  const patient = await Patient.admit(lab, host, engine);
  const rows: Row[] = [];
  try {
    while (performance.now() < until) {
      const next = queue.shift();
      if (next === undefined) {
        break;
      }
      const row = await patient.suffer(next.fault, next.stage, next.way);
      rows.push(row);
      keepRow(row, program);
      console.error(`[faults] ${engine} ${describeTable([row])}`);
    }
  } finally {
    patient.discharge();
  }
  return rows;
}

function inOrder(rows: readonly Row[]): Row[] {
  const place = (row: Row): number =>
    CASES.findIndex(({ fault, stage }) => fault.name === row.fault && stage === row.stage);
  return [...rows].sort((a, b) => place(a) - place(b));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
