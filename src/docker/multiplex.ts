import { StringDecoder } from 'node:string_decoder';

export type OutputStream = 'stdout' | 'stderr';

export interface OutputChunk {
  readonly stream: OutputStream;
  readonly data: Buffer;
}

/**
 * Takes apart the stream of a container without a terminal: frames with a header of 8 bytes, the first of which names
 * the stream, the last four its length (Docker Engine API, "Attach to a container"). A container with a terminal sends
 * plain bytes, all of them `stdout`.
 */
export async function* demultiplex(source: AsyncIterable<unknown>, tty: boolean): AsyncGenerator<OutputChunk> {
  const header = Buffer.alloc(8);
  let headerBytes = 0;
  let left = 0;
  for await (const piece of source) {
    let data = Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece));
    if (tty) {
      yield { stream: 'stdout', data };
      continue;
    }
    while (data.length > 0) {
      if (left === 0) {
        const taken = data.copy(header, headerBytes);
        headerBytes += taken;
        data = data.subarray(taken);
        if (headerBytes === 8) {
          left = header.readUInt32BE(4);
          headerBytes = 0;
        }
      } else {
        const part = data.subarray(0, left);
        left -= part.length;
        data = data.subarray(part.length);
        yield { stream: header[0] === 2 ? 'stderr' : 'stdout', data: part };
      }
    }
  }
}

/** Cuts one output stream into lines; of a longer line than `maxLength` characters the rest is left out. */
export class LineCutter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #maxLength: number;
  #line = '';
  #cut = false;

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** The lines that `data` completes. */
  push(data: Buffer): string[] {
    const pieces = this.#decoder.write(data).split('\n');
    const last = pieces.pop() ?? '';
    const lines = pieces.map((piece) => this.#take(piece));
    this.#add(last);
    return lines;
  }

  /** What is left after the stream's end, if anything. */
  end(): string[] {
    this.#add(this.#decoder.end());
    return this.#line === '' ? [] : [this.#take('')];
  }

  #take(piece: string): string {
    this.#add(piece);
    const line = this.#cut ? `${this.#line}…` : this.#line.replace(/\r$/, '');
    this.#line = '';
    this.#cut = false;
    return line;
  }

  #add(piece: string): void {
    const room = this.#maxLength - this.#line.length;
    this.#cut ||= piece.length > room;
    this.#line += piece.slice(0, Math.max(0, room));
  }
}
