/** Images go from the local engine to every engine of the matrix as the layers that are missing there, or not at all. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildImage } from '../../src/docker/build';
import type { DockerEngine } from '../../src/docker/engine';
import { inspectImage, removeImage } from '../../src/docker/images';
import { isPushName } from '../../src/docker/pushedImage';
import { loadArchive } from '../../src/docker/load';
import { openSaved } from '../../src/docker/savedImage';
import { transferImage, type TransferOptions, type TransferResult } from '../../src/docker/transfer';
import { isLong, longTest, someOf } from '../long';
import { mustRun } from '../machines/command';
import { type DockerVersion, tinyImage } from '../machines/images';
import type { Host } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { startRegistry } from '../machines/registry';
import {
  BuildFolder,
  buildSmallApp,
  deployError,
  localEngine,
  noSignal,
  recordBuild,
  type RemoteEngine,
  remoteEngine,
  removeImages,
} from './engines';

// Of this run alone: another one may use the same engine at the same time.
const NAME = `blue-green-transfer-test-${process.pid}`;
const TEMPORARY = 'blue-green-incoming:transfer-test';

/** Root on Linux can put a process beside the engine of a test machine (nsenter(1)); nobody else can. */
const skip =
  process.platform === 'linux' && process.getuid?.() === 0 ? false : 'only root on Linux may enter a test machine';

let lab: Lab;
let source: DockerEngine;

before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  source = await localEngine(lab);
  await buildSmallApp(source, `${NAME}:1`, 'one');
  await buildSmallApp(source, `${NAME}:2`, 'two');
  await buildSmallApp(source, `${NAME}:large`, 'large', 40_000);
  await buildOneLayer();
  if (isLong) {
    await buildManyLayers();
  }
});
after(async () => {
  await removeImages(source, NAME);
  source.close();
  await lab.stop();
});

/** Two releases of an image with more than a hundred layers, empty ones and one that comes three times among them. */
async function buildManyLayers(): Promise<void> {
  const copies = Array.from({ length: 100 }, (_, n) => `COPY file${n} /`);
  const again = ['COPY file1 /', 'WORKDIR /empty', 'RUN true', 'COPY file1 /', 'WORKDIR /', 'COPY line.txt /'];
  const files = Object.fromEntries(copies.map((_, n) => [`file${n}`, `${n}`]));
  const Dockerfile = [`FROM ${tinyImage}`, 'RUN echo > /noise', ...copies, ...again, ''].join('\n');
  const folder = new BuildFolder({ Dockerfile, ...files, 'line.txt': 'many' });
  await buildImage(source, folder.spec(`${NAME}:many1`), recordBuild().events, noSignal);
  folder.write({ 'line.txt': 'more' });
  await buildImage(source, folder.spec(`${NAME}:many2`), recordBuild().events, noSignal);
  folder.remove();
}

/** An image of one layer alone, as `FROM scratch` and one COPY make it. */
async function buildOneLayer(): Promise<void> {
  const Dockerfile = `FROM ${tinyImage} AS all\nRUN echo > /noise\nCOPY line.txt /\nFROM scratch\nCOPY --from=all / /\n`;
  const folder = new BuildFolder({ Dockerfile, 'line.txt': 'alone' });
  await buildImage(source, folder.spec(`${NAME}:alone`), recordBuild().events, noSignal);
  folder.remove();
}

/** One more layer, of bytes that do not compress and their checksum. */
async function buildOnTop(base: string, tag: string, bytes: number): Promise<void> {
  const more = `head -c ${bytes} /dev/urandom > /more && md5sum /more > /sum`;
  const folder = new BuildFolder({ Dockerfile: `FROM ${base}\nRUN ${more}\n` });
  await buildImage(source, folder.spec(tag), recordBuild().events, noSignal);
  folder.remove();
}

/** Archives that the local engine has made of an image since then: the names of its events. */
async function archivesSince(since: Date, tag: string): Promise<string[]> {
  const id = (await inspectImage(source, tag, noSignal))?.id ?? '';
  const range = ['--since', since.toISOString(), '--until', new Date().toISOString()];
  const said = await mustRun('docker', ['events', ...range, '--format', '{{.Action}} {{.Actor.ID}}'], {
    env: { ...process.env, DOCKER_HOST: `unix://${lab.engine.socketPath}` },
  });
  return said.split('\n').filter((line) => line === `save ${id}`);
}

interface Sent {
  readonly result: TransferResult;
  readonly notes: readonly string[];
}

async function send(
  target: DockerEngine,
  tag: string,
  more: Partial<TransferOptions> = {},
  signal = noSignal,
  lookUp?: Parameters<typeof transferImage>[5],
): Promise<Sent> {
  const notes: string[] = [];
  const options: TransferOptions = {
    temporaryTag: TEMPORARY,
    finalTag: tag,
    onProgress: () => undefined,
    onNote: (text) => notes.push(text),
    ...more,
  };
  return { result: await transferImage(source, target, tag, options, signal, lookUp), notes };
}

/** Says of every image that all of it but the topmost layer is there. */
const liar: Parameters<typeof transferImage>[5] = (_target, { image }) => Promise.resolve(image.layers.length - 1);

async function tags(host: Host): Promise<string[]> {
  const out = await host.mustExec("docker images --format '{{.Repository}}:{{.Tag}}' | sort");
  return out.split('\n').filter((tag) => tag !== '');
}

/** Proves an image by a container that reads its files: the topmost layer's and the lowest's. */
async function readsLine(host: Host, tag: string): Promise<string> {
  // The log is kept by Docker: what `docker run` itself shows of a container that ends at once may be lost.
  const script = `id=$(docker run -d --network none ${tag} sh -c 'cat /line.txt; echo; wc -c < /noise') &&
    test "$(docker wait $id)" = 0; docker logs $id; docker rm $id >/dev/null`;
  return (await host.mustExec(script)).trim().split('\n')[0] ?? '';
}

const goals = new Map<DockerVersion, Promise<Host>>();

/** A machine that images are sent to, with nothing on it. There is one for each Docker: its start takes a while. */
async function goal(engine: DockerVersion): Promise<Host> {
  const starting = goals.get(engine) ?? lab.host({ engine }).then((it) => it.dockerReady());
  goals.set(engine, starting);
  const host = await starting;
  await host.fresh();
  return host;
}

for (const engine of someOf(['20.10', '26.1', '28.5'] as const, (it) => it !== '26.1')) {
  const onEachOrNewest = engine === '28.5' ? test : longTest;
  describe(`to Docker ${engine}`, () => {
    let host: Host;
    let remote: RemoteEngine;
    before(async () => {
      host = await goal(engine);
      remote = await remoteEngine(lab, host.name);
    });
    after(() => remote.close());

    test('the first image goes in full, a change of one line as its layer, the same image not at all', async () => {
      const first = (await send(remote.engine, `${NAME}:1`)).result;
      assert.equal(first.full, true);
      assert.equal(await readsLine(host, `${NAME}:1`), 'one');

      const wire = remote.transport.bytesSent;
      const second = (await send(remote.engine, `${NAME}:2`)).result;
      assert.deepEqual([second.full, second.sentLayers, second.reason], [false, 1, undefined]);
      assert.ok(remote.transport.bytesSent - wire < 20_000, `${remote.transport.bytesSent - wire} bytes on the wire`);
      assert.ok(second.sentBytes > 0 && second.sentBytes < 5_000, `${second.sentBytes} bytes of image data`);
      assert.equal(await readsLine(host, `${NAME}:2`), 'two');

      const third = (await send(remote.engine, `${NAME}:2`, { finalTag: `${NAME}:again` })).result;
      assert.deepEqual([third.sentBytes, third.sentLayers], [0, 0]);
      assert.equal(await readsLine(host, `${NAME}:again`), 'two');
      assert.deepEqual(await tags(host), [`${NAME}:1`, `${NAME}:2`, `${NAME}:again`]);
      const there = await inspectImage(remote.engine, `${NAME}:2`, noSignal);
      assert.deepEqual(there?.layers, (await inspectImage(source, `${NAME}:2`, noSignal))?.layers);
    });

    onEachOrNewest('an image of one layer goes in full once, and then not at all', async () => {
      await host.fresh();
      const first = (await send(remote.engine, `${NAME}:alone`)).result;
      assert.deepEqual([first.full, first.sentLayers, first.reason], [true, 1, undefined]);
      assert.equal(await readsLine(host, `${NAME}:alone`), 'alone');
      const again = (await send(remote.engine, `${NAME}:alone`, { finalTag: `${NAME}:again` })).result;
      assert.deepEqual([again.sentBytes, again.sentLayers], [0, 0]);
    });

    test('a host that lacks a layer it was thought to have gets the whole image', async () => {
      await host.fresh();
      const { result, notes } = await send(remote.engine, `${NAME}:2`, {}, noSignal, liar);
      assert.equal(result.full, true);
      assert.match(result.reason ?? '', /./);
      assert.match(notes.join(), /Sending the whole image/);
      assert.equal(await readsLine(host, `${NAME}:2`), 'two');
      assert.deepEqual(await tags(host), [`${NAME}:2`]);
    });

    onEachOrNewest('a name that another image has moves only when the new image is complete', async () => {
      await host.fresh();
      await send(remote.engine, `${NAME}:1`, { finalTag: `${NAME}:moving` });
      const { result } = await send(remote.engine, `${NAME}:2`, { finalTag: `${NAME}:moving` });
      assert.equal(result.sentLayers, 1);
      assert.equal(await readsLine(host, `${NAME}:moving`), 'two');
    });

    // Once for each store: registering so many layers takes its time.
    if (engine !== '20.10') {
      longTest(
        'more than a hundred layers, empty and repeated ones among them; some are there from another service',
        async () => {
          await host.fresh();
          await send(remote.engine, `${NAME}:1`);
          const first = (await send(remote.engine, `${NAME}:many1`)).result;
          assert.deepEqual([first.skippedLayers, first.reason], [1, undefined], 'the base is shared');
          assert.ok(first.sentLayers > 104, `${first.sentLayers} layers`);
          assert.equal(await readsLine(host, `${NAME}:many1`), 'many');
          const second = (await send(remote.engine, `${NAME}:many2`)).result;
          assert.deepEqual([second.sentLayers, second.reason], [1, undefined]);
          assert.equal(await readsLine(host, `${NAME}:many2`), 'more');
          assert.deepEqual(await tags(host), [`${NAME}:1`, `${NAME}:many1`, `${NAME}:many2`]);
        },
      );
    }

    onEachOrNewest(
      'a layer of some megabytes that is new in a large image is pushed, and goes as it was compressed',
      async () => {
        await host.fresh();
        const spare: ((signal: AbortSignal) => Promise<void>)[] = [];
        await send(remote.engine, `${NAME}:large`, { onSpareTime: (work) => spare.push(work) });
        await Promise.all(spare.map((work) => work(noSignal)));
        const grown = `${NAME}:grown-${engine}`;
        await buildOnTop(`${NAME}:large`, grown, 6_000_000);
        const [since, then] = [new Date(), await clockOf(host)];
        const { result, notes } = await send(remote.engine, grown);
        assert.deepEqual([result.sentLayers, result.reason, notes], [1, undefined, []]);
        assert.ok(result.sentBytes > 6_000_000 && result.sentBytes < 6_100_000, `${result.sentBytes} bytes`);
        assert.deepEqual(await archivesSince(since, grown), [], 'no archive was asked for');
        const loads = (await actionsSince(host, then)).filter((action) => action === 'load');
        assert.deepEqual(loads, ['load'], 'what came from here is not asked for by a probe');
        assert.equal(await readsLine(host, grown), 'large');
        await host.mustExec(`docker run --rm --network none ${grown} sh -c 'md5sum -c /sum'`);
        assert.deepEqual(await tags(host), [grown, `${NAME}:large`]);
      },
    );

    if (engine === '26.1') {
      test('what an engine compresses for the next time is broken off without a trace', { skip }, async () => {
        await host.fresh();
        const spare: ((signal: AbortSignal) => Promise<void>)[] = [];
        await send(remote.engine, `${NAME}:large`, { onSpareTime: (work) => spare.push(work) });
        const [work] = spare;
        assert.ok(work !== undefined);
        const names = async (): Promise<readonly string[]> =>
          (await inspectImage(source, `${NAME}:large`, noSignal))?.tags ?? [];
        // An earlier run that was killed may have left one: the image is made of the same layers each time.
        for (const name of (await names()).filter(isPushName)) {
          await removeImage(source, name, noSignal);
        }
        const control = new AbortController();
        let over = false;
        const ended = work(control.signal).finally(() => (over = true));
        while ((await names()).length === 1) {
          assert.ok(!over, 'it was over before it was seen to be at it');
          await sleep(10);
        }
        control.abort();
        await ended;
        assert.deepEqual(await names(), [`${NAME}:large`]);
      });
    }

    onEachOrNewest('a cancelled transfer leaves the tags as they were', async () => {
      await host.fresh();
      await send(remote.engine, `${NAME}:1`, { finalTag: `${NAME}:kept` });
      const control = new AbortController();
      const onProgress: TransferOptions['onProgress'] = ({ bytes }) => {
        if (bytes > 5_000_000) {
          control.abort();
        }
      };
      await assert.rejects(
        send(remote.engine, `${NAME}:large`, { finalTag: `${NAME}:kept`, onProgress }, control.signal),
        deployError('cancelled', /Cancelled/),
      );
      assert.deepEqual(await tags(host), [`${NAME}:kept`]);
      assert.equal(await readsLine(host, `${NAME}:kept`), 'one');
    });

    onEachOrNewest('a line cut in the middle is a plain error, and the tags are as they were', async () => {
      await host.fresh();
      const link = await lab.slowLink(host, {});
      const cut = await remoteEngine(lab, link.alias);
      let told = 0;
      const onProgress: TransferOptions['onProgress'] = ({ bytes }) => {
        told = bytes;
        if (bytes > 5_000_000) {
          link.cut();
        }
      };
      await assert.rejects(
        send(cut.engine, `${NAME}:large`, { onProgress }),
        deployError('transfer', /^The connection to .* was lost while the image was being sent\.$/, (error) =>
          assert.match(error.hint ?? '', /network/),
        ),
      );
      cut.close();
      assert.ok(told > 5_000_000);
      assert.deepEqual(await tags(host), []);
    });

    onEachOrNewest('two images at once do not meet', async () => {
      await host.fresh();
      await Promise.all([
        send(remote.engine, `${NAME}:1`, { temporaryTag: `${TEMPORARY}-a` }),
        send(remote.engine, `${NAME}:2`, { temporaryTag: `${TEMPORARY}-b` }),
      ]);
      assert.deepEqual([await readsLine(host, `${NAME}:1`), await readsLine(host, `${NAME}:2`)], ['one', 'two']);
      assert.deepEqual(await tags(host), [`${NAME}:1`, `${NAME}:2`]);
    });

    onEachOrNewest('a full disk is said in plain words', async () => {
      const small = await (await lab.host({ engine, name: `small-${engine}`, disk: '120m' })).dockerReady();
      const full = await remoteEngine(lab, small.name);
      await small.fillDisk(12_000_000);
      await assert.rejects(send(full.engine, `${NAME}:large`), deployError('transfer', /^The disk of .* is full\.$/));
      await small.freeDisk();
      assert.deepEqual(await tags(small), []);
      await send(full.engine, `${NAME}:1`);
      assert.equal(await readsLine(small, `${NAME}:1`), 'one');
      full.close();
      await small.remove();
    });
  });
}

/** Sends an image by the sender of the bench, with the network and the socket of that machine. */
async function sendFrom(host: Host, to: Host, tag: string, ...more: string[]): Promise<void> {
  const program = ['--import', 'tsx', path.join(__dirname, '../bench/sender.ts'), to.name, tag];
  const files = [lab.sshConfigFile, lab.knownHostsFile, lab.identityFile];
  const sender = [process.execPath, ...program, ...files, ...more];
  await mustRun('nsenter', [`--net=${await host.proc('ns/net')}`, ...sender], {
    env: { ...process.env, DOCKER_HOST: `unix://${await host.proc('root')}/run/docker.sock` },
  });
}

function clockOf(host: Host): Promise<string> {
  return host.mustExec('date +%s.%N');
}

/** What the engine of a machine has done since then, by the names of its events. */
async function actionsSince(host: Host, since: string): Promise<string[]> {
  const events = `docker events --since ${since.trim()} --until $(date +%s.%N) --format '{{.Action}}'`;
  return (await host.mustExec(events)).split('\n');
}

/** An engine that keeps layers pushes as well, as soon as it knows what they are when compressed. */
for (const version of ['20.10', '26.1'] as const) {
  const pushes = async (): Promise<void> => {
    const host = await (await lab.host({ engine: version, name: `pusher-${version}` })).dockerReady();
    await host.load(tinyImage);
    const remote = await remoteEngine(lab, host.name);
    const app = `${NAME}-${version}`;
    for (const release of ['one', 'two', 'three', 'four']) {
      await buildSmallApp(remote.engine, `${app}:${release}`, release, 3_000);
    }
    const isPushedName = (tag: string): boolean => tag.startsWith('127.0.0.1');
    const send = async (to: Host, release: string): Promise<string[]> => {
      const since = await clockOf(host);
      await sendFrom(host, to, `${app}:${release}`, 'learn');
      assert.equal(await readsLine(to, `${app}:${release}`), release);
      // What the host has, it can hand on as well: each layer is as long as its description says.
      await to.mustExec(`set -e; mkdir /tmp/saved; cd /tmp/saved; docker save ${app}:${release} | tar -x
        if [ -d blobs ]; then cd blobs/sha256; for it in *; do echo "$it  $it"; done | sha256sum --quiet -c; fi
        rm -r /tmp/saved`);
      assert.deepEqual((await tags(host)).filter(isPushedName), []);
      const actions = await actionsSince(host, since);
      return actions.filter((action) => action === 'push' || action === 'save').sort();
    };

    const [first, second, third] = [await goal('20.10'), await goal('28.5'), await goal('26.1')];
    assert.deepEqual(await send(first, 'one'), ['push', 'save'], 'nothing is known: the archive, then it learns');
    assert.deepEqual(await send(first, 'two'), ['push'], 'the table, and with it the layer that was never pushed');
    assert.deepEqual(await send(second, 'two'), ['push', 'save'], 'all is known, and too much of it is missing');
    assert.deepEqual(await send(second, 'three'), ['push']);
    assert.deepEqual(await send(third, 'two'), ['push', 'save']);
    assert.deepEqual(await send(third, 'three'), ['push', 'push'], 'known by now: the table, then the layer');
    // Three megabytes that do not compress and the engine does not know: of the rest, which it knows, nothing is read.
    await buildSmallApp(remote.engine, `${app}:five`, 'five', 3_001);
    assert.deepEqual(await send(second, 'five'), ['push']);
    // A host that does not say how long the layers are that it has.
    await second.fresh();
    const other = await remoteEngine(lab, second.name);
    const saved = await openSaved(remote.engine, `${app}:three`, noSignal);
    await loadArchive(other.engine, saved, () => undefined, noSignal);
    other.close();
    assert.deepEqual(await send(second, 'four'), ['push', 'save']);
    remote.close();
    await host.remove();
  };
  longTest(`layers of Docker ${version} that are small and missing are pushed, where it reaches this process`, pushes, {
    skip,
  });
}

// 26.1 does not yet say whether all of an image is there.
for (const version of someOf(['26.1', '28.5'] as const, (it) => it === '28.5')) {
  const reach = process.platform === 'linux' ? false : 'a test machine reaches a registry of this one on Linux only';
  describe(`containerd's store of Docker ${version}`, { skip: reach }, () => {
    let host: Host;
    let remote: RemoteEngine;
    /** A base image as a registry has it. */
    let base: string;
    before(async () => {
      host = await (
        await lab.host({ engine: version, store: 'containerd', name: `compressed-${version}` })
      ).dockerReady();
      remote = await remoteEngine(lab, host.name);
      base = await pullBase(host);
    });
    after(async () => {
      remote.close();
      await host.remove();
    });

    test('a base that the host has in compressed form only is no reason for a broken image', async () => {
      const { result } = await send(remote.engine, `${NAME}:1`);
      assert.equal(result.full, true);
      assert.equal(result.reason, undefined, 'it was asked for beforehand, not found out afterwards');
      assert.equal(await readsLine(host, `${NAME}:1`), 'one');
      assert.equal((await send(remote.engine, `${NAME}:2`)).result.sentLayers, 1);
      assert.equal(await readsLine(host, `${NAME}:2`), 'two');
      assert.deepEqual(await tags(host), [base, `${NAME}:1`, `${NAME}:2`].sort());
    });

    test('nor when nobody asked beforehand: the loaded image is looked at', async () => {
      for (const tag of ['1', '2']) {
        await removeImage(remote.engine, `${NAME}:${tag}`, noSignal);
      }
      const { result } = await send(remote.engine, `${NAME}:1`, {}, noSignal, () => Promise.resolve(1));
      assert.equal(result.full, true);
      assert.match(result.reason ?? '', /./);
      assert.equal(await readsLine(host, `${NAME}:1`), 'one');
    });

    if (version === '26.1') {
      test('a build says that this Docker cannot', async () => {
        const folder = new BuildFolder({ Dockerfile: `FROM ${base}\n` });
        await assert.rejects(
          buildImage(remote.engine, folder.spec(`${NAME}:never`), recordBuild().events, noSignal),
          deployError('build', /^Docker 26\.\S+ on .* cannot build while it keeps images in containerd\.$/),
        );
        folder.remove();
      });
      return;
    }

    /** Builds two releases there on the compressed base. */
    async function buildThere(): Promise<void> {
      const dockerfile = `FROM ${base}\nCOPY line.txt noise /\n`;
      const folder = new BuildFolder({ Dockerfile: dockerfile, 'line.txt': 'far', noise: 'x' });
      await buildImage(remote.engine, folder.spec(`${NAME}:far1`), recordBuild().events, noSignal);
      folder.write({ 'line.txt': 'farther' });
      await buildImage(remote.engine, folder.spec(`${NAME}:far2`), recordBuild().events, noSignal);
      folder.remove();
    }

    const pushes = async (): Promise<void> => {
      await buildThere();
      const index = `docker.io/library/${NAME}-pushed:1`;
      await buildIndex(host, base, index);
      const since = await clockOf(host);
      for (const engine of ['20.10', '28.5'] as const) {
        const to = await goal(engine);
        for (const tag of [`${NAME}:far1`, `${NAME}:far2`, index]) {
          await sendFrom(host, to, tag);
        }
        assert.equal(await readsLine(to, `${NAME}:far1`), 'far');
        assert.equal(await readsLine(to, `${NAME}:far2`), 'farther');
        assert.equal(await readsLine(to, index), 'native');
        // What the host has, it can hand on as well: each layer is as long as its description says.
        await to.mustExec(`docker save ${NAME}:far2 ${index} >/dev/null`);
        assert.deepEqual(
          (await tags(to)).filter((tag) => tag.startsWith('blue-green-incoming')),
          [],
        );
      }
      const actions = await actionsSince(host, since);
      assert.equal(
        actions.filter((action) => action === 'push').length,
        12,
        'for each image its table, then its layers',
      );
      assert.ok(!actions.includes('save'));
      assert.deepEqual(
        (await tags(host)).filter((tag) => tag.startsWith('127.0.0.1')),
        [],
      );
    };
    test('is a source that pushes what is missing, and nothing else, where it reaches this process', { skip }, pushes);

    for (const engine of someOf(['20.10', '26.1', '28.5'] as const, (it) => it === '26.1')) {
      test(`is a source as well: its compressed layers arrive on Docker ${engine}`, async () => {
        await buildThere();
        const to = await goal(engine);
        const target = await remoteEngine(lab, to.name);
        const bring = (tag: string): Promise<TransferResult> => {
          const onNote = (text: string): never => assert.fail(text);
          const options = { temporaryTag: TEMPORARY, finalTag: tag, onProgress: () => undefined, onNote };
          return transferImage(remote.engine, target.engine, tag, options, noSignal);
        };
        const first = await bring(`${NAME}:far1`);
        const second = await bring(`${NAME}:far2`);
        assert.deepEqual([first.full, second.full, second.sentLayers], [true, false, 1]);
        assert.equal(await readsLine(to, `${NAME}:far1`), 'far');
        assert.equal(await readsLine(to, `${NAME}:far2`), 'farther');

        const index = `docker.io/library/${NAME}-index:1`;
        await buildIndex(host, base, index);
        await bring(index);
        assert.equal(await readsLine(to, index), 'native');
        const there = await inspectImage(target.engine, index, noSignal);
        assert.equal(`${there?.os}/${there?.architecture}`, remote.engine.info.platform);
        target.close();
      });
    }
  });
}

/** Has a machine pull the tiny image from a registry: its layers are there in compressed form only. Returns its name. */
async function pullBase(host: Host): Promise<string> {
  const registry = await startRegistry({ address: lab.address });
  const name = `${lab.address}:${registry.port}/base:1`;
  // One that keeps layers compresses them for a registry.
  const pusher = await (await lab.host({ engine: '20.10', name: `base-of-${host.name}` })).dockerReady();
  try {
    await pusher.load(tinyImage);
    await pusher.mustExec(`docker tag ${tinyImage} ${name} && docker push --quiet ${name}`);
    await host.mustExec(`docker pull --quiet ${name}`);
  } finally {
    await pusher.remove();
    await registry.stop();
  }
  return name;
}

/** Builds an index of two platforms, each with an attestation, with the buildx command of a machine. */
async function buildIndex(host: Host, base: string, tag: string): Promise<void> {
  const native = (await host.mustExec('docker version -f {{.Server.Arch}}')).trim();
  const foreign = native === 'arm64' ? 'amd64' : 'arm64';
  const dockerfile = `ARG TARGETARCH
FROM ${base} AS for-${native}
COPY <<end /line.txt
native
end
COPY <<end /noise
x
end
FROM scratch AS for-${foreign}
COPY <<end /line.txt
foreign
end
FROM for-\${TARGETARCH}
`;
  const platforms = `linux/${native},linux/${foreign}`;
  await host.mustExec(`docker buildx build --quiet --provenance=true --platform ${platforms} -t ${tag} -`, dockerfile);
  const manifests = await host.mustExec(
    `curl -sf --unix-socket /run/docker.sock 'http://docker/v1.48/images/${tag}/json?manifests=true'`,
  );
  assert.equal(manifests.match(/"Kind":"attestation"/g)?.length, 2, manifests);
}
