import { LABEL } from '../model';
import type { ImageDetails } from './images';

/** The repository of names that stand for an image only until it is complete. */
export const INCOMING = 'blue-green-incoming';

/** Bytes before compression that are not worth a second load, on whatever line. */
const SMALL_PART = 8 * 1024 * 1024;
/** Milliseconds of sending that one may lose when the line is cut. */
const PART_MS = 15_000;
/** A host whose answers take less than this is in the same building, in milliseconds. */
const NEAR_MS = 10;
/** What a line inside of a building carries at the least, in bytes before compression. */
const NEAR_BYTES_PER_MS = 10_000;

/** Bytes that may have been handed over and not sent: the window that OpenSSH gives a channel (channels.h). */
const UNSENT = 2 * 1024 * 1024;

/**
 * Where the next part of an image ends: a number of lowest layers. `docker load` keeps nothing of an archive that was cut,
 * so what has arrived is kept by ending the archive at a layer's boundary now and then. On a fast line one part is enough.
 * @param sizes bytes of each layer before compression, undefined where that is not known: all of it is one part then.
 * @param have lowest layers that are there.
 * @param bytesPerMs what the line carries, in bytes before compression; 0 where that is not known.
 */
export function endOfPart(sizes: readonly number[] | undefined, have: number, bytesPerMs: number): number {
  if (sizes === undefined) {
    return Infinity;
  }
  const enough = Math.max(SMALL_PART, bytesPerMs * PART_MS);
  let bytes = 0;
  let end = have;
  while (end < sizes.length && bytes < enough) {
    bytes += sizes[end++] ?? 0;
  }
  const rest = sum(sizes.slice(end));
  return rest < enough / 2 ? sizes.length : end;
}

/** What a line may be supposed to carry before anything was sent, in bytes before compression and milliseconds. */
export function likelySpeed(roundTripMs: number): number {
  return roundTripMs < NEAR_MS ? NEAR_BYTES_PER_MS : 0;
}

/** What a line carried, in bytes before compression and milliseconds; 0 for too little to tell. */
export function speedOf(sent: { readonly bytes: number; readonly rawBytes: number }, ms: number): number {
  return (sent.rawBytes * Math.max(0, sent.bytes - UNSENT)) / Math.max(1, sent.bytes) / Math.max(1, ms);
}

/**
 * The configuration of an image of nothing but the lowest layers of another one. It names the service, so that what a
 * broken transfer leaves behind can be told from what another one has under way.
 */
export function configOfPart(image: ImageDetails, layers: number): Buffer {
  const service = image.labels[LABEL.service];
  return Buffer.from(
    JSON.stringify({
      architecture: image.architecture,
      os: image.os,
      config: service === undefined ? {} : { Labels: { [LABEL.service]: service } },
      rootfs: { type: 'layers', diff_ids: image.layers.slice(0, layers) },
    }),
  );
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
