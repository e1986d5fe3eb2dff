import { Readable } from 'node:stream';
import tar, { type Header, type Pack } from 'tar-stream';
import { PackedPiece } from './compression';

export type EntryHeader = Partial<Header> & Pick<Header, 'name'>;

/** An archive that is made while it is read: whoever adds entries waits for the reader, so memory holds one chunk. */
export class TarWriter {
  readonly #pack = tar.pack();
  /** The archive's bytes and packed pieces. Destroying it makes the entry under way fail. */
  readonly stream: Readable;
  /** What the entry under way consists of in the place of these bytes. */
  readonly #packed = new Map<Uint8Array, PackedPiece>();

  constructor() {
    this.stream = Readable.from(this.#chunks(), { highWaterMark: 1 });
    this.stream.once('close', () => this.#pack.destroy());
    // Its reader sees an error in any case. One that comes when nobody reads any more must not end the process.
    this.stream.on('error', () => undefined);
    this.#pack.on('error', () => undefined);
  }

  /** A directory, a link, or a file whose content is at hand. */
  add(header: EntryHeader, content?: Buffer): Promise<void> {
    return this.#open(header, content).finished;
  }

  /**
   * A file whose content comes in pieces, packed ones or not.
   * @throws what `content` throws, and Error('Size mismatch') when it is not as long as the header says.
   */
  async addStream(
    header: EntryHeader & { readonly size: number },
    content: AsyncIterable<Uint8Array | PackedPiece>,
  ): Promise<void> {
    const { sink, finished } = this.#open(header);
    for await (const chunk of content) {
      if (!sink.write(chunk instanceof PackedPiece ? this.#standIn(chunk) : chunk)) {
        await Promise.race([new Promise<void>((resolve) => sink.once('drain', resolve)), finished]);
      }
    }
    sink.end(undefined);
    await finished;
  }

  /** tar-stream counts the bytes of an entry. For a packed piece it gets some that nobody ever looks at. */
  #standIn(piece: PackedPiece): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(piece.length);
    this.#packed.set(bytes, piece);
    return bytes;
  }

  async *#chunks(): AsyncGenerator<Uint8Array | PackedPiece> {
    for await (const chunk of this.#pack as AsyncIterable<Uint8Array>) {
      yield this.#packed.get(chunk) ?? chunk;
      this.#packed.delete(chunk);
    }
  }

  #open(header: EntryHeader, content?: Buffer): { sink: ReturnType<Pack['entry']>; finished: Promise<void> } {
    let settle = (_error?: Error | null): void => undefined;
    const finished = new Promise<void>((resolve, reject) => {
      settle = (error) => {
        if (error) {
          reject(error);
        } else {
          resolve();
        }
      };
    });
    // It may fail while nobody waits for it.
    finished.catch(() => undefined);
    const done = (error?: Error | null): void => settle(error);
    const sink = content === undefined ? this.#pack.entry(header, done) : this.#pack.entry(header, content, done);
    sink.on('error', settle);
    return { sink, finished };
  }

  end(): void {
    this.#pack.finalize();
  }

  /** Breaks the archive off: its reader sees the error. */
  fail(error: Error): void {
    this.stream.destroy(error);
  }
}
