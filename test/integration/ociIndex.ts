/** Images as the buildx command makes them, by hand: an index of several platforms with an attestation. */
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { digestOf } from '../../src/docker/ociLayout';

const OCI = 'application/vnd.oci.image';

export interface PlatformImage {
  readonly os: string;
  readonly architecture: string;
  /** Layers as archives, lowest first. They go into the index compressed. */
  readonly layers: readonly Buffer[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** The archive of one layer with these files. */
export async function layerOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) {
    archive.entry({ name }, content);
  }
  archive.finalize();
  return buffer(archive);
}

/** An OCI image layout for `docker load`: an index with an image for each platform, each with an attestation. */
export async function indexArchive(reference: string, images: readonly PlatformImage[]): Promise<Buffer> {
  const blobs = new Map<string, Buffer>();
  const add = (mediaType: string, content: Buffer): Descriptor => {
    const digest = digestOf(content);
    blobs.set(digest, content);
    return { mediaType, digest, size: content.length };
  };
  const addJson = (mediaType: string, value: object): Descriptor => add(mediaType, Buffer.from(JSON.stringify(value)));
  const manifest = (config: object, layers: readonly Descriptor[]): Descriptor => {
    const mediaType = `${OCI}.manifest.v1+json`;
    return addJson(mediaType, {
      schemaVersion: 2,
      mediaType,
      config: addJson(`${OCI}.config.v1+json`, config),
      layers,
    });
  };
  const manifests = images.flatMap(({ os, architecture, layers }) => {
    const diffIds = layers.map(digestOf);
    const image = manifest(
      { os, architecture, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } },
      layers.map((layer) => add(`${OCI}.layer.v1.tar+gzip`, gzipSync(layer))),
    );
    const statement = addJson('application/vnd.in-toto+json', {
      _type: 'https://in-toto.io/Statement/v0.1',
      architecture,
    });
    const unknown = { os: 'unknown', architecture: 'unknown' };
    const attestation = manifest({ ...unknown, config: {}, rootfs: { type: 'layers', diff_ids: [statement.digest] } }, [
      statement,
    ]);
    const annotations = {
      'vnd.docker.reference.digest': image.digest,
      'vnd.docker.reference.type': 'attestation-manifest',
    };
    return [
      { ...image, platform: { os, architecture } },
      { ...attestation, platform: unknown, annotations },
    ];
  });
  const mediaType = `${OCI}.index.v1+json`;
  const index = addJson(mediaType, { schemaVersion: 2, mediaType, manifests });
  const annotations = { 'io.containerd.image.name': reference };
  const archive = pack();
  for (const [digest, content] of blobs) {
    archive.entry({ name: `blobs/${digest.replace(':', '/')}` }, content);
  }
  archive.entry({ name: 'index.json' }, JSON.stringify({ schemaVersion: 2, manifests: [{ ...index, annotations }] }));
  archive.entry({ name: 'oci-layout' }, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  archive.finalize();
  return buffer(archive);
}
