/** Streams that remember what was written to them. */
import type { Screen } from '../../../src/cli/output';

export class FakeScreen implements Screen {
  readonly isTTY: boolean;
  readonly columns = 60;
  text = '';
  #onError: ((error: NodeJS.ErrnoException) => void) | undefined;

  constructor(isTTY = false) {
    this.isTTY = isTTY;
  }

  write(text: string): boolean {
    this.text += text;
    return true;
  }

  on(_event: 'error', listener: (error: NodeJS.ErrnoException) => void): this {
    this.#onError = listener;
    return this;
  }

  /** As when the reader of a pipe has gone away. */
  fail(): void {
    this.#onError?.(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  }
}
