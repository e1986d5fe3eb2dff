/** Deployments of ours in a row under traffic of every kind, counted and timed. */
import assert from 'node:assert/strict';
import type { DeployEvent, Stage } from '../../../src/model';
import { type CliOutcome, runCli } from '../../integration/cli';
import { type App, copyApp } from '../../integration/fixtures';
import type { Host } from '../../machines/host';
import type { Lab } from '../../machines/lab';
import { Traffic, type TrafficOptions, type TrafficReport } from '../../machines/traffic';

/** One deployment in this many meets clients that hold the old slot for half a minute and more. */
export const LONG_EVERY = 5;

/** Clients that are there all the time. WebSockets end by themselves after two seconds or so, and are opened again. */
const STEADY: Omit<TrafficOptions, 'url'> = {
  keepAlive: 8,
  fresh: 4,
  slow: { path: '/slow?s=5', clients: 4 },
  events: { path: '/stream', clients: 2, seconds: 3 },
  upload: { path: '/upload', clients: 2, seconds: 1, bytes: 256 * 1024 },
  webSocket: { path: '/ws', clients: 2, seconds: 2 },
};
/** Clients of the long deployments: a drain waits for them. */
const LONG: Omit<TrafficOptions, 'url'> = {
  keepAlive: 0,
  fresh: 0,
  slower: { path: '/slow?s=30', clients: 4 },
  webSocket: { path: '/ws', clients: 2 },
};

/** What a host holds. A log grows with requests, not with deployments, and is not counted. */
export interface Footprint {
  readonly containers: number;
  readonly images: number;
  readonly networks: number;
  readonly megabytes: number;
}

export interface OursReport {
  readonly deployments: number;
  readonly traffic: readonly TrafficReport[];
  /** Milliseconds from "image is on the host" to "live", one a deployment. The app starts at once. */
  readonly toLiveMs: readonly number[];
  /** Milliseconds from the beginning of a rollback to "live". */
  readonly rollbackMs: readonly number[];
  readonly after3: Footprint;
  readonly afterAll: Footprint;
}

/** `requests`: go on with the traffic after the last deployment until so many were sent in total. */
export async function benchOurs(
  lab: Lab,
  host: Host,
  { deployments, rollbacks, requests }: { deployments: number; rollbacks: number; requests: number },
): Promise<OursReport> {
  const app = copyApp('mixed', 'bench');
  app.write(
    'bluegreen.json',
    JSON.stringify({ services: { bench: { drain: { timeout: '45s' }, retire: { grace: '10s' } } } }),
  );
  const traffic: TrafficReport[] = [];
  const toLiveMs: number[] = [];
  const rollbackMs: number[] = [];
  let after3: Footprint | undefined;
  const run = (...args: string[]): Promise<CliOutcome> =>
    runCli(lab, [...args, '--host', host.name, '--json'], { cwd: app.folder });
  try {
    await release(app, run, 0);
    const url = `${host.url}/`;
    const steady = Traffic.start({ url, ...STEADY, limitMs: 6 * 3_600_000 });
    for (let number = 1; number <= deployments; number += 1) {
      const long = number % LONG_EVERY === 0 ? Traffic.start({ url, ...LONG }) : undefined;
      await long?.settle(4);
      const { events } = await release(app, run, number);
      if (long !== undefined) {
        traffic.push(await long.stop());
      }
      toLiveMs.push(at(events, 'switch', 'done') - at(events, 'transfer', 'done'));
      after3 = number === 3 ? await footprint(host) : after3;
      const { sent, failed } = steady.report();
      console.error(
        `[bench] ${number} of ${deployments}: ${sent} requests, ${failed} failed, live after ${toLiveMs.at(-1)} ms`,
      );
    }
    const afterAll = await footprint(host);
    for (let number = 0; number < rollbacks; number += 1) {
      const { code, events, stdout } = await run('rollback', 'bench');
      assert.equal(code, 0, stdout);
      rollbackMs.push(at(events, 'switch', 'done') - at(events, 'plan', 'running'));
    }
    while (steady.report().sent + sum(traffic.map(({ sent }) => sent)) < requests) {
      await steady.settle(10_000);
    }
    traffic.push(await steady.stop());
    return { deployments, traffic, toLiveMs, rollbackMs, after3: after3 ?? afterAll, afterAll };
  } finally {
    app.remove();
  }
}

async function release(app: App, run: (...args: string[]) => Promise<CliOutcome>, number: number): Promise<CliOutcome> {
  app.setVersion(String(number));
  const outcome = await run('deploy');
  assert.equal(outcome.code, 0, outcome.stdout);
  return outcome;
}

/** When a stage came to a status, in milliseconds since the epoch. */
function at(events: readonly DeployEvent[], stage: Stage, status: string): number {
  const event = events.find((it) => it.type === 'stage' && it.stage === stage && it.status === status);
  return event?.at ?? (stage === 'transfer' ? Number.NaN : assert.fail(`${stage} never was ${status}`));
}

async function footprint(host: Host): Promise<Footprint> {
  const script = `docker ps -aq | wc -l; docker images -aq | wc -l; docker network ls -q | wc -l
    du -sm --exclude='*-json.log' /var/lib/docker | cut -f1`;
  const [containers = 0, images = 0, networks = 0, megabytes = 0] = (await host.mustExec(script))
    .trim()
    .split('\n')
    .map(Number);
  return { containers, images, networks, megabytes };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
