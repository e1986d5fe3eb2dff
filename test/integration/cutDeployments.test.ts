/** Whatever is cut while a deployment is under way: the live slot goes on as before, and the next deployment succeeds. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DockerEngine } from '../../src/docker/engine';
import type { HostState, SlotName } from '../../src/model';
import { someOf } from '../long';
import type { Host, HostOptions } from '../machines/host';
import { tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import type { SlowLink, Speed } from '../machines/slowLink';
import { Traffic } from '../machines/traffic';
import { type CliOutcome, runCli } from './cli';
import { BuildFolder, localEngine, removeImages } from './engines';
import { assertNothingLeft, get } from './fixtures';

/** Of each of three layers that do not compress. */
const LAYER_BYTES = 9_000_000;
/** Fast enough to be quick, slow enough to be cut in the middle, and too long for a host in the same building. */
const LINE: Speed = { bytesPerSecond: 5_000_000, latencyMs: 10 };
/** More than a login takes on the wire. */
const LOGIN_BYTES = 20_000;
/** Until a host serves again that was started anew, in milliseconds. */
const BACK_LIMIT_MS = 60_000;

interface Site {
  readonly host: Host;
  readonly link: SlowLink & { readonly alias: string };
}

/** What happens to a deployment, and what becomes of it. */
interface Cut {
  readonly what: string;
  /** Large layers that are sent when it happens. Without it, it happens before the deployment begins. */
  readonly after?: number;
  readonly happen: (site: Site, kill: (signal: NodeJS.Signals) => void) => void | Promise<void>;
  /** Makes it good, where that does not happen by itself. */
  readonly over?: (site: Site) => Promise<void>;
  /** How the deployment fails; without it, the deployment goes on and succeeds. */
  readonly fails?: { readonly code: number; readonly says?: RegExp };
  /** At most so many large layers go on the wire until the release is live, with the next deployment where this one fails. */
  readonly layers?: number;
  /** The site itself is away meanwhile. */
  readonly outage?: true;
  /** Enough for `npm test`. */
  readonly enough?: true;
}

const groups: readonly {
  readonly of: string;
  readonly host: HostOptions & Required<Pick<HostOptions, 'engine'>>;
  readonly cuts: readonly Cut[];
}[] = [
  {
    of: 'the line to Docker 28.5',
    host: { engine: '28.5' },
    cuts: [
      { what: 'is cut at the first byte', after: 0, happen: ({ link }) => link.cut(), layers: 3.5 },
      { what: 'is cut in the middle', after: 1.5, happen: ({ link }) => link.cut(), layers: 4, enough: true },
      // A part is loaded as a whole: the two layers of this one go once more.
      { what: 'is cut while the host unpacks', after: 2.98, happen: ({ link }) => link.cut(), layers: 5.5 },
      {
        what: 'goes dead for a while',
        after: 1.5,
        happen: ({ link }) => {
          link.stall();
          // Longer than a dead line goes unnoticed.
          setTimeout(() => link.resume(), 10_000);
        },
        layers: 4,
      },
      {
        what: 'is left alone, but the deployer is killed',
        after: 2.5,
        happen: (_site, kill) => kill('SIGKILL'),
        fails: { code: -1 },
        // One and a half of the part of two are lost; the next deployment sends that part, not the one that is there.
        layers: 5,
      },
    ],
  },
  {
    of: 'a host with Docker 26.1',
    host: { engine: '26.1', disk: 'lasting' },
    cuts: [
      {
        what: 'has its Docker restarted',
        after: 1.5,
        happen: ({ host }) => host.restartDocker(),
        outage: true,
      },
      {
        what: 'loses its power',
        after: 1.5,
        happen: ({ host }) => host.restart('power cut'),
        outage: true,
      },
    ],
  },
  {
    of: 'the disk of Docker 20.10',
    host: { engine: '20.10', disk: '400m' },
    cuts: [
      {
        what: 'is full beforehand',
        happen: ({ host }) => host.fillDisk(40_000_000),
        over: ({ host }) => host.freeDisk(),
        fails: { code: 7, says: /^The disk of \S+ has (?:3\d|40) MB left, and this image takes 5\d MB there\.$/ },
      },
      {
        what: 'is filled by somebody else meanwhile',
        after: 1.5,
        happen: ({ host }) => host.fillDisk(0),
        over: ({ host }) => host.freeDisk(),
        fails: { code: 7, says: /^The disk of \S+ is full\.$/ },
      },
    ],
  },
];

let lab: Lab;
let source: DockerEngine;
before(async () => {
  lab = await startLab();
  await lab.images(tinyImage);
  source = await localEngine(lab);
});
after(async () => {
  source.close();
  await lab.stop();
});

/** A service of one small program, which says its release. */
class Service {
  release = 0;
  readonly #folder: BuildFolder;

  constructor(readonly name: string) {
    const config = { port: 8080, retire: { keepImages: 2 } };
    this.#folder = new BuildFolder({ 'bluegreen.json': JSON.stringify({ services: { [name]: config } }) });
  }

  /** With three layers that no host has, or with another line alone. */
  next(change: 'layers' | 'line'): this {
    this.release += 1;
    if (change === 'layers') {
      this.#layers = [1, 2, 3].map((n) => `RUN : ${this.release}; head -c ${LAYER_BYTES} /dev/urandom > /noise${n}`);
    }
    this.#folder.write({
      Dockerfile: [
        `FROM ${tinyImage}`,
        'STOPSIGNAL SIGKILL',
        ...this.#layers,
        `RUN echo ${this.text} > /www/index.html`,
        '',
      ].join('\n'),
    });
    return this;
  }
  #layers: readonly string[] = [];

  get text(): string {
    return `${this.name} ${this.release}`;
  }

  /** Deploys it by the slow line; `act` is called once, when so many large layers were sent. */
  deploy({ link }: Site, after = 0, act?: (kill: (signal: NodeJS.Signals) => void) => void): Promise<CliOutcome> {
    let acted = act === undefined;
    return runCli(lab, ['deploy', this.name, '--host', link.alias, '--json'], {
      cwd: this.#folder.folder,
      onEvent: (event, kill) => {
        if (!acted && event.type === 'progress' && event.stage === 'transfer' && event.done > after * LAYER_BYTES) {
          acted = true;
          act?.(kill);
        }
      },
    });
  }

  async live({ host }: Site): Promise<SlotName | undefined> {
    const { stdout } = await runCli(lab, ['status', '--host', host.name, '--json']);
    const { services } = JSON.parse(stdout) as HostState;
    return services.find(({ name }) => name === this.name)?.live;
  }

  async remove(): Promise<void> {
    this.#folder.remove();
    await removeImages(source, `${this.name}:`);
  }
}

async function serves({ host }: Site, text: string): Promise<void> {
  for (const end = Date.now() + BACK_LIMIT_MS; ;) {
    const answer = await get(host).catch(() => undefined);
    if (answer?.text === `${text}\n`) {
      return;
    }
    assert.ok(Date.now() < end, `${text} is not served: ${JSON.stringify(answer)}`);
    await sleep(100);
  }
}

for (const group of groups) {
  const cuts = someOf(group.cuts, ({ enough }) => enough === true);
  if (cuts.length > 0) {
    describe(group.of, () => cutGroup({ ...group, cuts }));
  }
}

function cutGroup(group: (typeof groups)[number]): void {
  // Of this group and this run alone: the engine that builds is shared.
  const service = new Service(`cuts-${group.host.engine}-${process.pid}`);
  let site: Site;
  before(async () => {
    const host = await (await lab.host({ ...group.host, prepared: true })).dockerReady();
    site = { host, link: await lab.slowLink(host, LINE) };
    const { code, stdout } = await service.next('line').deploy(site);
    assert.equal(code, 0, stdout);
  });
  after(async () => {
    await service.remove();
    await site.host.remove();
  });

  for (const { what, after: when, happen, over, fails, layers, outage } of group.cuts) {
    test(`${what}: what is live serves, and the next one succeeds`, async (t) => {
      const { text: oldText } = service;
      const oldSlot = await service.live(site);
      service.next('layers');
      const sent = site.link.bytes.up;
      const traffic = Traffic.start({ url: `${site.host.url}/`, keepAlive: 0, fresh: 4 });
      t.after(async () => {
        await traffic.stop();
      });
      let happened: void | Promise<void> = undefined;
      if (when === undefined) {
        happened = happen(site, () => undefined);
        await happened;
      }
      const { code, stdout, result } = await service.deploy(site, when, (kill) => {
        happened = happen(site, kill);
      });
      await happened;
      const failed = fails !== undefined;
      assert.equal(code, fails?.code ?? 0, stdout);
      await serves(site, failed ? oldText : service.text);
      assert.equal((await service.live(site)) === oldSlot, failed);
      await traffic.settle();
      const counted = await traffic.stop();
      if (outage === undefined) {
        assert.equal(counted.failed, 0, JSON.stringify(counted));
      }
      if (fails?.says !== undefined) {
        assert.match(result?.error?.message ?? '', fails.says);
      }
      await over?.(site);

      if (!failed) {
        service.next('line');
      }
      const sentBefore = site.link.bytes.up;
      const next = await service.deploy(site);
      assert.equal(next.code, 0, next.stdout);
      const notCounted = site.link.bytes.up - sentBefore - (next.result?.bytesSent ?? 0);
      assert.ok(notCounted >= 0 && notCounted < LOGIN_BYTES, `${notCounted} bytes on the wire are not in the result`);
      assert.notEqual(next.result?.live, failed ? oldSlot : result?.live);
      await serves(site, service.text);
      await assertNothingLeft(site.host);
      const onTheWire = (site.link.bytes.up - sent) / LAYER_BYTES;
      assert.ok(onTheWire > 3 && onTheWire < (layers ?? Infinity), `${onTheWire} layers were sent`);
    });
  }
}
