/**
 * `npm run bench:transfer`: our transfer beside the article's pipeline and a registry tunnelled over SSH, on a slow line
 * and a fast one, from an engine that keeps layers and one that keeps blobs. Arguments: `slow`, `fast` and `large` choose
 * what is run; `--write` puts the table into docs/MEASURED.md, when nothing was left out. Ends with 1 when something that
 * is claimed does not hold.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { buildImage } from '../../src/docker/build';
import { connectLocalEngine } from '../../src/docker/connect';
import type { DockerEngine } from '../../src/docker/engine';
import { installEditor } from '../editor/install';
import { BuildFolder, noSignal, recordBuild, removeImages } from '../integration/engines';
import type { Host } from '../machines/host';
import { pythonImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { toStderr } from '../machines/log';
import type { SlowLink, Speed } from '../machines/slowLink';
import { brokenClaims, median, report, type Row, writeReport } from './transferReport';
import { type Builder, ourWay, pipeline, registry, type Way } from './ways';

const NAME = 'blue-green-bench';
const LARGE_BYTES = 2_000_000_000;

const LINES: readonly { readonly name: string; readonly speed: Speed }[] = [
  { name: 'slow', speed: { bytesPerSecond: 1_250_000, latencyMs: 20 } },
  { name: 'fast', speed: {} },
];

/** In this order on a host that has none of it. Short cases several times, as other work weighs on each by chance. */
const CASES: readonly { readonly name: string; readonly releases: readonly number[] }[] = [
  { name: 'first deployment', releases: [1] },
  { name: 'one line changed', releases: [2, 3, 4, 5, 6] },
  { name: 'dependencies changed', releases: [7] },
  { name: 'nothing changed', releases: [7, 7, 7, 7, 7] },
];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { write: { type: 'boolean' } }, allowPositionals: true });
  const wanted = (name: string): boolean => positionals.length === 0 || positionals.includes(name);
  const lab = await startLab();
  try {
    await lab.images(pythonImage, tinyImage);
    const { node } = await installEditor();
    const host = await (await lab.host({ engine: '28.5', disk: 'lasting' })).dockerReady();
    const rows: Row[] = [];
    for (const builder of await builders(lab)) {
      const source = await connectLocalEngine(noSignal, { DOCKER_HOST: `unix://${builder.socketPath}` });
      await buildImages(source);
      const zstd = await ourWay(lab, builder, source, 'ours, zstd', node);
      // What an older Node does is seen well enough with one builder.
      const ours =
        builder.host === undefined
          ? [await ourWay(lab, builder, source, 'ours, gzip', process.execPath), zstd]
          : [zstd];
      for (const { name, speed } of LINES.filter((line) => wanted(line.name))) {
        rows.push(...(await measureLine(lab, host, builder, ours, name, speed)));
      }
      if (wanted('large') && builder.host === undefined) {
        rows.push(...(await measureLarge(lab, source, host, builder, ours)));
      }
      await removeImages(source, NAME);
      source.close();
      await Promise.all(ours.map((way) => way.stop()));
    }
    console.log(report(rows));
    const broken = brokenClaims(rows);
    if (broken.length > 0) {
      console.error(['What is claimed does not hold:', ...broken].join('\n- '));
      process.exitCode = 1;
    }
    if (values.write === true) {
      if (positionals.length > 0) {
        throw new Error('A part of the table is not written.');
      }
      writeReport(rows);
    }
  } finally {
    await lab.stop();
  }
}

/** This machine's engine, and one with containerd's store, whose socket only root on Linux can reach from outside. */
async function builders(lab: Lab): Promise<Builder[]> {
  const own: Builder = {
    name: `Docker ${lab.engine.version.split('.', 2).join('.')}`,
    socketPath: lab.engine.socketPath,
  };
  if (!lab.engine.isPrivate) {
    return [own];
  }
  const host = await (
    await lab.host({ engine: '28.5', name: 'builder', prepared: true, disk: 'lasting' })
  ).dockerReady();
  return [own, { name: 'Docker 28.5', socketPath: `${await host.proc('root')}/run/docker.sock`, host }];
}

/** Seven releases of an app: a base, dependencies that compress as text and programs do, and a line of code on top. */
async function buildImages(source: DockerEngine): Promise<void> {
  const folder = new BuildFolder({});
  // What an earlier run has built is of that time, and the engine may know it from pushes.
  const run = Date.now();
  try {
    for (const release of new Set(CASES.flatMap(({ releases }) => releases))) {
      const seed = `${run} ${release < 7 ? 1 : 2}`;
      const dockerfile = [
        `FROM ${pythonImage}`,
        'WORKDIR /app',
        `RUN cp -r "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" deps && echo ${seed} > deps/seed`,
        'COPY line.txt .',
        '',
      ];
      folder.write({ Dockerfile: dockerfile.join('\n'), 'line.txt': `line ${release} ${run}` });
      await buildImage(source, folder.spec(`${NAME}:${release}`), recordBuild().events, noSignal);
      // Nobody makes two releases in a second, and an image of the same second is looked at to see whether it is the same.
      await sleep(1000);
    }
  } finally {
    folder.remove();
  }
}

async function measureLine(
  lab: Lab,
  host: Host,
  builder: Builder,
  ours: readonly Way[],
  line: string,
  speed: Speed,
): Promise<Row[]> {
  const link = await lab.slowLink(host, speed);
  // Each line has a registry of its own: what was pushed to one before would count for less.
  const pulled = await registry(lab, builder);
  const rows: Row[] = [];
  try {
    for (const way of [...ours, pipeline(lab, builder), pulled]) {
      await host.fresh();
      const seen: Row[] = [];
      for (const { name, releases } of CASES) {
        // After the first time, which finds the host empty, it takes the same whatever changed.
        const known = way.alwaysTheSame ? seen[1] : undefined;
        const row = await (known ??
          measure(link, way, { line, builder: builder.name, what: name, releases, afterwards: way.afterwards }));
        seen.push({ ...row, what: name });
      }
      rows.push(...seen);
    }
  } finally {
    await pulled.stop();
    await link.close();
  }
  return rows;
}

interface Case {
  readonly line: string;
  readonly builder: string;
  readonly what: string;
  readonly releases: readonly (number | string)[];
  readonly afterwards: Way['afterwards'] | undefined;
}

async function measure(
  link: SlowLink & { readonly alias: string },
  way: Way,
  { line, builder, what, releases, afterwards }: Case,
): Promise<Row> {
  const runs: { readonly bytes: number; readonly seconds: number; readonly peakBytes: number }[] = [];
  for (const release of way.alwaysTheSame ? releases.slice(0, 1) : releases) {
    const before = link.bytes.up + link.bytes.down;
    const begin = performance.now();
    const { peakBytes = 0 } = await way.send(link.alias, `${NAME}:${release}`);
    const seconds = (performance.now() - begin) / 1000;
    const bytes = link.bytes.up + link.bytes.down - before;
    await afterwards?.(`${NAME}:${release}`);
    runs.push({ bytes, seconds, peakBytes });
    toStderr(`${line}, ${builder}, ${what}, ${way.name}: ${bytes} bytes, ${seconds.toFixed(2)} s, ${peakBytes}`);
  }
  const peakBytes = Math.max(...runs.map((run) => run.peakBytes));
  return {
    line,
    builder,
    what,
    way: way.name,
    ours: way.name.startsWith('ours'),
    bytes: median(runs.map((run) => run.bytes)),
    seconds: median(runs.map((run) => run.seconds)),
    peakBytes: peakBytes === 0 ? undefined : peakBytes,
  };
}

/** Memory must not grow with the image. Half of it compresses, half does not. */
async function measureLarge(
  lab: Lab,
  source: DockerEngine,
  host: Host,
  builder: Builder,
  ours: readonly Way[],
): Promise<Row[]> {
  const half = LARGE_BYTES / 2;
  const folder = new BuildFolder({
    Dockerfile: `FROM ${tinyImage}\nRUN head -c ${half} /dev/urandom > /noise\nRUN yes blue green | head -c ${half} > /text\n`,
  });
  await buildImage(source, folder.spec(`${NAME}:large`), recordBuild().events, noSignal);
  folder.remove();
  const link = await lab.slowLink(host, {});
  const rows: Row[] = [];
  for (const way of [...ours, pipeline(lab, builder)]) {
    await host.fresh();
    rows.push(
      await measure(link, way, {
        line: 'fast',
        builder: builder.name,
        what: '2 GB image',
        releases: ['large'],
        // Nothing comes after it that is measured, and a deployment would have broken it off.
        afterwards: undefined,
      }),
    );
  }
  await host.fresh();
  await link.close();
  return rows;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
