import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { it } from 'node:test';
import { parseArguments } from '../../../src/cli/arguments';
import { removeCommand } from '../../../src/cli/commands/remove';
import { Interrupt } from '../../../src/cli/interrupt';
import { Output } from '../../../src/cli/output';
import type { Session } from '../../../src/cli/session';
import { toDeployError } from '../../../src/model';
import { FakeScreen } from './screen';

/** What `remove shop` ends with when its question is answered with no, or with Ctrl-C. */
async function codeOf(answer: (interrupt: Interrupt) => void): Promise<unknown> {
  const output = new Output(new FakeScreen(), new FakeScreen(), {});
  const interrupt = new Interrupt(output, () => undefined, true);
  const questions = {
    confirm: () => {
      answer(interrupt);
      return Promise.resolve(false);
    },
  };
  const session = { output, questions, signal: interrupt.signal, folder: tmpdir(), environment: {}, subject: {} };
  const command = parseArguments(['remove', 'shop', '--host', 'prod']);
  assert.ok(command.command === 'remove');
  return removeCommand(session as unknown as Session, command).catch((error: unknown) => toDeployError(error).code);
}

it('remove that is not confirmed is a wrong use, and one that is cut by Ctrl-C a cancel', async () => {
  assert.equal(await codeOf(() => undefined), 'usage');
  assert.equal(await codeOf((interrupt) => interrupt.trigger()), 'cancelled');
});
