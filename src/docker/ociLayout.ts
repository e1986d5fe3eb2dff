import { createHash } from 'node:crypto';
import type { PackedPiece } from './compression';
import { fullReference, LAYER_BYTES } from './images';
import { TarWriter } from './tarWriter';

/** A layer as the manifest names it. */
export interface LayerBlob {
  /** `sha256:…` of the blob: the diff id for an uncompressed one. */
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
}

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
export const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';

/**
 * Writes an image for `docker load`: an OCI image layout (opencontainers/image-spec, image-layout.md) with Docker's own
 * manifest.json, which engines without containerd's store go by. Layer blobs that the receiver has are left out.
 */
export class LayoutWriter {
  readonly #tar = new TarWriter();
  readonly stream = this.#tar.stream;

  /** A layer's content. Each digest once. */
  layer(digest: string, size: number, content: AsyncIterable<Uint8Array | PackedPiece>): Promise<void> {
    return this.#tar.addStream({ ...blobHeader(digest), size }, content);
  }

  /** Everything else, which is known only when all layers have been seen, and the end. */
  async finish(reference: string, config: Buffer, layers: readonly LayerBlob[]): Promise<void> {
    const configDigest = digestOf(config);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        config: { mediaType: CONFIG_TYPE, digest: configDigest, size: config.length },
        layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      }),
    );
    const manifestDigest = digestOf(manifest);
    const full = fullReference(reference);
    const plain = layers.every(({ size, mediaType }) => size > 0 && mediaType === LAYER_TYPE);
    const index = {
      schemaVersion: 2,
      manifests: [
        {
          mediaType: MANIFEST_TYPE,
          digest: manifestDigest,
          size: manifest.length,
          annotations: {
            'io.containerd.image.name': full,
            'org.opencontainers.image.ref.name': full.slice(full.lastIndexOf(':') + 1),
            ...(plain && { [LAYER_BYTES]: layers.map(({ size }) => size).join() }),
          },
        },
      ],
    };
    const dockerManifest = [
      {
        Config: blobName(configDigest),
        RepoTags: [reference],
        Layers: layers.map(({ digest }) => blobName(digest)),
      },
    ];
    await this.#tar.add(blobHeader(configDigest), config);
    await this.#tar.add(blobHeader(manifestDigest), manifest);
    await this.#json('index.json', index);
    await this.#json('manifest.json', dockerManifest);
    await this.#json('oci-layout', { imageLayoutVersion: '1.0.0' });
    this.#tar.end();
  }

  fail(error: Error): void {
    this.#tar.fail(error);
  }

  #json(name: string, value: unknown): Promise<void> {
    return this.#tar.add({ name, mode: 0o644, mtime: new Date(0) }, Buffer.from(JSON.stringify(value)));
  }
}

/** The name of a blob's entry in the archive. */
export function blobName(digest: string): string {
  return digest.replace(/^sha256:/, 'blobs/sha256/');
}

function blobHeader(digest: string): { name: string; mode: number; mtime: Date } {
  return { name: blobName(digest), mode: 0o644, mtime: new Date(0) };
}

/** `sha256:…`, as registries and OCI layouts name content. */
export function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The media type of a layer blob by its first bytes: the archive of `docker save` does not say it. */
export function layerType(firstBytes: Uint8Array | undefined): string {
  if (firstBytes === undefined) {
    return LAYER_TYPE;
  }
  if (firstBytes[0] === 0x1f && firstBytes[1] === 0x8b) {
    return `${LAYER_TYPE}+gzip`;
  }
  const zstd = firstBytes[0] === 0x28 && firstBytes[1] === 0xb5 && firstBytes[2] === 0x2f && firstBytes[3] === 0xfd;
  return zstd ? `${LAYER_TYPE}+zstd` : LAYER_TYPE;
}
