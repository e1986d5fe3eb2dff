import { Duplex, pipeline, Readable, type Transform } from 'node:stream';
import zlib from 'node:zlib';
import { t } from '../l10n';
import type { DockerEngine } from './engine';
import type { Taken } from './meter';

/** 291 MB/s, and smaller than any gzip: the best on every link. */
const ZSTD_LEVEL = 3;
/** From 132 to 63 MB/s; what level 6 saves is worth its time when the line is the slower of the two. */
const GZIP_LEVELS = [1, 3, 6] as const;
/** Bytes of output between two decisions: more than the connection takes in without sending it (SSH's window is 2 MB). */
const DECIDE_AFTER = 4 * 1024 * 1024;
/** Shares of the time that the output waited: above the first the line is the slower of the two, below the second it is not. */
const LINE_IS_SLOW = 0.3;
const LINE_IS_FAST = 0.15;
/** Of every byte so much is left: what comes in is compressed already. */
const USELESS_RATIO = 0.97;
/** Decisions for which nothing is compressed before it is tried again. */
const REST = 2;

export interface Compressor {
  readonly stream: Duplex;
  /** What is done to the bytes now: `zstd 3`, `gzip 6`, `uncompressed`. */
  readonly name: string;
  /** Tells the compressor what became of its output so far. */
  onTaken(taken: Taken): void;
}

/** Docker takes gzip in every version and zstd from API 1.42 on; Node makes zstd from 22.15 on. */
export function createCompressor(target: DockerEngine): Compressor {
  const zstd = target.speaks('1.42') ? createZstd() : undefined;
  return zstd === undefined
    ? new AdaptiveGzip()
    : { stream: zstd, name: `zstd ${ZSTD_LEVEL}`, onTaken: () => undefined };
}

function createZstd(): Transform | undefined {
  const { createZstdCompress, constants } = zlib as {
    createZstdCompress?: (options: { params: Record<number, number> }) => Transform;
    constants: { ZSTD_c_compressionLevel?: number };
  };
  const level = constants.ZSTD_c_compressionLevel;
  return level === undefined ? undefined : createZstdCompress?.({ params: { [level]: ZSTD_LEVEL } });
}

/**
 * gzip that compresses harder while its output has to wait for the line, and less while the line waits for it. Each level
 * is a gzip member of its own (RFC 1952, 2.2: a file is one member after the other).
 */
export class AdaptiveGzip implements Compressor {
  readonly stream: Duplex = Duplex.from((source: AsyncIterable<Buffer>) => this.#members(source));
  #level: number = GZIP_LEVELS[2];
  #given = 0;
  #before = { at: performance.now(), taken: 0, given: 0, waitedMs: 0 };
  #rest = 0;

  /** 0 while what comes in is not worth compressing. */
  get level(): number {
    return this.#level;
  }

  get name(): string {
    return this.#level === 0 ? t('uncompressed') : `gzip ${this.#level}`;
  }

  onTaken({ bytes, waitedMs }: Taken): void {
    const before = this.#before;
    if (bytes - before.taken < DECIDE_AFTER) {
      return;
    }
    this.#before = { at: performance.now(), taken: bytes, given: this.#given, waitedMs };
    const ratio = (bytes - before.taken) / Math.max(1, this.#before.given - before.given);
    const waited = (waitedMs - before.waitedMs) / Math.max(1, this.#before.at - before.at);
    if (this.#rest > 0) {
      this.#rest--;
      this.#level = this.#rest === 0 ? GZIP_LEVELS[0] : 0;
    } else if (ratio > USELESS_RATIO) {
      this.#rest = REST;
      this.#level = 0;
    } else {
      const step = waited > LINE_IS_SLOW ? 1 : waited < LINE_IS_FAST ? -1 : 0;
      const now = GZIP_LEVELS.findIndex((level) => level === this.#level);
      this.#level = GZIP_LEVELS[Math.max(0, now + step)] ?? this.#level;
    }
  }

  async *#members(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const chunks = source[Symbol.asyncIterator]();
    let next = await chunks.next();
    do {
      const level = this.#level;
      const member = async function* (this: AdaptiveGzip): AsyncGenerator<Buffer> {
        for (; next.done !== true && this.#level === level; next = await chunks.next()) {
          this.#given += next.value.length;
          yield next.value;
        }
      };
      const gzip = zlib.createGzip({ level });
      pipeline(Readable.from(member.call(this), { objectMode: false }), gzip, () => undefined);
      yield* gzip;
    } while (next.done !== true);
  }
}
