/** A few rows of the table of faults (`npm run test:faults` runs all of them), one for each way a run can break. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { FindingCode, Stage } from '../../src/model';
import { faults } from '../faults/faults';
import { describeTable } from '../faults/report';
import { Patient, type Way } from '../faults/table';
import { someOf } from '../long';
import { tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';

let lab: Lab;
let patient: Patient;

before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  const host = await (await lab.host({ engine: '28.5', prepared: true, disk: 'lasting' })).dockerReady();
  patient = await Patient.admit(lab, host, '28.5');
});
after(async () => {
  patient.discharge();
  await lab.stop();
});

describe('a fault leaves a state that has a name, and no request is lost', () => {
  const rows: readonly [fault: string, stage: Stage, way: Way, named: readonly FindingCode[]][] = [
    ['deployer killed', 'probe', 'repair', ['locked', 'interrupted']],
    ['deployer killed', 'drain', 'deploy', ['locked', 'both-up', 'interrupted']],
    ["the service's nginx file corrupted", 'drain', 'repair', ['conf-refused', 'conf-edited']],
    ['deployer asleep while another one takes over', 'switch', 'repair', []],
  ];
  for (const [name, stage, way, named] of someOf(rows, ([, stage]) => stage === 'drain')) {
    test(`${name} at ${stage}, then ${way}`, async () => {
      const fault = faults.find((it) => it.name === name) ?? assert.fail(`no fault is named ${name}`);
      const row = await patient.suffer(fault, stage, way);
      assert.equal(row.wrong, undefined, describeTable([row]));
      for (const code of named) {
        assert.ok(row.named.includes(code), `${code} is not among ${row.named.join(', ')}`);
      }
    });
  }
});
