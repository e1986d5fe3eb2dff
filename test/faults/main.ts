/**
 * `npm run test:faults`: every fault at every stage, on engines 20.10, 26.1 and 28.5 at once. Arguments choose rows
 * whose name contains one of them (`killed`, `SSH`, `disk`). Writes the table to docs/FAULTS.md with `--write`. Ends
 * with 1 when a row is not as it should be.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Stage } from '../../src/model';
import { mustRun } from '../machines/command';
import { type DockerVersion, proxyImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { type Fault, faults } from './faults';
import { describeTable, markdown } from './report';
import { Patient, type Row, type Way } from './table';

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
/** Enough for the images of a test, little enough to be filled in no time. */
const DISK = '500m';

interface Case {
  readonly fault: Fault;
  readonly stage: Stage;
  readonly way: Way;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { write: { type: 'boolean' } }, allowPositionals: true });
  const chosen = faults.filter(({ name }) => positionals.length === 0 || positionals.some((it) => name.includes(it)));
  const cases = chosen.flatMap((fault) =>
    fault.stages.map((stage, index): Case => ({ fault, stage, way: index % 2 === 0 ? 'repair' : 'deploy' })),
  );
  await mustRun(process.execPath, [path.join(root, 'esbuild.mjs'), '--production']);
  const lab = await startLab();
  let rows: Row[];
  try {
    await lab.images(proxyImage, tinyImage);
    const onDisk = cases.filter(({ fault }) => fault.needsDisk === true);
    const others = cases.filter(({ fault }) => fault.needsDisk !== true);
    // One queue for all hosts: a fast engine takes more.
    const work = [
      ...(onDisk.length > 0 ? [lane(lab, '26.1', onDisk, DISK)] : []),
      ...(others.length > 0 ? (['28.5', '20.10'] as const).map((engine) => lane(lab, engine, others)) : []),
    ];
    rows = (await Promise.all(work)).flat();
  } finally {
    await lab.stop();
  }
  const order = (row: Row): number => faults.findIndex(({ name }) => name === row.fault);
  rows.sort((a, b) => order(a) - order(b));
  console.log(describeTable(rows));
  if (values.write === true) {
    writeFileSync(path.join(root, 'docs/FAULTS.md'), markdown(rows));
  }
  process.exitCode = rows.length === cases.length && rows.every(({ wrong }) => wrong === undefined) ? 0 : 1;
}

/** Takes cases off the queue until it is empty. */
async function lane(lab: Lab, engine: DockerVersion, queue: Case[], disk?: string): Promise<Row[]> {
  const name = `faults-${engine.replace('.', '')}${disk === undefined ? '' : '-disk'}`;
  const host = await (await lab.host({ engine, name, ...(disk !== undefined && { disk }) })).dockerReady();
  await host.load(proxyImage);
  const patient = await Patient.admit(lab, host);
  const rows: Row[] = [];
  try {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const row = await patient.suffer(next.fault, next.stage, next.way);
      rows.push(row);
      console.error(`[faults] ${engine} ${describeTable([row])}`);
    }
  } finally {
    patient.discharge();
  }
  return rows;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
