import { Transform, type TransformCallback } from 'node:stream';

export interface Taken {
  /** Bytes so far. */
  readonly bytes: number;
  /** Milliseconds so far in which nothing was taken although something was there. */
  readonly waitedMs: number;
}

/** Passes bytes on, counts them, and measures how long they had to wait for whoever takes them. */
export class Meter extends Transform implements Taken {
  bytes = 0;
  waitedMs = 0;
  readonly #onChange: (meter: Meter) => void;
  #fullSince: number | undefined;

  /** @param onChange called with every piece, and when there is room again. */
  constructor(onChange: (meter: Meter) => void) {
    super();
    this.#onChange = onChange;
  }

  /** True while bytes wait for whoever takes them; otherwise it is their source that is waited for. */
  get full(): boolean {
    return this.#fullSince !== undefined;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    if (!this.push(chunk)) {
      this.#fullSince = performance.now();
    }
    this.#onChange(this);
    done();
  }

  /** Called when there is room again. */
  override _read(size: number): void {
    if (this.#fullSince !== undefined) {
      this.waitedMs += performance.now() - this.#fullSince;
      this.#fullSince = undefined;
      this.#onChange(this);
    }
    super._read(size);
  }
}
