/** Whatever is cut while an image travels: the live tag is unharmed, what arrived stays, and the next try succeeds. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { buildImage } from '../../src/docker/build';
import { connectRemoteEngine } from '../../src/docker/connect';
import type { DockerEngine } from '../../src/docker/engine';
import { type LayerLookUp, transferImage, type TransferOptions, type TransferResult } from '../../src/docker/transfer';
import { LastingTransport } from '../../src/ssh/lasting';
import { longTest } from '../long';
import type { Host } from '../machines/host';
import { tinyImage } from '../machines/images';
import { generateKey } from '../machines/keys';
import { type Lab, startLab } from '../machines/lab';
import type { SlowLink, Speed } from '../machines/slowLink';
import {
  BuildFolder,
  buildSmallApp,
  deployError,
  localEngine,
  noSignal,
  nobody,
  recordBuild,
  removeImages,
} from './engines';

// Of this run alone: another one may use the same engine at the same time.
const NAME = `blue-green-cuts-test-${process.pid}`;
const TEMPORARY = 'blue-green-incoming:cuts-test';
/** Of each of three layers that do not compress. */
const LAYER_BYTES = 9_000_000;
/** Fast enough to be quick, slow enough to be cut in the middle, and too long for a host in the same building. */
const LINE: Speed = { bytesPerSecond: 5_000_000, latencyMs: 10 };

const noisyLayers = [1, 2, 3].map((n) => `RUN head -c ${LAYER_BYTES} /dev/urandom > /noise${n}`).join('\n');

interface Sending extends Partial<TransferOptions> {
  readonly image?: string;
  readonly knownHostsFile?: string;
  readonly lookUp?: LayerLookUp;
  readonly watch?: (target: DockerEngine) => void;
}

let lab: Lab;
let source: DockerEngine;

before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  source = await localEngine(lab);
  await buildSmallApp(source, `${NAME}:kept`, 'kept');
  const folder = new BuildFolder({
    Dockerfile: `FROM ${tinyImage}\n${noisyLayers}\nCOPY line.txt /\n`,
    'line.txt': 'new',
  });
  await buildImage(source, folder.spec(`${NAME}:new`), recordBuild().events, noSignal);
  // The second part of this one travels in no time, while the host has much to do with the first.
  const uneven = `RUN head -c ${LAYER_BYTES} /dev/urandom > /other\nRUN yes | head -c ${LAYER_BYTES} > /text`;
  folder.write({ Dockerfile: `FROM ${tinyImage}\n${uneven}\n` });
  await buildImage(source, folder.spec(`${NAME}:uneven`), recordBuild().events, noSignal);
  folder.remove();
});
after(async () => {
  await removeImages(source, NAME);
  source.close();
  await lab.stop();
});

for (const version of ['20.10', '28.5'] as const) {
  const alike = version === '20.10' ? longTest : test;
  describe(`an image on its way to Docker ${version}`, () => {
    let host: Host;
    let link: SlowLink & { readonly alias: string };
    before(async () => {
      host = await (await lab.host({ engine: version, disk: 'lasting' })).dockerReady();
      link = await lab.slowLink(host, LINE);
    });
    beforeEach(async () => {
      await host.fresh();
      await host.load(`${NAME}:kept`);
      await host.mustExec(['docker', 'tag', `${NAME}:kept`, `${NAME}:live`]);
    });

    /** Sends the new image under the live tag; `disturb` is called with the bytes sent so far, until it returns true. */
    async function send(
      disturb: (bytes: number) => boolean,
      { image = `${NAME}:new`, knownHostsFile = lab.knownHostsFile, lookUp, watch, ...more }: Sending = {},
    ): Promise<TransferResult & { notes: readonly string[] }> {
      const { sshConfigFile, identityFile } = lab;
      const files = { sshConfigFile, knownHostsFile, identityFiles: [identityFile] };
      const transport = await LastingTransport.open(link.alias, files, nobody, noSignal);
      const target = await connectRemoteEngine(transport, noSignal);
      watch?.(target);
      const notes: string[] = [];
      let done = false;
      const options: TransferOptions = {
        temporaryTag: TEMPORARY,
        finalTag: `${NAME}:live`,
        onNote: (text) => notes.push(text),
        onProgress: ({ bytes }) => {
          done ||= disturb(bytes);
        },
        reconnect: async (signal) => {
          await transport.again(signal);
          while (
            !(await target.ping(signal).then(
              () => true,
              () => false,
            ))
          );
        },
        ...more,
      };
      try {
        const result = await transport.outlast(() => transferImage(source, target, image, options, noSignal, lookUp));
        assert.ok(done, 'nothing was cut');
        return { ...result, notes };
      } finally {
        target.close();
        transport.close();
      }
    }

    async function liveLine(): Promise<string> {
      const script = `id=$(docker run -d --network none ${NAME}:live cat /line.txt) && docker wait $id >/dev/null;
        docker logs $id; docker rm $id >/dev/null`;
      return (await host.mustExec(script)).trim();
    }

    async function tags(): Promise<string[]> {
      const out = await host.mustExec("docker images --format '{{.Repository}}:{{.Tag}}' | sort");
      return out.split('\n').filter((tag) => tag !== '');
    }

    async function assertArrived(): Promise<void> {
      assert.equal(await liveLine(), 'new');
      assert.deepEqual(await tags(), [`${NAME}:kept`, `${NAME}:live`]);
    }

    /** Each time that so many bytes more were sent, the line is cut. */
    function cutEvery(bytes: number, times: number): (sent: number) => boolean {
      let cuts = 0;
      return (sent) => {
        if (sent >= bytes * (cuts + 1) && cuts < times) {
          cuts++;
          link.cut();
        }
        return cuts === times;
      };
    }

    test('the next part is on its way while the host unpacks the one before, and does not end sooner', async () => {
      const seen: string[] = [];
      const watch = (target: DockerEngine): void => {
        const stream = target.stream.bind(target);
        target.stream = async (request, ...more) => {
          const isLoad = request.path === '/images/load';
          seen.push(...(isLoad ? ['begins'] : []));
          const answer = await stream(request, ...more);
          seen.push(...(isLoad ? ['is there'] : []));
          return answer;
        };
      };
      const { reason, notes } = await send(() => true, { image: `${NAME}:uneven`, watch });
      // Another one may have asked for layers before.
      assert.deepEqual(seen.slice(-4), ['begins', 'begins', 'is there', 'is there']);
      assert.deepEqual([reason, notes], [undefined, []]);
    });

    alike('cut after a layer: what arrived is not sent again', async () => {
      const { sentBytes } = await send(cutEvery(1.5 * LAYER_BYTES, 1));
      assert.ok(sentBytes < 3.8 * LAYER_BYTES, `${sentBytes} bytes were sent`);
      await assertArrived();
    });

    longTest(
      'cut while everything goes because a part did not fit: what arrived is not sent again either',
      async () => {
        const liar: LayerLookUp = (_target, { image }) => Promise.resolve(image.layers.length - 1);
        const { sentBytes, notes, reason, sentLayers } = await send(cutEvery(1.5 * LAYER_BYTES, 1), { lookUp: liar });
        assert.match(notes.join(' '), /^What was sent does not fit .* The connection to .* was lost\.[^.]*\.$/);
        assert.match(reason ?? '', /./);
        assert.equal(sentLayers, 5);
        assert.ok(sentBytes < 3.8 * LAYER_BYTES, `${sentBytes} bytes were sent`);
        await assertArrived();
      },
    );

    alike('a cut in each try without a layer more is the end, and the next try needs less', async () => {
      await assert.rejects(
        send((bytes) => {
          if (bytes > 1.2 * LAYER_BYTES) {
            link.cut();
          }
          return false;
        }),
        deployError('transfer', /was lost while the image was being sent/),
      );
      assert.equal(await liveLine(), 'kept');
      const { sentBytes } = await send(() => true);
      assert.ok(sentBytes < 2.1 * LAYER_BYTES, `${sentBytes} bytes were sent`);
      assert.equal(await liveLine(), 'new');
    });

    if (version === '20.10') {
      return;
    }

    longTest('cut at once: it begins anew', async () => {
      const { notes, sentLayers } = await send(cutEvery(1, 1));
      assert.match(notes.join(), /was lost\. Connecting again/);
      assert.equal(sentLayers, 4);
      await assertArrived();
    });

    longTest('cut while the host unpacks', async () => {
      await send(cutEvery(2.98 * LAYER_BYTES, 1));
      await assertArrived();
    });

    longTest('a line that goes dead is noticed, and it goes on when it is back', async () => {
      await send((bytes) => {
        if (bytes < LAYER_BYTES * 1.5) {
          return false;
        }
        link.stall();
        // Longer than a dead line goes unnoticed.
        setTimeout(() => link.resume(), 10_000);
        return true;
      });
      await assertArrived();
    });

    test('Docker on the host is killed and started anew', async () => {
      let restarted: Promise<void> | undefined;
      await send((bytes) => {
        if (bytes > LAYER_BYTES * 1.5) {
          restarted ??= host.restart('power cut');
        }
        return restarted !== undefined;
      });
      await restarted;
      await assertArrived();
    });

    test('a host that is another one after the cut gets nothing', async () => {
      const knownHostsFile = path.join(lab.folder, `known_hosts-${version}`);
      const known = readFileSync(lab.knownHostsFile, 'utf8');
      writeFileSync(knownHostsFile, known);
      const { publicKey } = await generateKey(path.join(lab.folder, `other-${version}`), 'ed25519');
      await assert.rejects(
        send(
          (bytes) => {
            if (bytes > LAYER_BYTES) {
              writeFileSync(knownHostsFile, known.replaceAll(/ssh-ed25519 \S+/g, publicKey.split(' ', 2).join(' ')));
              link.cut();
              return true;
            }
            return false;
          },
          { knownHostsFile },
        ),
        deployError('host-untrusted', /./),
      );
      assert.equal(await liveLine(), 'kept');
    });

    test('too little room is said before anything is sent', async () => {
      let sent = 0;
      await assert.rejects(
        send(
          (bytes) => {
            sent = bytes;
            return true;
          },
          { freeBytes: () => Promise.resolve(50_000_000) },
        ),
        deployError('transfer', /has 50 MB left, and this image takes 5\d MB there/),
      );
      assert.equal(sent, 0);
      assert.equal(await liveLine(), 'kept');
    });

    longTest('cut again and again: each time it goes on', async () => {
      await send(cutEvery(0.9 * LAYER_BYTES, 4));
      await assertArrived();
    });
  });
}
