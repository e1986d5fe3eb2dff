/** Everything but the transfer of images, on the engines themselves: connecting, containers, exec, logs, files, builds. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { chmodSync, createWriteStream, existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { extract } from 'tar-stream';
import { buildImage } from '../../src/docker/build';
import { connectLocalEngine, connectRemoteEngine } from '../../src/docker/connect';
import {
  containerLogs,
  type ContainerSpec,
  createContainer,
  execInContainer,
  inspectContainer,
  lastLines,
  listContainers,
  type LogLine,
  lastLinesIfAny,
  readFileInContainer,
  readFolderInContainer,
  removeContainer,
  renameContainer,
  setRestartPolicy,
  startContainer,
  stopContainer,
  writeFileInContainer,
} from '../../src/docker/containers';
import type { DockerEngine } from '../../src/docker/engine';
import { DockerError, isConflict, isNotFound } from '../../src/docker/errors';
import { loadEmptyImage } from '../../src/docker/emptyImage';
import { inspectImage, listImages, removeImage, tagImage } from '../../src/docker/images';
import { pullImage, pushImage, registryAuth } from '../../src/docker/registry';
import { connectToNetwork, ensureNetwork, removeNetwork } from '../../src/docker/networks';
import { followLogs } from '../../src/engine/followLogs';
import { someOf } from '../long';
import { hostImage, tinyImage } from '../machines/images';
import type { Host } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { type Registry, startRegistry } from '../machines/registry';
import {
  BuildFolder,
  deployError,
  localEngine,
  loginTo,
  noSignal,
  recordBuild,
  type RemoteEngine,
  remoteEngine,
  removeImages,
} from './engines';

const run = promisify(execFile);
const NAME = 'blue-green-docker-test';
/** Debian's own docker command has the builder of old and BuildKit, both without a plugin. */
const OWN_DOCKER = '/usr/bin/docker';
const EXEC = { timeoutMs: 20_000, signal: noSignal };

let lab: Lab;
before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
});
after(() => lab.stop());

function spec(name: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
  return { name, image: tinyImage, labels: {}, env: {}, volumes: [], network: 'none', restart: 'no', ...more };
}

for (const version of someOf(['20.10', '26.1', '28.5'] as const, (it) => it === '28.5')) {
  describe(`Docker ${version} through SSH`, () => {
    let host: Host;
    let remote: RemoteEngine;
    let engine: DockerEngine;
    before(async () => {
      host = await (await lab.host({ engine: version })).dockerReady();
      await host.load(tinyImage);
      remote = await remoteEngine(lab, host.name);
      engine = remote.engine;
    });
    after(async () => {
      remote.close();
      await host.remove();
    });

    async function started(name: string, script: string, more: Partial<ContainerSpec> = {}): Promise<string> {
      const id = await createContainer(engine, spec(name, { command: ['sh', '-c', script], ...more }), noSignal);
      await startContainer(engine, id, noSignal);
      return id;
    }

    test('the engine says what it is', async () => {
      assert.ok(engine.info.version.startsWith(version));
      assert.match(engine.info.platform, /^linux\/(amd64|arm64)$/);
      assert.equal(engine.info.store, version === '28.5' ? 'containerd' : 'layers');
      assert.equal(engine.info.name, host.name);
      assert.ok((await engine.ping(noSignal)) < 1000);
    });

    test('a container is created as asked, and everything about it can be read', async () => {
      const id = await createContainer(
        engine,
        spec(`${NAME}-full`, {
          labels: { 'a.b': 'c "d" $e' },
          env: { GREETING: 'hello = world', EMPTY: '' },
          command: ['httpd', '-f', '-p', '8080'],
          user: '7:8',
          volumes: ['/tmp:/host-tmp:ro', `${NAME}-data:/data`],
          network: 'bridge',
          restart: 'unless-stopped',
          publish: [{ hostPort: 18_080, containerPort: 8080 }],
          memoryBytes: 64 * 1024 * 1024,
          cpus: 0.5,
          extraHosts: ['db:10.1.2.3'],
          stopGraceSeconds: 3,
        }),
        noSignal,
      );
      const created = await inspectContainer(engine, id, noSignal);
      assert.deepEqual([created?.state, created?.running, created?.startedAt], ['created', false, 0]);
      await startContainer(engine, id, noSignal);
      await startContainer(engine, id, noSignal);
      const details = await inspectContainer(engine, `${NAME}-full`, noSignal);
      assert.ok(details !== undefined);
      assert.equal(details.running, true);
      assert.equal(details.labels['a.b'], 'c "d" $e');
      assert.ok(details.env.includes('GREETING=hello = world') && details.env.includes('EMPTY='));
      assert.deepEqual(details.ports, [{ hostPort: 18_080, containerPort: 8080, hostIp: '' }]);
      assert.deepEqual(details.exposedPorts, [8080]);
      assert.equal(details.restart, 'unless-stopped');
      assert.ok(details.startedAt >= details.createdAt);
      assert.match(details.networks['bridge']?.ipAddress ?? '', /^\d+\.\d+\.\d+\.\d+$/);
      assert.deepEqual(
        details.mounts.map(({ type, source, target, readOnly }) => [type, source, target, readOnly]).sort(),
        [
          ['bind', '/tmp', '/host-tmp', true],
          ['volume', `${NAME}-data`, '/data', false],
        ],
      );
      const { stdout } = await execInContainer(engine, id, ['sh', '-c', 'id -u; id -g; grep -w db /etc/hosts'], EXEC);
      assert.match(stdout, /^7\n8\n10\.1\.2\.3\s+db\n$/);
      await setRestartPolicy(engine, id, 'no', noSignal);
      await renameContainer(engine, id, `${NAME}-renamed`, noSignal);
      const [listed] = await listContainers(engine, { labels: ['a.b=c "d" $e'] }, noSignal);
      assert.deepEqual([listed?.id, listed?.name, listed?.state], [id, `${NAME}-renamed`, 'running']);
      assert.deepEqual(await listContainers(engine, { names: ['renamed'] }, noSignal), [], 'names match as a whole');
      await stopContainer(engine, id, 2, noSignal);
      await stopContainer(engine, id, 2, noSignal);
      assert.equal((await inspectContainer(engine, id, noSignal))?.restart, 'no');
      await removeContainer(engine, id, { force: false }, noSignal);
      await removeContainer(engine, id, { force: true }, noSignal);
      await stopContainer(engine, id, 2, noSignal);
      assert.equal(await inspectContainer(engine, id, noSignal), undefined);
    });

    test('refusals can be told apart', async () => {
      const id = await createContainer(engine, spec(`${NAME}-taken`), noSignal);
      await assert.rejects(createContainer(engine, spec(`${NAME}-taken`), noSignal), isConflict);
      await assert.rejects(createContainer(engine, spec(`${NAME}-x`, { image: 'no-such:1' }), noSignal), isNotFound);
      await assert.rejects(execInContainer(engine, id, ['true'], EXEC), isConflict);
      await assert.rejects(execInContainer(engine, 'no-such', ['true'], EXEC), isNotFound);
      await assert.rejects(startContainer(engine, 'no-such', noSignal), isNotFound);
      await removeContainer(engine, id, { force: true }, noSignal);
    });

    test('exec: exit code, both outputs, no input, a missing program, a limit, many at once', async () => {
      const id = await started(`${NAME}-exec`, 'sleep 600');
      const answer = await execInContainer(engine, id, ['sh', '-c', 'cat; echo $GREETING; echo oops >&2; exit 3'], {
        ...EXEC,
        env: { GREETING: "it's $HOME ü" },
      });
      assert.deepEqual(answer, { exitCode: 3, stdout: "it's $HOME ü\n", stderr: 'oops\n' });
      const large = await execInContainer(engine, id, ['sh', '-c', 'head -c 3000000 /dev/zero'], EXEC);
      assert.equal(large.stdout.length, 3_000_000);
      assert.ok([126, 127].includes((await execInContainer(engine, id, ['no-such-program'], EXEC)).exitCode));
      const begin = performance.now();
      const slow = execInContainer(engine, id, ['sleep', '30'], { ...EXEC, timeoutMs: 300 });
      await assert.rejects(slow, /sleep in the container did not end within 0\.3 s/);
      assert.ok(performance.now() - begin < 5000);
      const control = new AbortController();
      const aborted = execInContainer(engine, id, ['sleep', '30'], { timeoutMs: 60_000, signal: control.signal });
      setTimeout(() => control.abort(), 200);
      await assert.rejects(aborted, deployError('cancelled', /Cancelled/));
      const many = Array.from({ length: 40 }, async (_, i) => {
        const { stdout } = await execInContainer(engine, id, ['echo', String(i)], { ...EXEC, timeoutMs: 60_000 });
        return stdout === `${i}\n`;
      });
      assert.ok((await Promise.all(many)).every(Boolean));
      await removeContainer(engine, id, { force: true }, noSignal);
    });

    test('logs: both streams with times, the tail, a long line cut, following until the end, breaking off', async () => {
      const script = 'echo first; echo second >&2; head -c 20000 /dev/zero | tr "\\0" x; echo; printf unfinished';
      const id = await started(`${NAME}-logs`, script);
      await until('it has ended', async () => (await inspectContainer(engine, id, noSignal))?.running === false);
      const lines = await collect(containerLogs(engine, id, { follow: false }, noSignal));
      const of = (stream: string): string[] => lines.filter((it) => it.stream === stream).map((it) => it.text);
      assert.deepEqual(of('stderr'), ['second']);
      assert.equal(of('stdout')[0], 'first');
      assert.ok((of('stdout')[1] ?? '').length < 8300 && of('stdout')[1]?.endsWith('…'), 'a long line is cut');
      assert.equal(of('stdout').at(-1), 'unfinished');
      assert.ok(lines.every((line) => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(line.time)));
      assert.deepEqual(await lastLines(engine, id, 1, noSignal), ['unfinished']);
      await removeContainer(engine, id, { force: true }, noSignal);

      const ticking = await started(`${NAME}-ticks`, 'for i in 1 2 3; do echo tick $i; sleep 0.3; done');
      const followed = await collect(containerLogs(engine, ticking, { follow: true, tail: 10 }, noSignal));
      assert.deepEqual(
        followed.map((line) => line.text),
        ['tick 1', 'tick 2', 'tick 3'],
      );
      await removeContainer(engine, ticking, { force: true }, noSignal);

      const endless = await started(`${NAME}-endless`, 'while true; do echo again; sleep 0.05; done');
      const control = new AbortController();
      const following = collect(containerLogs(engine, endless, { follow: true }, control.signal));
      setTimeout(() => control.abort(), 300);
      await assert.rejects(following, deployError('cancelled', /Cancelled/));
      for await (const line of containerLogs(engine, endless, { follow: true, tail: 1 }, noSignal)) {
        assert.equal(line.text, 'again');
        break;
      }
      await removeContainer(engine, endless, { force: true }, noSignal);
    });

    test('logs of a container with a terminal have no frames', async () => {
      const name = `${NAME}-tty`;
      await host.mustExec(
        `docker run -t --name ${name} --network none ${tinyImage} sh -c 'echo on a terminal; echo two'`,
      );
      assert.deepEqual(await lastLines(engine, name, 5, noSignal), ['on a terminal', 'two']);
      await removeContainer(engine, name, { force: true }, noSignal);
    });

    test('lines that go with a failure are none where Docker keeps no log', async () => {
      const id = await host.mustExec(`docker run -d --log-driver none --network none ${tinyImage} sh -c 'echo lost'`);
      await assert.rejects(lastLines(engine, id.trim(), 5, noSignal), DockerError);
      assert.deepEqual(await lastLinesIfAny(engine, id.trim(), 5), []);
      await removeContainer(engine, id.trim(), { force: true }, noSignal);
    });

    test('who follows a log from its end sees nothing of before', async () => {
      const name = `${NAME}-follow`;
      await started(name, 'echo before; sleep 3; echo after; sleep 600');
      await until('it has begun', async () => (await lastLines(engine, name, 1, noSignal))[0] === 'before');
      for await (const { text } of followLogs({ name: 'host', engine }, [name], 0, noSignal)) {
        assert.equal(text, 'after');
        break;
      }
      await removeContainer(engine, name, { force: true }, noSignal);
    });

    test('files of a container that never ran are written and read', async () => {
      const labels = { 'x.y': 'quote " dollar $HOME' };
      await Promise.all([1, 2, 3].map(() => loadEmptyImage(engine, `${NAME}-empty:1`, noSignal, labels)));
      assert.equal((await inspectImage(engine, `${NAME}-empty:1`, noSignal))?.labels['x.y'], 'quote " dollar $HOME');
      const id = await createContainer(
        engine,
        spec(`${NAME}-lock`, { image: `${NAME}-empty:1`, command: ['/x'] }),
        noSignal,
      );
      assert.equal(await readFileInContainer(engine, id, '/heartbeat', noSignal), undefined);
      await writeFileInContainer(engine, id, '/heartbeat', 'one', noSignal);
      await writeFileInContainer(engine, id, '/heartbeat', 'two ü\n', noSignal);
      assert.equal(await readFileInContainer(engine, id, '/heartbeat', noSignal), 'two ü\n');
      await assert.rejects(writeFileInContainer(engine, id, '/no/such/folder/f', 'x', noSignal), isNotFound);
      await removeContainer(engine, id, { force: true }, noSignal);
      await removeImage(engine, `${NAME}-empty:1`, noSignal);
      assert.equal(await host.mustExec('docker images -q --filter dangling=true'), '', 'made three times, it was one');
      const running = await started(`${NAME}-links`, 'ln -s www/../real /link; echo real > /real; sleep 600');
      await until('the link is there', async () => {
        const { exitCode } = await execInContainer(
          engine,
          running,
          ['sh', '-c', 'test -L /link && test -s /real'],
          EXEC,
        );
        return exitCode === 0;
      });
      assert.equal(await readFileInContainer(engine, running, '/link', noSignal), 'real\n');
      await execInContainer(engine, running, ['sh', '-c', 'mkdir -p /f/g && echo 1 > /f/a && cp /f/a /f/g/b'], EXEC);
      assert.deepEqual(await readFolderInContainer(engine, running, '/f', noSignal), [
        { path: '/f/a', text: '1\n' },
        { path: '/f/g/b', text: '1\n' },
      ]);
      assert.deepEqual(await readFolderInContainer(engine, running, '/no-such-folder', noSignal), []);
      await removeContainer(engine, running, { force: true }, noSignal);
    });

    test('networks are made once, and connecting twice is fine', async () => {
      const made = await Promise.all(
        [1, 2, 3].map(() => ensureNetwork(engine, `${NAME}-net`, { 'n.m': 'o' }, noSignal)),
      );
      assert.equal(made.filter((it) => it === 'created').length, 1);
      assert.equal(
        (await host.mustExec(`docker network ls -q --filter name=${NAME}-net`)).trim().split('\n').length,
        1,
      );
      const id = await started(`${NAME}-member`, 'sleep 600', { network: 'bridge' });
      await connectToNetwork(engine, `${NAME}-net`, id, noSignal);
      await connectToNetwork(engine, `${NAME}-net`, id, noSignal);
      assert.match((await inspectContainer(engine, id, noSignal))?.networks[`${NAME}-net`]?.ipAddress ?? '', /\d/);
      await assert.rejects(connectToNetwork(engine, 'no-such-net', id, noSignal), isNotFound);
      assert.equal(await removeNetwork(engine, `${NAME}-net`, noSignal), 'in-use');
      await removeContainer(engine, id, { force: true }, noSignal);
      assert.equal(await removeNetwork(engine, `${NAME}-net`, noSignal), 'removed');
      assert.equal(await removeNetwork(engine, `${NAME}-net`, noSignal), 'absent');
    });

    if (version === '20.10') {
      test('two networks of one name, as two first deployments at once may make them, stop no container', async () => {
        const network = `${NAME}-twice`;
        const two = async (): Promise<readonly string[]> => {
          // Docker's command asks for no second one; the API does as it is told.
          const make = `curl -s --unix-socket /var/run/docker.sock -H 'Content-Type: application/json' -d '{"Name":"${network}"}' http://d/networks/create`;
          return [await host.mustExec(make), await host.mustExec(make)].map((it) => /"Id":"(\w+)"/.exec(it)?.[1] ?? it);
        };
        const joined = async (id: string): Promise<string | undefined> =>
          (
            await host.mustExec(`docker inspect -f '{{range .NetworkSettings.Networks}}{{.NetworkID}}{{end}}' ${id}`)
          ).trim();
        const left = async (): Promise<string> =>
          (await host.mustExec(`docker network ls -q --no-trunc --filter name=${network}`)).trim();

        const [oldest] = await two();
        const first = await started(`${network}-1`, 'sleep 600', { network });
        assert.deepEqual([await joined(first), await left()], [oldest, oldest]);
        await removeContainer(engine, first, { force: true }, noSignal);
        await removeNetwork(engine, network, noSignal);

        // The one that a container has joined stays, though the other is older.
        const [, second = ''] = await two();
        const holder = await started(`${network}-2`, 'sleep 600', { network: 'bridge' });
        await host.mustExec(`docker network connect ${second} ${holder}`);
        const other = await started(`${network}-3`, 'sleep 600', { network });
        assert.deepEqual([await joined(other), await left()], [second, second]);
        await two();
        const member = await started(`${network}-4`, 'sleep 600', { network: 'bridge' });
        await connectToNetwork(engine, network, member, noSignal);
        assert.equal(await left(), second);
        for (const id of [other, member, holder]) {
          await removeContainer(engine, id, { force: true }, noSignal);
        }
        await removeNetwork(engine, network, noSignal);
      });
    }

    test('images: tags move, removing twice is fine, a pull that cannot work says why', async () => {
      await tagImage(engine, tinyImage, `${NAME}:a`, noSignal);
      const image = await inspectImage(engine, `${NAME}:a`, noSignal);
      assert.deepEqual([image?.os, image?.layers.length, image?.exposedPorts], ['linux', 1, [8080]]);
      assert.deepEqual(
        (await listImages(engine, { references: [NAME] }, noSignal)).map((it) => it.id),
        [image?.id],
      );
      await removeImage(engine, `${NAME}:a`, noSignal);
      await removeImage(engine, `${NAME}:a`, noSignal);
      assert.equal(await inspectImage(engine, `${NAME}:a`, noSignal), undefined);
      assert.notEqual(await inspectImage(engine, tinyImage, noSignal), undefined);
      const pull = pullImage(engine, 'localhost:1/no-such:1', () => undefined, noSignal);
      await assert.rejects(pull, /connection refused|connect:/);
    });

    test('a build: lines, steps, labels, arguments; a secret one is not shown', async () => {
      const folder = new BuildFolder({
        Dockerfile: `FROM ${tinyImage}\nARG API_TOKEN\nARG COLOUR\nRUN echo "colour $COLOUR"; echo "token $API_TOKEN"; echo late >&2\nCOPY a.txt /a.txt\n`,
        'a.txt': 'a',
      });
      const record = recordBuild();
      const args = { API_TOKEN: 's3cr3t-value', COLOUR: 'teal' };
      const id = await buildImage(
        engine,
        folder.spec(`${NAME}:built`, { args, labels: { 'l.m': 'n' } }),
        record.events,
        noSignal,
      );
      folder.remove();
      const image = await inspectImage(engine, `${NAME}:built`, noSignal);
      assert.equal(image?.labels['l.m'], 'n');
      assert.equal(image.id, id);
      const text = record.lines.join('\n');
      assert.match(text, /^info: \[2\/3\] RUN echo/m);
      assert.match(text, /^info: colour teal$/m);
      assert.match(text, /^info: late$/m);
      assert.match(text, /^info: token \*\*\*$/m);
      assert.ok(!text.includes('s3cr3t'), text);
      assert.deepEqual(record.steps.at(-1), [3, 3]);
      await removeImage(engine, `${NAME}:built`, noSignal);
    });

    test('a build: a stage of several, a cache that stays, and files within the Dockerfile', async () => {
      const folder = new BuildFolder({
        Dockerfile: `FROM ${tinyImage} AS wanted
ARG STAMP
RUN --mount=type=cache,id=${NAME},target=/cache echo $STAMP >> /cache/log; echo "cached $(wc -l < /cache/log)"
FROM wanted
RUN exit 1
`,
      });
      const record = recordBuild();
      for (const STAMP of ['1', '2']) {
        const order = folder.spec(`${NAME}:target`, { target: 'wanted', args: { STAMP } });
        await buildImage(engine, order, record.events, noSignal);
      }
      assert.deepEqual(
        record.lines.filter((line) => line.includes(' cached ')),
        ['info: cached 1', 'info: cached 2'],
      );
      folder.write({
        Dockerfile: `FROM ${tinyImage}\nCOPY <<FILE /made\nmade here\nFILE\nRUN <<SCRIPT\ncat /made\necho twice\nSCRIPT\n`,
      });
      const heredoc = buildImage(engine, folder.spec(`${NAME}:target`), record.events, noSignal);
      if (version === '20.10') {
        await assert.rejects(heredoc, deployError('build', /mistake in line 3: Unknown instruction: MADE/));
      } else {
        await heredoc;
        const said = record.lines.filter((line) => /^info: (?:made here|twice)$/.test(line));
        assert.deepEqual(said, ['info: made here', 'info: twice']);
      }
      folder.remove();
      await removeImage(engine, `${NAME}:target`, noSignal);
    });

    const mistakes: readonly { what: string; dockerfile: string; line: number; sentence: RegExp; target?: string }[] = [
      {
        what: 'a step that fails',
        dockerfile: `FROM ${tinyImage} AS one\nRUN true\n\nFROM ${tinyImage}\n# a comment\nCOPY --from=one /bin/sh /x\nRUN echo why it fails \\\n  # in between\n  && exit 7\n`,
        line: 7,
        sentence: /line 7: `RUN echo why it fails && exit 7` ended with code 7\./,
      },
      {
        what: 'an unknown instruction',
        dockerfile: `FROM ${tinyImage}\n\nRUNN true\n`,
        line: 3,
        sentence: /mistake in line 3: Unknown instruction: RUNN/,
      },
      {
        what: 'a file that is not there',
        dockerfile: `FROM ${tinyImage}\nRUN true\nCOPY missing.txt /x\n`,
        line: 3,
        sentence: /line 3: missing\.txt is not in the build context\./,
      },
      {
        what: 'a file another stage does not have',
        dockerfile: `FROM ${tinyImage} AS one\nRUN true\nFROM ${tinyImage}\nCOPY --from=one /nope /x\n`,
        line: 4,
        sentence: /line 4: nope is not in one\./,
      },
      {
        what: 'a base image that cannot be had',
        dockerfile: `ARG V=1\nFROM localhost:1/base:9\nRUN true\n`,
        line: 2,
        sentence: /The base image localhost:1\/base:9 cannot be pulled: its registry cannot be reached/,
      },
      {
        what: 'a stage that is not there',
        dockerfile: `FROM ${tinyImage} AS one\n`,
        target: 'two',
        line: 1,
        sentence: /no stage named two/,
      },
      { what: 'no FROM', dockerfile: '# nothing\nRUN true\n', line: 2, sentence: /no FROM line/ },
      {
        what: 'an empty base',
        dockerfile: `ARG BASE\nFROM \${BASE}\n`,
        line: 2,
        sentence: /base image in line 2 is empty/,
      },
    ];
    test('a build that fails says the line of the Dockerfile', async (t) => {
      for (const { what, dockerfile, line, sentence, target } of mistakes) {
        await t.test(what, async () => {
          const folder = new BuildFolder({ Dockerfile: dockerfile });
          const record = recordBuild();
          const order = folder.spec(`${NAME}:never`, target === undefined ? {} : { target });
          await assert.rejects(
            buildImage(engine, order, record.events, noSignal),
            deployError('build', sentence, (error) =>
              assert.deepEqual(error.position, { file: order.dockerfile, line, column: 1 }),
            ),
          );
          assert.equal(await inspectImage(engine, `${NAME}:never`, noSignal), undefined);
          folder.remove();
        });
      }
    });

    test('a cancelled build ends the step that is under way', async () => {
      const folder = new BuildFolder({ Dockerfile: `FROM ${tinyImage}\nRUN echo begun; sleep 4242\n` });
      const control = new AbortController();
      const events = {
        log: (text: string) => {
          if (text === 'begun') {
            control.abort();
          }
        },
      };
      await assert.rejects(
        buildImage(engine, folder.spec(`${NAME}:never`), events, control.signal),
        deployError('cancelled', /Cancelled/),
      );
      folder.remove();
      await until('its process is gone', async () => (await host.exec('pgrep -f "[s]leep 4242"')).code !== 0);
    });

    test('the end of the connection is told, and calls fail at once', async () => {
      const other = await remoteEngine(lab, host.name);
      const closed = new Promise((resolve) => other.engine.onClose(resolve));
      other.transport.close();
      await closed;
      await assert.rejects(other.engine.ping(noSignal), deployError('host-unreachable', /closed|lost/));
    });
  });
}

describe('the local engine', () => {
  let engine: DockerEngine;
  before(async () => {
    engine = await localEngine(lab);
  });
  after(async () => {
    await removeImages(engine, NAME);
    engine.close();
  });

  /** What of a context is in the image, by our build. */
  async function ours(folder: BuildFolder, dockerfile = 'Dockerfile'): Promise<string[]> {
    const record = recordBuild();
    await buildImage(
      engine,
      folder.spec(`${NAME}:context`, { args: notCached(), dockerfile: path.join(folder.folder, dockerfile) }),
      record.events,
      noSignal,
    );
    return listed(record.lines.map((line) => line.replace(/^info: /, '')));
  }

  /** A step that is taken from the cache shows no output. */
  function notCached(): Record<string, string> {
    return { STAMP: String(Date.now()) };
  }

  /** And by the docker command's own: that of old makes the archive itself, as we do, and BuildKit asks for single files. */
  async function theirs(folder: BuildFolder, buildkit = false, dockerfile = 'Dockerfile'): Promise<string[]> {
    const file = path.join(folder.folder, dockerfile);
    const { stdout, stderr } = await run(
      OWN_DOCKER,
      ['build', '--no-cache', ...(buildkit ? ['--progress', 'plain'] : []), '--file', file, folder.folder],
      {
        env: {
          ...process.env,
          DOCKER_HOST: `unix://${lab.engine.socketPath}`,
          DOCKER_BUILDKIT: buildkit ? '1' : '0',
        },
      },
    );
    return listed(`${stdout}\n${stderr}`.split('\n').map((line) => line.replace(/^#\d+ [\d.]+ /, '')));
  }

  /** The Dockerfile and .dockerignore come along in different ways; they are not what is compared. */
  function listed(lines: readonly string[]): string[] {
    return lines.filter((line) => line.startsWith('@ ') && !/\/(Dockerfile|\.dockerignore)\b/.test(line)).sort();
  }

  /** Names, modes, sizes, owners, where links lead, and what is in the files. */
  const LIST = `FROM ${tinyImage}
COPY . /ctx
ARG STAMP
RUN cd /ctx && find . -exec stat -c '@ %N %A %s %u:%g' {} + && find . -type f -exec sha256sum {} + | sed 's/^/@ /'
`;

  const fixtures: readonly { what: string; ignore: string }[] = [
    { what: 'plain names', ignore: 'node_modules\n*.log\n# a comment\n\nsub dir\n' },
    { what: 'a kept file in an ignored folder', ignore: 'node_modules\n!node_modules/keep/it.js\n' },
    { what: 'everything but', ignore: '*\n!src\n!package.json\nsrc/*.md\n!src/README.md\n' },
    { what: 'wildcards on all levels', ignore: '**/*.tmp\n!src/deep/er/keep.tmp\n**/cache\n' },
    { what: 'odd forms', ignore: '/src/\n./a.log\n  b.log  \nSRC/Deep\n!/src/deep\n../outside\nsrc//x.md\n[cd].txt\n' },
    { what: 'case counts', ignore: 'readme.MD\nNODE_MODULES\n' },
  ];
  test('ignores what docker ignores', async (t) => {
    const folder = new BuildFolder({
      Dockerfile: LIST,
      'a.log': 'a',
      'b.log': 'b',
      'c.txt': 'c',
      'd.txt': 'd',
      'package.json': '{}',
      'README.MD': 'r',
      'sub dir/file with space.txt': 's',
      'node_modules/big/index.js': 'x',
      'node_modules/keep/it.js': 'k',
      'node_modules/keep/other.js': 'k',
      'src/README.md': 'm',
      'src/x.md': 'm',
      'src/app.js': 'a',
      'src/deep/er/keep.tmp': 't',
      'src/deep/er/drop.tmp': 't',
      'src/cache/c': 'c',
      'src/deep/cache/c': 'c',
      ['long/'.repeat(30) + 'n'.repeat(150)]: 'long',
      'ünïcode/ß.txt': 'u',
    });
    mkdirSync(path.join(folder.folder, 'empty/er'), { recursive: true });
    symlinkSync('../nowhere', path.join(folder.folder, 'src/link'));
    writeFileSync(path.join(folder.folder, 'run.sh'), '#!/bin/sh\n', { mode: 0o751 });
    for (const { what, ignore } of fixtures) {
      await t.test(what, async () => {
        folder.write({ '.dockerignore': ignore });
        const expected = await theirs(folder);
        assert.ok(expected.length > 2, expected.join('\n'));
        assert.deepEqual(await ours(folder), expected);
        assert.deepEqual(await theirs(folder, true), expected, 'BuildKit agrees');
      });
    }
    folder.remove();
  });

  test('takes <Dockerfile>.dockerignore before .dockerignore', async () => {
    const folder = new BuildFolder({
      'Dockerfile.prod': LIST,
      'Dockerfile.prod.dockerignore': 'b.txt\n',
      '.dockerignore': 'a.txt\n',
      'a.txt': 'a',
      'b.txt': 'b',
    });
    const found = await ours(folder, 'Dockerfile.prod');
    assert.deepEqual(found, await theirs(folder, true, 'Dockerfile.prod'));
    folder.remove();
    assert.match(found.join('\n'), /a\.txt/);
    assert.doesNotMatch(found.join('\n'), /\/b\.txt/);
  });

  test('builds from a Dockerfile outside of the context, and one that is ignored', async () => {
    const folder = new BuildFolder({ 'ctx/a.txt': 'a', Dockerfile: LIST, 'ctx/.dockerignore': '*\n!a.txt\n' });
    const context = path.join(folder.folder, 'ctx');
    const outside = recordBuild();
    await buildImage(engine, folder.spec(`${NAME}:outside`, { context, args: notCached() }), outside.events, noSignal);
    assert.ok(outside.lines.some((line) => line.includes('./a.txt')));
    renameSync(path.join(folder.folder, 'Dockerfile'), path.join(context, 'Dockerfile'));
    const ignored = recordBuild();
    const dockerfile = path.join(context, 'Dockerfile');
    const order = folder.spec(`${NAME}:ignored`, { context, dockerfile, args: notCached() });
    await buildImage(engine, order, ignored.events, noSignal);
    assert.ok(ignored.lines.some((line) => line.includes('./a.txt')));
    folder.remove();
  });

  test('builds for another platform, and says of which size its context is', async () => {
    const folder = new BuildFolder({ Dockerfile: 'FROM scratch\nCOPY line.txt /\n', 'line.txt': 'one' });
    folder.write({
      'docs/a.txt': 'x'.repeat(2_000_000),
      'models/large.bin': 'x'.repeat(101_000_000),
      'data/b.txt': 'x'.repeat(3_000_000),
      'small/c.txt': 'x',
    });
    const record = recordBuild();
    await buildImage(engine, folder.spec(`${NAME}:foreign`, { platform: 'linux/arm64' }), record.events, noSignal);
    folder.remove();
    const image = await inspectImage(engine, `${NAME}:foreign`, noSignal);
    assert.equal(image?.architecture, 'arm64');
    assert.match(
      record.lines.join('\n'),
      /warning: The build context is large\. Most of it: models\/ \(101\.0 MB\), data\/ \(3\.0 MB\), docs\/ \(2\.0 MB\)\. /,
    );
    await removeImage(engine, `${NAME}:foreign`, noSignal);
  });

  test('says of a base image whose programs cannot run here what to do about it', async () => {
    // A processor that is hardly ever emulated: nothing but the head of a program for it.
    const program = Buffer.alloc(64);
    program.write('\x7fELF\x02\x02\x01', 'latin1');
    program.writeUInt16BE(2, 16);
    program.writeUInt16BE(21, 18);
    const folder = new BuildFolder({ Dockerfile: 'FROM scratch\nCOPY sh /bin/sh\n' });
    writeFileSync(path.join(folder.folder, 'sh'), program, { mode: 0o755 });
    const platform = 'linux/ppc64';
    await buildImage(engine, folder.spec(`${NAME}:foreign-base`, { platform }), recordBuild().events, noSignal);

    const before = process.env['PATH'];
    // Debian's own docker command has BuildKit without a plugin.
    process.env['PATH'] = `/usr/bin:${before ?? ''}`;
    try {
      folder.write({ Dockerfile: `FROM ${NAME}:foreign-base\nRUN true\n` });
      for (const secrets of [{}, { file: { file: path.join(folder.folder, 'sh') } }]) {
        await assert.rejects(
          buildImage(engine, folder.spec(`${NAME}:foreign`, { platform, secrets }), recordBuild().events, noSignal),
          deployError('build', /^Docker on this machine cannot run programs for linux\/ppc64\.$/, ({ hint }) =>
            assert.match(hint ?? '', /--install ppc64.*"transfer": "host"/),
          ),
        );
      }
    } finally {
      process.env['PATH'] = before;
      folder.remove();
      await removeImage(engine, `${NAME}:foreign-base`, noSignal);
    }
  });

  describe('secrets of a build', () => {
    const { PATH: before, DOCKER_CONFIG: configBefore } = process.env;
    afterEach(() => {
      process.env['PATH'] = before;
      delete process.env['BLUE_GREEN_TEST_SECRET'];
      restore('DOCKER_CONFIG', configBefore);
    });
    const dockerfile = [
      `FROM ${tinyImage}`,
      'RUN --mount=type=secret,id=file --mount=type=secret,id=variable \\',
      '  cat /run/secrets/file /run/secrets/variable | wc -c > /count && test ! -e /fail',
      '',
    ].join('\n');

    // Debian's own docker command has BuildKit without a plugin, and hands a build to buildx where its settings say so.
    for (const [by, settings] of [
      ['by itself', {}],
      ['by its plugin buildx', { aliases: { builder: 'buildx' } }],
    ] as const) {
      test(`go to the step by way of the docker command, ${by}, and nowhere else`, async () => {
        process.env['PATH'] = `/usr/bin:${before ?? ''}`;
        process.env['BLUE_GREEN_TEST_SECRET'] = 'hush-2';
        const folder = new BuildFolder({
          Dockerfile: dockerfile,
          'secret.txt': 'hush-1',
          '.docker/config.json': JSON.stringify(settings),
        });
        process.env['DOCKER_CONFIG'] = path.join(folder.folder, '.docker');
        if ('aliases' in settings) {
          await installBuildx(path.join(folder.folder, '.docker/cli-plugins'));
        }
        const secrets = {
          file: { file: path.join(folder.folder, 'secret.txt') },
          variable: { env: 'BLUE_GREEN_TEST_SECRET' },
        };
        const record = recordBuild();
        await buildImage(engine, folder.spec(`${NAME}:secret`, { secrets }), record.events, noSignal);
        assert.ok((await inspectImage(engine, `${NAME}:secret`, noSignal)) !== undefined);
        assert.ok(!record.lines.join().includes('hush'), record.lines.join('\n'));
        assert.deepEqual(record.steps.at(-1), [2, 2]);
        // Its notes are there when it was the one.
        assert.equal(existsSync(path.join(folder.folder, '.docker/buildx')), 'aliases' in settings);

        folder.write({ Dockerfile: dockerfile.replace('! -e', '-e') });
        await assert.rejects(
          buildImage(engine, folder.spec(`${NAME}:secret`, { secrets }), record.events, noSignal),
          deployError('build', /^The build stopped in line 2: .* ended with code 1\.$/),
        );
        folder.remove();
        await removeImage(engine, `${NAME}:secret`, noSignal);
      });
    }

    /** Puts the plugin of the machines' newest Docker into a folder. */
    async function installBuildx(plugins: string): Promise<void> {
      mkdirSync(plugins);
      const machine = await lab.engine.docker.createContainer({ Image: hostImage('28.5') });
      try {
        const archive = await machine.getArchive({ path: '/usr/libexec/docker/cli-plugins/docker-buildx' });
        const entries = extract();
        archive.pipe(entries);
        for await (const entry of entries) {
          await pipeline(entry, createWriteStream(path.join(plugins, 'docker-buildx'), { mode: 0o755 }));
        }
      } finally {
        await machine.remove({ v: true });
      }
    }

    test('need the docker command, and an engine of this machine', async () => {
      const folder = new BuildFolder({ Dockerfile: dockerfile });
      process.env['PATH'] = folder.folder;
      await assert.rejects(
        buildImage(engine, folder.spec(`${NAME}:secret`), recordBuild().events, noSignal),
        deployError('build', /the docker command is not installed here/),
      );
      folder.remove();
    });
  });

  describe('what the person is logged in to', () => {
    const { PATH, DOCKER_CONFIG } = process.env;
    let registry: Registry;
    let folder: BuildFolder;
    let base: string;
    before(async () => {
      registry = await startRegistry({ login: { user: 'ann' } });
    });
    after(() => registry.stop());
    beforeEach(async () => {
      const server = `localhost:${registry.port}`;
      base = `${server}/ann/base:1`;
      folder = new BuildFolder({
        Dockerfile: `# A private base.\nFROM ${base}\nRUN echo ${Date.now()}\n`,
        'login/config.json': JSON.stringify({ auths: { [server]: { auth: btoa('ann:hush') } } }),
        'helper/config.json': JSON.stringify({ credHelpers: { [server]: 'lab' } }),
        'nothing/config.json': '{}',
        'bin/docker-credential-lab': `#!/bin/sh\necho '{"ServerURL":"${server}","Username":"ann","Secret":"hush"}'\n`,
      });
      chmodSync(path.join(folder.folder, 'bin/docker-credential-lab'), 0o755);
      await tagImage(engine, tinyImage, base, noSignal);
      const auth = await registryAuth(server, { DOCKER_CONFIG: path.join(folder.folder, 'login') });
      await pushImage(engine, base, auth, () => undefined, noSignal);
      await removeImage(engine, base, noSignal);
    });
    afterEach(async () => {
      folder.remove();
      process.env['PATH'] = PATH;
      restore('DOCKER_CONFIG', DOCKER_CONFIG);
      await removeImage(engine, `${NAME}:private`, noSignal);
    });

    function build(login: string, programs: string): Promise<string> {
      process.env['DOCKER_CONFIG'] = path.join(folder.folder, login);
      process.env['PATH'] = programs;
      return buildImage(engine, folder.spec(`${NAME}:private`), recordBuild().events, noSignal);
    }

    for (const login of ['login', 'helper']) {
      test(`is of use for a private base image, by the docker command: ${login}`, async () => {
        await build(login, `${path.join(folder.folder, 'bin')}:/usr/bin:/bin`);
        assert.ok((await inspectImage(engine, `${NAME}:private`, noSignal)) !== undefined);
      });
    }

    for (const [login, hint] of [
      ['login', /^Your logins are used by the docker command, which is not installed here with buildx\./],
      ['nothing', /^Check the name\. For a private image run `docker login`/],
    ] as const) {
      test(`and without the command or the login it is said what to do: ${login}`, async () => {
        await assert.rejects(
          build(login, path.join(folder.folder, 'bin')),
          deployError('build', /^The base image \S+ cannot be pulled: .*log in to its registry\.$/, (error) => {
            assert.match(error.hint ?? '', hint);
            assert.equal(error.position?.line, 2);
          }),
        );
      });
    }

    for (const programs of ['/usr/bin:/bin', '/nowhere']) {
      test(`a syntax that cannot be had is said with its line; programs in ${programs}`, async () => {
        folder.write({ Dockerfile: '# escape=`\n# syntax=localhost:1/frontend:2\nFROM scratch\nCOPY bin /\n' });
        await assert.rejects(
          build('nothing', programs),
          deployError(
            'build',
            /^localhost:1\/frontend:2, which the syntax line names, cannot be pulled: its/,
            (error) => assert.equal(error.position?.line, 2),
          ),
        );
      });
    }
  });

  test('the ssh agent is lent to the step that asks for it', async () => {
    await lab.images(hostImage('28.5'));
    const folder = new BuildFolder({
      Dockerfile: `FROM ${hostImage('28.5')}\nRUN --mount=type=ssh echo ${Date.now()} && ssh-add -l\n`,
    });
    const socket = path.join(folder.folder, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    const before = { PATH: process.env['PATH'], SSH_AUTH_SOCK: process.env['SSH_AUTH_SOCK'] };
    try {
      await until('the agent listens', () => Promise.resolve(existsSync(socket)));
      await run('ssh-add', ['-q', lab.identityFile], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
      process.env['PATH'] = `/usr/bin:${before.PATH ?? ''}`;
      process.env['SSH_AUTH_SOCK'] = socket;
      const record = recordBuild();
      await buildImage(engine, folder.spec(`${NAME}:agent`, { ssh: true }), record.events, noSignal);
      assert.match(record.lines.join('\n'), /256 SHA256:\S+ .*\(ED25519\)/);
    } finally {
      process.env['PATH'] = before.PATH;
      restore('SSH_AUTH_SOCK', before.SSH_AUTH_SOCK);
      agent.kill();
      folder.remove();
      await removeImage(engine, `${NAME}:agent`, noSignal);
    }
  });

  test('says what is missing before anything is sent', async () => {
    const folder = new BuildFolder({ 'a.txt': 'a' });
    const build = (more: object) => buildImage(engine, folder.spec(`${NAME}:x`, more), recordBuild().events, noSignal);
    await assert.rejects(build({}), deployError('config', /^There is no Dockerfile at /));
    folder.write({ Dockerfile: ' \n' });
    await assert.rejects(build({}), deployError('build', /^The Dockerfile is empty\.$/));
    folder.write({ Dockerfile: LIST });
    await assert.rejects(build({ context: '/no/such/folder' }), deployError('config', /is not a folder/));
    folder.remove();
  });

  test('says that Docker does not run when nothing answers', async () => {
    const nowhere = connectLocalEngine(noSignal, { DOCKER_HOST: 'unix:///no/such/docker.sock' });
    await assert.rejects(nowhere, deployError('docker-unreachable', /^Docker is not running on this machine\.$/));
    const elsewhere = connectLocalEngine(noSignal, { DOCKER_HOST: 'ssh://deploy@somewhere' });
    await assert.rejects(
      elsewhere,
      deployError('docker-unreachable', /another machine/, (error) =>
        assert.match(error.hint ?? '', /host to deploy to/),
      ),
    );
  });

  test('follows the current docker context', async () => {
    const folder = new BuildFolder({});
    const env = { ...process.env, DOCKER_CONFIG: folder.folder, DOCKER_HOST: '' };
    await run('docker', ['context', 'create', 'lab', '--docker', `host=unix://${lab.engine.socketPath}`], { env });
    await run('docker', ['context', 'use', 'lab'], { env });
    const found = await connectLocalEngine(noSignal, { DOCKER_CONFIG: folder.folder, HOME: folder.folder });
    assert.equal(found.info.id, engine.info.id);
    found.close();
    const named = connectLocalEngine(noSignal, { DOCKER_CONFIG: folder.folder, DOCKER_CONTEXT: 'other' });
    await assert.rejects(named, deployError('docker-unreachable', /no Docker context other/));
    folder.remove();
  });
});

describe('a host whose Docker cannot be used says why', () => {
  let host: Host;
  before(async () => {
    host = await (await lab.host({ engine: '28.5', name: 'causes' })).dockerReady();
  });
  after(() => host.remove());

  async function connect(destination: string): Promise<void> {
    const transport = await loginTo(lab, destination);
    try {
      const engine = await connectRemoteEngine(transport, noSignal);
      await engine.ping(noSignal);
      engine.close();
    } finally {
      transport.close();
    }
  }

  async function setSshd(line: string): Promise<void> {
    await host.mustExec(`printf '%s\\n' '${line}' > /etc/ssh/sshd_config.d/00-test.conf && pkill -HUP -o -x sshd`);
    await delay(200);
  }

  test('no right', async () => {
    await assert.rejects(
      connect(`nodocker@${host.name}`),
      deployError('docker-unreachable', /^User nodocker may not use Docker on /, (error) =>
        assert.equal(error.hint, 'Run `sudo usermod -aG docker nodocker` there and log in again.'),
      ),
    );
  });

  test('forwarding refused: the docker command is the way round', async () => {
    await setSshd('AllowStreamLocalForwarding no');
    await connect(host.name);
    const remote = await remoteEngine(lab, host.name);
    const id = await createContainer(remote.engine, spec(`${NAME}-stdio`, { image: 'no:1' }), noSignal).catch(
      () => 'refused',
    );
    assert.equal(id, 'refused');
    await Promise.all(Array.from({ length: 30 }, () => remote.engine.ping(noSignal)));
    remote.close();
    await setSshd('');
  });

  test('Docker stopped, then not installed', async () => {
    await host.mustExec('pkill -x dockerd; while pgrep -x dockerd; do sleep 0.1; done');
    await assert.rejects(connect(host.name), deployError('docker-unreachable', /^Docker is not running on /));
    await host.mustExec('rm -f /run/docker.sock');
    await assert.rejects(connect(host.name), deployError('docker-unreachable', /^Docker is not running on /));
    await host.mustExec('rm -f "$(command -v docker)" "$(command -v dockerd)"');
    await assert.rejects(connect(host.name), deployError('docker-unreachable', /^Docker is not installed on /));
  });
});

/** Gives a variable of the environment back what it had. */
function restore(name: string, value: string | undefined): void {
  if (value === undefined) {
    Reflect.deleteProperty(process.env, name);
  } else {
    process.env[name] = value;
  }
}

async function collect(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const all: LogLine[] = [];
  for await (const line of lines) {
    all.push(line);
  }
  return all;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, `20 seconds passed before ${what}`);
    await delay(50);
  }
}
