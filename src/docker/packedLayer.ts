import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { OUTPUT, PackedPiece } from './compression';
import { sum } from './parts';
import type { SavedLayer } from './savedImage';

/** A layer as an engine handed it out, or packed. */
export type LayerToSend = Omit<SavedLayer, 'content'> & {
  readonly content: AsyncIterable<Uint8Array | PackedPiece>;
};

/** A layer in memory, as an engine compressed it with gzip: one member, as Go's writer makes it. */
export class PackedLayer {
  /** Of the layer that it unpacks to. Its last four bytes say it, of less than 4 GB (RFC 1952, 2.3.1). */
  readonly bytes: number;
  readonly #chunks: readonly Buffer[];

  constructor(chunks: readonly Buffer[]) {
    this.#chunks = chunks;
    const end = Buffer.concat(chunks.slice(-4).map((chunk) => chunk.subarray(-4))).subarray(-4);
    this.bytes = end.length < 4 ? 0 : end.readUInt32LE();
  }

  /** The layer itself. Rejects when it is not as long as it said. */
  async unpack(): Promise<Buffer> {
    return promisify(gunzip)(Buffer.concat(this.#chunks), { maxOutputLength: Math.max(1, this.bytes) });
  }

  /** Each stands for its share of the layer. */
  *pieces(): Generator<PackedPiece> {
    const all = sum(this.#chunks.map((chunk) => chunk.length));
    let [packed, told] = [0, 0];
    for (const chunk of this.#chunks) {
      for (let at = 0; at < chunk.length; at += OUTPUT) {
        const piece = chunk.subarray(at, at + OUTPUT);
        packed += piece.length;
        const upToHere = Math.floor((this.bytes * packed) / all);
        yield new PackedPiece(piece, upToHere - told);
        told = upToHere;
      }
    }
  }
}
