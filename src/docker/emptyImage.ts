import { Readable } from 'node:stream';
import type { DockerEngine } from './engine';
import { inspectImage } from './images';
import { digestOf, LAYER_TYPE, LayoutWriter } from './ociLayout';
import { loadArchive, LoadRefusedError } from './load';

/** Two blocks of zeros are the end of an archive, here right at its beginning. */
const EMPTY_ARCHIVE = Buffer.alloc(1024);

/**
 * Makes an image without any file: enough for a container that is created and never started. Takes no download. Its
 * bytes, and so its id, are always the same: however often and by how many it is made at once, there is one of it, and
 * none is left behind without a name.
 */
export async function loadEmptyImage(
  engine: DockerEngine,
  reference: string,
  signal: AbortSignal,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  const digest = digestOf(EMPTY_ARCHIVE);
  const [os, architecture] = engine.info.platform.split('/');
  const config = { architecture, os, config: { Labels: labels }, rootfs: { type: 'layers', diff_ids: [digest] } };
  const writer = new LayoutWriter();
  try {
    await Promise.all([
      writer
        .layer(digest, EMPTY_ARCHIVE.length, Readable.from([EMPTY_ARCHIVE]))
        .then(() =>
          writer.finish(reference, Buffer.from(JSON.stringify(config)), [
            { digest, size: EMPTY_ARCHIVE.length, mediaType: LAYER_TYPE },
          ]),
        ),
      loadArchive(engine, writer.stream, () => undefined, signal),
    ]);
  } catch (error) {
    // Of those who make it at the same moment, containerd's store (Docker 28.5) refuses now and then the second one.
    if (!(error instanceof LoadRefusedError) || (await inspectImage(engine, reference, signal)) === undefined) {
      throw error;
    }
  }
}
