import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { Output } from '../../../src/cli/output';
import { TerminalQuestions } from '../../../src/cli/questions';
import type { HostKeyQuestion } from '../../../src/model';
import { FakeScreen } from './screen';

const KEY: HostKeyQuestion = { host: 'prod.example', port: 22, keyType: 'ssh-ed25519', fingerprint: 'SHA256:abc' };

/** A terminal in which somebody types, and what they see. */
class Desk {
  readonly input = Object.assign(new PassThrough(), { isTTY: true });
  readonly screen = Object.assign(new PassThrough(), { isTTY: true });
  readonly abort = new AbortController();
  interrupts = 0;
  seen = '';

  constructor(isTTY = true) {
    this.input.isTTY = isTTY;
    this.screen.on('data', (chunk: Buffer) => {
      this.seen += chunk.toString();
    });
  }

  questions(yes = false): TerminalQuestions {
    const output = new Output(new FakeScreen(), new FakeScreen(), {});
    return new TerminalQuestions({ input: this.input, output: this.screen }, output, () => this.interrupts++, yes);
  }

  type(text: string): void {
    this.input.write(text);
  }
}

describe('questions in a terminal', () => {
  it('an unknown host key is trusted with a full yes only', async () => {
    for (const [typed, trusted] of [
      ['yes\n', true],
      ['YES \n', true],
      ['y\n', false],
      ['\n', false],
      ['no\n', false],
    ] as const) {
      const desk = new Desk();
      const answer = desk.questions().trustHostKey(KEY, desk.abort.signal);
      desk.type(typed);
      assert.equal(await answer, trusted, JSON.stringify(typed));
      assert.match(desk.seen, /prod\.example \(port 22\)/);
      assert.match(desk.seen, /ssh-ed25519 key has the fingerprint SHA256:abc/);
    }
  });

  it('a secret is never shown', async () => {
    const desk = new Desk();
    const answer = desk.questions().passphrase('/keys/id', true, desk.abort.signal);
    desk.type('hush hush\n');
    assert.equal(await answer, 'hush hush');
    assert.match(desk.seen, /not right\. Passphrase of \/keys\/id: /);
    assert.doesNotMatch(desk.seen, /hush/);
  });

  it('asks only when the terminal no longer repeats what is typed', async () => {
    const desk = new Desk();
    const modes: [raw: boolean, seenSoFar: string][] = [];
    const setRawMode = (raw: boolean): void => {
      modes.push([raw, desk.seen]);
    };
    Object.assign(desk.input, { setRawMode });
    const answer = desk.questions().passphrase('/keys/id', false, desk.abort.signal);
    desk.type('hush\n');
    assert.equal(await answer, 'hush');
    assert.deepEqual(modes[0], [true, '']);
    assert.equal(modes.at(-1)?.[0], false);
  });

  it('asks for a password in the words of the server, without its control characters', async () => {
    const desk = new Desk();
    const answer = desk.questions().password('prod', 'One-time\u001b[2J code: ', desk.abort.signal);
    desk.type('123456\n');
    assert.equal(await answer, '123456');
    assert.match(desk.seen, /^prod: One-time code: \n?/);
  });

  it('Ctrl-C is no answer, and is passed on', async () => {
    const desk = new Desk();
    const answer = desk.questions().passphrase('/keys/id', false, desk.abort.signal);
    desk.type('\u0003');
    assert.equal(await answer, undefined);
    assert.equal(desk.interrupts, 1);
  });

  it('Ctrl-D and a cancelled run are no answer', async () => {
    const desk = new Desk();
    const questions = desk.questions();
    const first = questions.passphrase('/keys/id', false, desk.abort.signal);
    desk.type('\u0004');
    assert.equal(await first, undefined);
    const second = questions.confirm('Really?', 'Remove', desk.abort.signal);
    desk.abort.abort();
    assert.equal(await second, false);
    assert.equal(await questions.confirm('Really?', 'Remove', desk.abort.signal), false);
    assert.equal(desk.interrupts, 0);
  });

  it('--yes confirms, but trusts no key', async () => {
    const desk = new Desk(false);
    assert.equal(await desk.questions(true).confirm('Really?', 'Remove', desk.abort.signal), true);
    assert.equal(await desk.questions(true).trustHostKey(KEY, desk.abort.signal), false);
  });

  it('without a terminal there is no answer', async () => {
    const desk = new Desk(false);
    const questions = desk.questions();
    assert.equal(await questions.trustHostKey(KEY, desk.abort.signal), false);
    assert.equal(await questions.confirm('Really?', 'Remove', desk.abort.signal), false);
    assert.equal(await questions.passphrase('/keys/id', false, desk.abort.signal), undefined);
    assert.equal(await questions.password('prod', 'Password:', desk.abort.signal), undefined);
    assert.equal(desk.seen, '');
  });
});
