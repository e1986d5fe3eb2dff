import { Duplex, pipeline, Readable, type Transform } from 'node:stream';
import zlib from 'node:zlib';
import { t } from '../l10n';
import type { DockerEngine } from './engine';
import type { Taken } from './meter';

/** Bytes of output between two decisions: more than the connection takes in without sending it (SSH's window is 2 MB). */
const DECIDE_AFTER = 4 * 1024 * 1024;
/** Shares of the time that the output waited: above the first the line is the slower of the two, below the second it is not. */
const LINE_IS_SLOW = 0.3;
const LINE_IS_FAST = 0.15;
/** Of every byte so much is left: what comes in is compressed already. */
const USELESS_RATIO = 0.97;
/** Decisions for which nothing is compressed before it is tried again: the first time, and when it was tried often. */
const REST = 2;
const LONGEST_REST = 16;
/**
 * Smaller chunks are put together before they are compressed: each turn is handed to another thread and back. What is
 * large enough is not copied: copies that wait for the collector are what the process grows by.
 */
const PIECE = 16 * 1024;
/** Bytes of output at a time: with HTTP's frame around it, two of the largest packets that SSH takes (RFC 4253, 6.1). */
export const OUTPUT = 62 * 1024;

/** A way to compress whose output may be followed by more of the same. */
export interface Codec {
  readonly name: string;
  /** From the quickest to the hardest. */
  readonly levels: readonly [number, ...number[]];
  /** For what is compressed already. 0: it is passed through as it is. */
  readonly idleLevel: number;
  create(level: number): Compression;
}

/** `bytesWritten`: bytes that were compressed so far (nodejs.org, zlib). */
type Compression = Transform & { readonly bytesWritten: number };

/** From 132 to 63 MB/s. A file is one member after the other (RFC 1952, 2.2). */
export const GZIP: Codec = {
  name: 'gzip',
  levels: [1, 3, 6],
  idleLevel: 0,
  create: (level) => zlib.createGzip({ level, chunkSize: OUTPUT }),
};

/** Docker takes gzip in every version and zstd from API 1.42 on; Node makes zstd from 22.15 on. */
export function codecFor(target: DockerEngine): Codec {
  return (target.speaks('1.42') ? zstd() : undefined) ?? GZIP;
}

/** A piece of what a codec has compressed already: it goes out as it is, where the bytes are due that it stands for. */
export class PackedPiece {
  /** Of whole frames or members. */
  readonly packed: Uint8Array;
  /** How many bytes it stands for: all pieces of something together are as long as what was compressed. */
  readonly length: number;

  constructor(packed: Uint8Array, length: number) {
    this.packed = packed;
    this.length = length;
  }
}

/**
 * From 250 to 130 MB/s, and smaller than any gzip. Level 1 is as quick as 2 and makes 8 % more, but takes less time for what
 * does not shrink. A file is one frame after the other (RFC 8878, 3).
 */
function zstd(): Codec | undefined {
  const { createZstdCompress, constants } = zlib as {
    createZstdCompress?: (options: { chunkSize: number; params: Record<number, number> }) => Compression;
    constants: { ZSTD_c_compressionLevel?: number };
  };
  const parameter = constants.ZSTD_c_compressionLevel;
  if (createZstdCompress === undefined || parameter === undefined) {
    return undefined;
  }
  const create = (level: number): Compression =>
    createZstdCompress({ chunkSize: OUTPUT, params: { [parameter]: level } });
  return { name: 'zstd', levels: [2, 3], idleLevel: 1, create };
}

/**
 * Compresses harder while its output has to wait for the line, and less while the line waits for it. What comes out at one
 * level is a whole of its own, and followed by the next. Packed pieces have to be of the same codec.
 */
export class AdaptiveCompressor {
  readonly stream: Duplex = Duplex.from((source: AsyncIterable<Buffer | PackedPiece>) => this.#parts(source));
  readonly #codec: Codec;
  #level: number;
  /** Bytes that went into the parts before this one. */
  #given = 0;
  #part: Compression | undefined;
  #before = { at: performance.now(), taken: 0, given: 0, waitedMs: 0 };
  /** Decisions until it is tried again. */
  #rest = 0;
  #nextRest = REST;

  constructor(codec: Codec) {
    this.#codec = codec;
    this.#level = codec.levels.at(-1) ?? codec.levels[0];
  }

  get level(): number {
    return this.#level;
  }

  /** What is done to the bytes now: `zstd 3`, `gzip 6`, `uncompressed`. */
  get name(): string {
    return this.#level === 0 ? t('uncompressed') : `${this.#codec.name} ${this.#level}`;
  }

  /** Tells the compressor what became of its output so far. */
  onTaken({ bytes, waitedMs }: Taken): void {
    const before = this.#before;
    if (bytes - before.taken < DECIDE_AFTER) {
      return;
    }
    const given = this.#given + (this.#part?.bytesWritten ?? 0);
    this.#before = { at: performance.now(), taken: bytes, given, waitedMs };
    const ratio = (bytes - before.taken) / Math.max(1, given - before.given);
    const waited = (waitedMs - before.waitedMs) / Math.max(1, this.#before.at - before.at);
    const { levels, idleLevel } = this.#codec;
    if (this.#rest > 0) {
      // While the line is waited for, trying costs nothing.
      this.#rest = waited > LINE_IS_SLOW ? 0 : this.#rest - 1;
      this.#level = this.#rest === 0 ? levels[0] : idleLevel;
    } else if (ratio > USELESS_RATIO && waited > LINE_IS_SLOW) {
      this.#level = levels[0];
    } else if (ratio > USELESS_RATIO) {
      this.#rest = this.#nextRest;
      this.#nextRest = Math.min(LONGEST_REST, 2 * this.#nextRest);
      this.#level = idleLevel;
    } else {
      this.#nextRest = REST;
      const step = waited > LINE_IS_SLOW ? 1 : waited < LINE_IS_FAST ? -1 : 0;
      const now = levels.indexOf(this.#level);
      this.#level = levels[Math.max(0, now + step)] ?? this.#level;
    }
  }

  async *#parts(source: AsyncIterable<Buffer | PackedPiece>): AsyncGenerator<Uint8Array> {
    const pieces = inPieces(source);
    let next = await pieces.next();
    while (next.done !== true) {
      if (next.value instanceof PackedPiece) {
        this.#given += next.value.length;
        yield next.value.packed;
        next = await pieces.next();
        continue;
      }
      const level = this.#level;
      const part = async function* (this: AdaptiveCompressor): AsyncGenerator<Buffer> {
        for (; next.value instanceof Buffer && this.#level === level; next = await pieces.next()) {
          yield next.value;
        }
      };
      const compressed = (this.#part = this.#codec.create(level));
      pipeline(Readable.from(part.call(this), { objectMode: false }), compressed, () => undefined);
      yield* compressed;
      this.#given += compressed.bytesWritten;
      this.#part = undefined;
    }
  }
}

/** Puts small chunks together. */
async function* inPieces(source: AsyncIterable<Buffer | PackedPiece>): AsyncGenerator<Buffer | PackedPiece, undefined> {
  let chunks: Buffer[] = [];
  let bytes = 0;
  const together = (): Buffer => {
    const [first = Buffer.alloc(0)] = chunks;
    const all = chunks.length === 1 ? first : Buffer.concat(chunks, bytes);
    chunks = [];
    bytes = 0;
    return all;
  };
  for await (const chunk of source) {
    if (chunk instanceof PackedPiece) {
      if (bytes > 0) {
        yield together();
      }
      yield chunk;
      continue;
    }
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= PIECE) {
      yield together();
    }
  }
  if (bytes > 0) {
    yield together();
  }
}
