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
import { sum } from '../../src/docker/parts';
import { type Lab, startLab } from '../machines/lab';
import { toStderr } from '../machines/log';
import type { SlowLink, Speed } from '../machines/slowLink';
import { brokenClaims, median, report, type Row, writeReport } from './transferReport';
import { type Builder, ourWay, pipeline, registry, type Way } from './ways';

const NAME = 'blue-green-bench';
const LARGE_BYTES = 2_000_000_000;

interface Line {
  readonly name: string;
  readonly speed: Speed;
  /** How often all is done from the beginning, on hosts that have nothing: where the line is fast, other work weighs more. */
  readonly rounds: number;
}

const LINES: readonly Line[] = [
  { name: 'slow', speed: { bytesPerSecond: 1_250_000, latencyMs: 20 }, rounds: 1 },
  { name: 'fast', speed: {}, rounds: 3 },
];

/** Releases with the same dependencies: in the first one all is new, in each of the others a line. */
const FIRST = 1;
const LINE_CHANGED = [2, 3, 4, 5, 6];
const NOTHING_CHANGED = 5;
/** What an engine that keeps layers has pushed once it knows: each line, round and way has a release of its own. */
const MOST_WAYS = 4;

/** In this order on a host that has none of it. Short cases several times, as other work weighs on each by chance. */
function casesOf(newDependencies: number): readonly { readonly name: string; readonly releases: readonly number[] }[] {
  return [
    { name: 'first deployment', releases: [FIRST] },
    { name: 'one line changed', releases: LINE_CHANGED },
    { name: 'dependencies changed', releases: [newDependencies] },
    { name: 'nothing changed', releases: Array.from({ length: NOTHING_CHANGED }, () => newDependencies) },
  ];
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { write: { type: 'boolean' } }, allowPositionals: true });
  const wanted = (name: string): boolean => positionals.length === 0 || positionals.includes(name);
  const lab = await startLab();
  try {
    await lab.images(pythonImage, tinyImage);
    const { node } = await installEditor();
    const hosts = await Promise.all(
      Array.from({ length: MOST_WAYS }, async (_, index) =>
        (await lab.host({ engine: '28.5', name: `goal-${index}`, disk: 'lasting' })).dockerReady(),
      ),
    );
    const rows: Row[] = [];
    for (const builder of await builders(lab)) {
      const source = await connectLocalEngine(noSignal, { DOCKER_HOST: `unix://${builder.socketPath}` });
      const lines = LINES.filter((line) => wanted(line.name));
      const others = Array.from(
        { length: sum(lines.map(({ rounds }) => rounds)) * MOST_WAYS },
        (_, index) => LINE_CHANGED.length + 2 + index,
      );
      await buildImages(source, [FIRST, ...LINE_CHANGED, ...others]);
      const zstd = await ourWay(lab, builder, source, 'ours, zstd', node);
      // What an older Node does is seen well enough with one builder.
      const ours =
        builder.host === undefined
          ? [await ourWay(lab, builder, source, 'ours, gzip', process.execPath), zstd]
          : [zstd];
      for (const line of lines) {
        const nextRelease = (): number => others.shift() ?? 0;
        rows.push(...(await measureLine(lab, hosts.slice(0, ours.length + 2), builder, ours, line, nextRelease)));
      }
      const [host] = hosts;
      if (wanted('large') && builder.host === undefined && host !== undefined) {
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

/** Releases of an app: a base, dependencies that compress as text and programs do, and a line of code on top. */
async function buildImages(source: DockerEngine, releases: readonly number[]): Promise<void> {
  const folder = new BuildFolder({});
  // What an earlier run has built is of that time, and the engine may know it from pushes.
  const run = Date.now();
  try {
    for (const release of releases) {
      const seed = `${run} ${release === FIRST || LINE_CHANGED.includes(release) ? '' : release}`;
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

/** Every way has a host of its own and takes its turn at each release, so that what else the machine does weighs on all. */
async function measureLine(
  lab: Lab,
  hosts: readonly Host[],
  builder: Builder,
  ours: readonly Way[],
  { name: line, speed, rounds }: Line,
  nextRelease: () => number,
): Promise<Row[]> {
  const links = await Promise.all(hosts.map((host) => lab.slowLink(host, speed)));
  const runs: Measured[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      // Each round has a registry of its own: what was pushed to one before would count for less.
      const pulled = await registry(lab, builder);
      const ways = [...ours, pipeline(lab, builder), pulled];
      await Promise.all(hosts.map((host) => host.fresh()));
      const turns = ways.flatMap((way, index) => turnsOf(way, links[index], nextRelease()));
      for (const { way, link, what, image } of turns.sort((a, b) => a.at - b.at)) {
        const taken = await measure(link, way.send, image);
        await way.afterwards?.(image);
        runs.push({ way, what, ...taken });
        toStderr(`${line}, ${builder.name}, ${what}, ${way.name}: ${JSON.stringify(taken)}`);
      }
      await pulled.stop();
    }
  } finally {
    await Promise.all(links.map((link) => link.close()));
  }
  const names = [...new Set(runs.map(({ way }) => way.name))];
  return names.flatMap((name) =>
    casesOf(0).map(({ name: what }) => {
      const own = runs.filter(({ way }) => way.name === name);
      const seen = own.filter((run) => run.what === what);
      // The last of a way that takes the same whatever changed.
      return rowOf(line, builder, what, seen.length > 0 ? seen : own.filter((run) => run.what === own.at(-1)?.what));
    }),
  );
}

interface Turn {
  readonly at: number;
  readonly way: Way;
  readonly link: Link;
  readonly what: string;
  readonly image: string;
}

/** What a way does in a round. One that takes the same whatever changed does it on an empty host and on one that is not. */
function turnsOf(way: Way, link: Link | undefined, newDependencies: number): Turn[] {
  const turns = casesOf(newDependencies).flatMap(({ name: what, releases }) =>
    releases.map((release) => ({ way, what, image: `${NAME}:${release}` })),
  );
  const own = way.alwaysTheSame ? turns.slice(0, 2) : turns;
  return link === undefined ? [] : own.map((turn, at) => ({ at, link, ...turn }));
}

type Link = SlowLink & { readonly alias: string };

interface Taken {
  /** Of both directions. */
  readonly bytes: number;
  readonly seconds: number;
  readonly peakBytes: number;
}

interface Measured extends Taken {
  readonly way: Way;
  readonly what: string;
}

async function measure(link: Link, send: Way['send'], image: string): Promise<Taken> {
  const before = link.bytes.up + link.bytes.down;
  const begin = performance.now();
  const { peakBytes = 0 } = await send(link.alias, image);
  const seconds = (performance.now() - begin) / 1000;
  return { bytes: link.bytes.up + link.bytes.down - before, seconds, peakBytes };
}

function rowOf(line: string, builder: Builder, what: string, runs: readonly Omit<Measured, 'what'>[]): Row {
  const way = runs[0]?.way.name ?? '';
  const peakBytes = Math.max(...runs.map((run) => run.peakBytes));
  return {
    line,
    builder: builder.name,
    what,
    way,
    ours: way.startsWith('ours'),
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
    // Nothing comes after it that is measured, and a deployment would have broken off what is done then.
    rows.push(rowOf('fast', builder, '2 GB image', [{ way, ...(await measure(link, way.send, `${NAME}:large`)) }]));
  }
  await host.fresh();
  await link.close();
  return rows;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
