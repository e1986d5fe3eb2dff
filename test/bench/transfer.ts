/**
 * `npm run bench:transfer`: our transfer beside the article's pipeline and a registry tunnelled over SSH, on a slow line
 * and a fast one. Prints a table for docs/MEASURED.md. Arguments: `slow`, `fast` and `large` choose what is run.
 */
import { performance } from 'node:perf_hooks';
import { buildImage } from '../../src/docker/build';
import type { DockerEngine } from '../../src/docker/engine';
import { installEditor } from '../editor/install';
import { BuildFolder, localEngine, noSignal, recordBuild, removeImages } from '../integration/engines';
import type { Host } from '../machines/host';
import { pythonImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { toStderr } from '../machines/log';
import type { SlowLink, Speed } from '../machines/slowLink';
import { ourWay, pipeline, registry, type Way } from './ways';

const NAME = 'blue-green-bench';
const LARGE_BYTES = 2_000_000_000;

const LINES: readonly { readonly name: string; readonly title: string; readonly speed: Speed }[] = [
  { name: 'slow', title: '10 Mbit/s, 40 ms round trip', speed: { bytesPerSecond: 1_250_000, latencyMs: 20 } },
  { name: 'fast', title: 'as fast as the machine goes', speed: {} },
];

/** In this order on a host that has none of it. */
const CASES = [
  { name: 'first deployment', image: `${NAME}:1` },
  { name: 'one line changed', image: `${NAME}:2` },
  { name: 'dependencies changed', image: `${NAME}:3` },
  { name: 'nothing changed', image: `${NAME}:3` },
] as const;

interface Row {
  readonly line: string;
  readonly what: string;
  readonly way: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly peakBytes: number | undefined;
}

async function main(): Promise<void> {
  const chosen = process.argv.slice(2);
  const wanted = (name: string): boolean => chosen.length === 0 || chosen.includes(name);
  const lab = await startLab();
  const ways: Way[] = [];
  try {
    await lab.images(pythonImage, tinyImage);
    const source = await localEngine(lab);
    await buildImages(source);
    const { node } = await installEditor();
    const ours = [await ourWay(lab, 'ours, gzip', process.execPath), await ourWay(lab, 'ours, zstd', node)];
    const sshWays = [...ours, pipeline(lab)];
    ways.push(...sshWays);
    const host = await (await lab.host({ engine: '28.5' })).dockerReady();
    const rows: Row[] = [];
    for (const { name, title, speed } of LINES.filter((line) => wanted(line.name))) {
      const link = await lab.slowLink(host, speed);
      // Each line has a registry of its own: what was pushed to one before would count for less.
      const pulled = await registry(lab);
      ways.push(pulled);
      for (const way of [...sshWays, pulled]) {
        await host.fresh();
        for (const { name: what, image } of CASES) {
          rows.push(await measure(link, way, { line: title, what, image }));
        }
      }
      await link.close();
      toStderr(`${name}: done`);
    }
    if (wanted('large')) {
      rows.push(...(await measureLarge(lab, source, host, ours)));
    }
    console.log(table(rows));
    await removeImages(source, NAME);
    source.close();
  } finally {
    await Promise.all(ways.map((way) => way.stop()));
    await lab.stop();
  }
}

/** Three releases of an app: a base, dependencies that compress as text and programs do, and a line of code on top. */
async function buildImages(source: DockerEngine): Promise<void> {
  const dockerfile = (seed: number): string =>
    [
      `FROM ${pythonImage}`,
      'WORKDIR /app',
      `RUN cp -r "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" deps && echo ${seed} > deps/seed`,
      'COPY line.txt .',
      '',
    ].join('\n');
  const folder = new BuildFolder({ Dockerfile: dockerfile(1), 'line.txt': 'one' });
  try {
    for (const [tag, seed, line] of [
      ['1', 1, 'one'],
      ['2', 1, 'two'],
      ['3', 2, 'two'],
    ] as const) {
      folder.write({ Dockerfile: dockerfile(seed), 'line.txt': line });
      await buildImage(source, folder.spec(`${NAME}:${tag}`), recordBuild().events, noSignal);
    }
  } finally {
    folder.remove();
  }
}

async function measure(
  link: SlowLink & { readonly alias: string },
  way: Way,
  { line, what, image }: { line: string; what: string; image: string },
): Promise<Row> {
  const before = link.bytes.up + link.bytes.down;
  const begin = performance.now();
  const { peakBytes } = await way.send(link.alias, image);
  const seconds = (performance.now() - begin) / 1000;
  const row = { line, what, way: way.name, bytes: link.bytes.up + link.bytes.down - before, seconds, peakBytes };
  toStderr(`${line}, ${what}, ${way.name}: ${row.bytes} bytes, ${seconds.toFixed(2)} s, ${peakBytes ?? '-'}`);
  return row;
}

/** Memory must not grow with the image. Half of it compresses, half does not. */
async function measureLarge(lab: Lab, source: DockerEngine, host: Host, ways: readonly Way[]): Promise<Row[]> {
  const half = LARGE_BYTES / 2;
  const folder = new BuildFolder({
    Dockerfile: `FROM ${tinyImage}\nRUN head -c ${half} /dev/urandom > /noise\nRUN yes blue green | head -c ${half} > /text\n`,
  });
  await buildImage(source, folder.spec(`${NAME}:large`), recordBuild().events, noSignal);
  folder.remove();
  const link = await lab.slowLink(host, {});
  const rows: Row[] = [];
  for (const way of ways) {
    await host.fresh();
    rows.push(
      await measure(link, way, { line: 'as fast as the machine goes', what: '2 GB image', image: `${NAME}:large` }),
    );
  }
  await host.fresh();
  return rows;
}

function table(rows: readonly Row[]): string {
  const cells = rows.map(({ line, what, way, bytes, seconds, peakBytes }) => [
    line,
    what,
    way,
    `${(bytes / 1000).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e6 ? 1 : 0 })} KB`,
    `${seconds.toFixed(1)} s`,
    peakBytes === undefined ? '' : `${Math.round(peakBytes / 1e6)} MB`,
  ]);
  const head = ['line', 'case', 'way', 'on the wire', 'time', 'our memory'];
  return [head, head.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
