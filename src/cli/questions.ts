/** The engine's questions, asked in a terminal. Without one there is no answer, and the engine stops. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { HostKeyQuestion, Questions } from '../model';
import type { Output } from './output';
import { plainLine } from './style';

/** What is needed of the terminal. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export class TerminalQuestions implements Questions {
  readonly #terminal: Terminal;
  readonly #output: Output;
  readonly #interrupt: () => void;
  readonly #yes: boolean;

  /** `yes`: confirmations are answered with yes. An unknown host key is never accepted that way. */
  constructor(terminal: Terminal, output: Output, interrupt: () => void, yes: boolean) {
    this.#terminal = terminal;
    this.#output = output;
    this.#interrupt = interrupt;
    this.#yes = yes;
  }

  async trustHostKey(question: HostKeyQuestion, signal: AbortSignal): Promise<boolean> {
    const { host, port, keyType, fingerprint } = question;
    const prompt = [
      `The host ${host} (port ${port}) is not known yet.`,
      `Its ${keyType} key has the fingerprint ${fingerprint}.`,
      'Trust it and remember it? (yes/no) ',
    ];
    return this.#agrees(prompt.map(plainLine).join('\n'), signal, ['yes']);
  }

  passphrase(keyFile: string, retry: boolean, signal: AbortSignal): Promise<string | undefined> {
    const again = retry ? 'That was not right. ' : '';
    return this.#ask(plainLine(`${again}Passphrase of ${keyFile}: `), signal, true);
  }

  password(host: string, prompt: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#ask(`${plainLine(`${host}: ${prompt.trim()}`)} `, signal, true);
  }

  async confirm(message: string, action: string, signal: AbortSignal): Promise<boolean> {
    return this.#yes || this.#agrees(plainLine(`${message} ${action}? (yes/no) `), signal, ['yes', 'y']);
  }

  async #agrees(prompt: string, signal: AbortSignal, words: readonly string[]): Promise<boolean> {
    const answer = await this.#ask(prompt, signal, false);
    return answer !== undefined && words.includes(answer.trim().toLowerCase());
  }

  /** The line typed; undefined without a terminal, at Ctrl-C, at its end (Ctrl-D) and when the signal is aborted. */
  async #ask(prompt: string, signal: AbortSignal, hidden: boolean): Promise<string | undefined> {
    const { input, output } = this.#terminal;
    if (input.isTTY !== true || output.isTTY !== true || signal.aborted) {
      return undefined;
    }
    return this.#output.undisturbed(
      () =>
        new Promise((resolve) => {
          // Readline would repeat what is typed: for a secret it writes into the void.
          const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
          const lines = createInterface({ input, output: hidden ? silent : output, terminal: true });
          // Only now does the terminal itself no longer repeat what is typed.
          output.write(prompt);
          lines.setPrompt(hidden ? '' : (prompt.split('\n').at(-1) ?? ''));
          let ended = false;
          const end = (answer: string | undefined): void => {
            if (ended) {
              return; // Closing is an end of its own.
            }
            ended = true;
            signal.removeEventListener('abort', onAbort);
            lines.close();
            if (hidden || answer === undefined) {
              output.write('\n');
            }
            resolve(answer);
          };
          const onAbort = (): void => end(undefined);
          signal.addEventListener('abort', onAbort, { once: true });
          lines.once('line', end);
          lines.once('SIGINT', () => {
            end(undefined);
            this.#interrupt();
          });
          lines.once('close', () => end(undefined));
        }),
    );
  }
}
