import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import tar from 'tar-stream';
import { fullReference, type ImageDetails, imagePath, readImage, splitReference } from '../../../src/docker/images';
import { LAYER_TYPE, type LayerBlob, layerType, LayoutWriter } from '../../../src/docker/ociLayout';
import { commonPrefix } from '../../../src/docker/presentLayers';
import { isSameImage } from '../../../src/docker/sameImage';
import { readLayout, readSaved, UnknownLayerError } from '../../../src/docker/savedImage';
import { TarWriter } from '../../../src/docker/tarWriter';
import { chainIds, layerOfV1Folder } from '../../../src/docker/v1Layers';

test('names of images are cut and completed as Docker does it', () => {
  assert.deepEqual(splitReference('registry:5000/team/app:1'), { repository: 'registry:5000/team/app', tag: '1' });
  assert.deepEqual(splitReference('registry:5000/app'), { repository: 'registry:5000/app', tag: 'latest' });
  assert.deepEqual(splitReference('a@sha256:00'), { repository: 'a', tag: 'sha256:00' });
  assert.equal(fullReference('nginx'), 'docker.io/library/nginx:latest');
  assert.equal(fullReference('team/app:1'), 'docker.io/team/app:1');
  assert.equal(fullReference('docker.io/nginx'), 'docker.io/library/nginx:latest');
  assert.equal(fullReference('index.docker.io/team/app:1'), 'docker.io/team/app:1');
  assert.equal(fullReference('localhost/app'), 'localhost/app:latest');
  assert.equal(fullReference('reg.io:5000/a/b:2'), 'reg.io:5000/a/b:2');
  assert.equal(imagePath('reg:5000/a b'), 'reg%3A5000/a%20b');
});

/*
 * An image of three layers as Docker 20.10.24 saved it: the folders' names are its ids, the descriptions the files
 * `json` beside the layers. (Made with `docker build` from a Dockerfile with `LABEL x="<a&b>"` and `ENV Z=é`.)
 */
const V1_LAYERS = [
  'sha256:f61cfa1c92d80166d27c57dc430ef869d45c7d85efc1dd215809243807446894',
  'sha256:aee5d4a3d81ecf118d933b10f02010a3b0147958518de3f49067d86c6e06e4fd',
  'sha256:5f964d53a33805e08770b2065e8b69a8c00c9617561d314897fe9f999cf2b7e4',
];
const NO_CONFIG =
  '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}';
const CONFIG_BEGIN =
  '"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"ExposedPorts":{"8080/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","Z=é"]';
const CONFIG_END =
  '"Image":"sha256:03372b295a0b51c6dd26148a2dcd85d2d97f7e00bca50765ec450a67c57efed6","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{"blue-green-lab.image":"b510207fa8c75aaa","x":"\\u003ca\\u0026b\\u003e"}';
const [LOWEST, MIDDLE, TOP] = [
  '6b8767ec9030c54d779715e818a10ace8284ee7671c6446c502b505d6e580498',
  '37f69116addc75e682aa91f33a2351bfcb73f68b7fa8c5d6e1b8e455bce8f879',
  '99c09760d837ad95402c125d228626fd6a423e7bc92a781a65befad5c2a8db9f',
] as const;
const V1_FOLDERS: readonly (readonly [id: string, json: string])[] = [
  [LOWEST, `{"id":"${LOWEST}","created":"1970-01-01T00:00:00Z","container_config":${NO_CONFIG},"os":"linux"}`],
  [
    MIDDLE,
    `{"id":"${MIDDLE}","parent":"${LOWEST}","created":"1970-01-01T00:00:00Z","container_config":${NO_CONFIG},"os":"linux"}`,
  ],
  [
    TOP,
    `{"id":"${TOP}","parent":"${MIDDLE}","created":"2026-11-22T22:26:28.793025029Z","container_config":{${CONFIG_BEGIN},"Cmd":["/bin/sh","-c","#(nop) COPY file:c5b919daeffc2bc186359fc41a5e9d09641dc958fb7174297b394a1df502288f in /f "],${CONFIG_END}},"docker_version":"20.10.24+dfsg1","config":{${CONFIG_BEGIN},"Cmd":["httpd","-f","-p","8080","-h","/www"],${CONFIG_END}},"architecture":"amd64","os":"linux"}`,
  ],
];

test("the folders of Docker's old layout are told by their descriptions, the topmost included", () => {
  const chains = chainIds(V1_LAYERS);
  const found = V1_FOLDERS.map(([id, json]) => layerOfV1Folder(id, json, chains));
  assert.deepEqual(found, [0, 1, 2]);
  const [id, json] = V1_FOLDERS[1] ?? ['', ''];
  assert.equal(layerOfV1Folder(id, json.replace('1970', '1971'), chains), undefined);
  assert.equal(layerOfV1Folder(id, json, chainIds([...V1_LAYERS].reverse())), undefined);
});

const sha = (content: string): string => createHash('sha256').update(content).digest('hex');

async function archive(entries: readonly (readonly [string, string])[]): Promise<Readable> {
  const writer = new TarWriter();
  const bytes = buffer(writer.stream);
  for (const [name, content] of entries) {
    await (name.endsWith('/') ? writer.add({ name, type: 'directory' }) : writer.add({ name }, Buffer.from(content)));
  }
  writer.end();
  return Readable.from([await bytes]);
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

describe('a saved image', () => {
  const contents = ['lowest layer', 'x'.repeat(100_000), 'topmost layer'];
  const layers = contents.map((content) => `sha256:${sha(content)}`);
  const config = '{"rootfs":{}}';
  const configDigest = `sha256:${sha(config)}`;
  const blob = (content: string): readonly [string, string] => [`blobs/sha256/${sha(content)}`, content];

  async function read(
    entries: readonly (readonly [string, string])[],
    options: { layers?: readonly string[]; unread?: readonly number[]; withLayout?: boolean } = {},
  ): Promise<{ found: Record<number, string>; config: string }> {
    const found: Record<number, string> = {};
    const layout = options.withLayout === true ? await readLayout(await archive(entries)) : undefined;
    const answer = await readSaved(
      await archive(entries),
      options.layers ?? layers,
      configDigest,
      layout,
      async ({ index, content }) => {
        found[index] = options.unread?.includes(index) === true ? 'unread' : await textOf(content);
      },
    );
    return { found, config: answer.toString() };
  }

  test('of Docker 26.1: layers by their digests, the table of contents last', async () => {
    const entries = [...contents, config].map(blob).sort();
    const whole = await read([['blobs/', ''], ...entries, ['manifest.json', '[]']]);
    assert.deepEqual(whole, { found: Object.assign({}, contents), config });
    const partly = await read(entries, { unread: [0, 1] });
    assert.deepEqual(partly.found, { 0: 'unread', 1: 'unread', 2: 'topmost layer' });
  });

  test('of Docker 20.10: layers by reckoned ids, in any order', async () => {
    const folders = V1_FOLDERS.map(([id, json], i): (readonly [string, string])[] => [
      [`${id}/`, ''],
      [`${id}/VERSION`, '1.0'],
      [`${id}/json`, json],
      [`${id}/layer.tar`, `layer ${i}`],
    ]).reverse();
    const entries: (readonly [string, string])[] = [[`${sha(config)}.json`, config], ...folders.flat()];
    const { found } = await read(entries, { layers: V1_LAYERS });
    assert.deepEqual(found, { 0: 'layer 0', 1: 'layer 1', 2: 'layer 2' });
    const unknown = entries.map(([name, content]) => [name, content.replace('1970', '1971')] as const);
    await assert.rejects(read(unknown, { layers: V1_LAYERS }), UnknownLayerError);
  });

  test("of containerd's store: by the table of contents, whatever the blobs are called", async () => {
    const compressed = contents.map((content) => [`blobs/sha256/${sha(`z ${content}`)}`, `z ${content}`] as const);
    const manifest = [{ Config: blob(config)[0], Layers: compressed.map(([name]) => name) }];
    const table = ['manifest.json', JSON.stringify(manifest)] as const;
    const entries = [blob('an attestation'), blob(config), ...compressed, table];
    await assert.rejects(read(entries), UnknownLayerError);
    const { found } = await read(entries, { withLayout: true });
    assert.equal(found[2], 'z topmost layer');
  });

  test('with one layer in two places holds it once', async () => {
    const twice = [layers[0] ?? '', layers[1] ?? '', layers[0] ?? ''];
    const entries = [contents[0] ?? '', contents[1] ?? '', config].map(blob);
    const { found } = await read(entries, { layers: twice });
    assert.deepEqual(Object.keys(found), ['0', '1']);
  });

  test('that breaks off is an error', async () => {
    const entries = contents.map(blob);
    await assert.rejects(read(entries), UnknownLayerError, 'no configuration');
    const bytes = await buffer(await archive(entries));
    const cut = Readable.from([bytes.subarray(0, 50_000)]);
    await assert.rejects(readSaved(cut, layers, configDigest, undefined, () => Promise.resolve()));
  });
});

test('the archive for docker load names its blobs by what is in them, and leaves out what was not given', async () => {
  const writer = new LayoutWriter();
  const bytes = buffer(writer.stream);
  const content = Buffer.from('layer content');
  const mediaType = layerType(undefined);
  const below = { digest: `sha256:${'0'.repeat(64)}`, size: 5, mediaType };
  const above = { digest: `sha256:${sha('layer content')}`, size: content.length, mediaType };
  await writer.layer(above.digest, above.size, Readable.from([content.subarray(0, 3), content.subarray(3)]));
  await writer.finish('app:1', Buffer.from('{}'), [below, above]);
  const files = new Map<string, string>();
  for await (const entry of Readable.from([await bytes]).pipe(tar.extract())) {
    files.set(entry.header.name, await textOf(entry as AsyncIterable<Uint8Array>));
  }
  for (const [name, text] of files) {
    const digest = /^blobs\/sha256\/(.*)$/.exec(name)?.[1];
    assert.ok(digest === undefined || digest === sha(text), name);
  }
  const json = (name: string): unknown => JSON.parse(files.get(name) ?? '');
  assert.deepEqual(json('oci-layout'), { imageLayoutVersion: '1.0.0' });
  const [docker] = json('manifest.json') as { RepoTags: string[]; Layers: string[] }[];
  assert.deepEqual(docker?.RepoTags, ['app:1']);
  assert.deepEqual(
    docker.Layers,
    [below, above].map(({ digest }) => `blobs/sha256/${digest.slice(7)}`),
  );
  const [manifest] = (json('index.json') as { manifests: { digest: string; annotations: object }[] }).manifests;
  assert.deepEqual(manifest?.annotations, {
    'io.containerd.image.name': 'docker.io/library/app:1',
    'org.opencontainers.image.ref.name': '1',
    'blue-green.layer-bytes': '5,13',
  });
  const described = json(`blobs/sha256/${manifest.digest.slice(7)}`) as { layers: object[] };
  assert.deepEqual(described.layers, [
    { mediaType, digest: below.digest, size: 5 },
    { mediaType, digest: above.digest, size: 13 },
  ]);
  assert.equal(files.size, 6, 'one layer, a configuration, a manifest, and three tables');
});

test('the archive says how long its layers are, and so does the image, unless they are compressed or nobody knows', async () => {
  const described = async (layer: Partial<LayerBlob>): Promise<readonly number[] | undefined> => {
    const writer = new LayoutWriter();
    const bytes = buffer(writer.stream);
    const digest = `sha256:${'0'.repeat(64)}`;
    await writer.finish('app:1', Buffer.from('{}'), [
      { digest, size: 5, mediaType: LAYER_TYPE },
      { digest, size: 7, mediaType: LAYER_TYPE, ...layer },
    ]);
    let index = '{}';
    for await (const entry of Readable.from([await bytes]).pipe(tar.extract())) {
      const text = await textOf(entry as AsyncIterable<Uint8Array>);
      index = entry.header.name === 'index.json' ? text : index;
    }
    const [Descriptor] = (JSON.parse(index) as { manifests: object[] }).manifests;
    return readImage({ RootFS: { Layers: [digest, digest] }, Descriptor }).layerBytes;
  };
  assert.deepEqual(await described({}), [5, 7]);
  assert.equal(await described({ size: 0 }), undefined);
  assert.equal(await described({ mediaType: `${LAYER_TYPE}+gzip` }), undefined);
});

test('layers in other forms are told by their first bytes', () => {
  assert.match(layerType(Buffer.from([0x1f, 0x8b, 8])), /\+gzip$/);
  assert.match(layerType(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])), /\+zstd$/);
  assert.match(layerType(Buffer.from('etc/')), /tar$/);
});

test('an archive that its reader gives up does not hang its writer', async () => {
  const writer = new TarWriter();
  const endless = (async function* () {
    for (;;) {
      yield await Promise.resolve(Buffer.alloc(65_536));
    }
  })();
  const writing = writer.addStream({ name: 'x', size: 1e12 }, endless);
  setTimeout(() => writer.fail(new Error('enough')), 10);
  await assert.rejects(writing);
  // An error that nobody listens to any more would come up only now, and end the process.
  await new Promise((resolve) => setTimeout(resolve, 20));
});

test('layers are shared from below only', () => {
  assert.equal(commonPrefix(['a', 'b', 'c'], ['a', 'b', 'x', 'c']), 2);
  assert.equal(commonPrefix(['a'], []), 0);
  assert.equal(commonPrefix(['a', 'b'], ['a', 'b', 'c']), 2);
});

test('the same image is known again in what another version of Docker says of it', () => {
  const image: ImageDetails = {
    id: 'sha256:1',
    tags: [],
    layers: ['a', 'b'],
    architecture: 'amd64',
    os: 'linux',
    exposedPorts: [],
    labels: {},
    createdAt: 5,
    size: 1,
    config: { Hostname: '', Image: 'sha256:x', Env: ['A=b'], Cmd: null, Labels: { a: 'b', c: 'd' }, Tty: false },
  };
  const other = { ...image, id: 'sha256:2', size: 9, config: { Labels: { c: 'd', a: 'b' }, Env: ['A=b'] } };
  assert.ok(isSameImage(image, other));
  assert.ok(!isSameImage(image, { ...other, createdAt: 6 }));
  assert.ok(!isSameImage(image, { ...other, layers: ['a'] }));
  assert.ok(!isSameImage(image, { ...other, config: { ...other.config, Env: ['A=c'] } }));
  assert.ok(!isSameImage(image, { ...other, architecture: 'arm64' }));
});
