/** Deployments of ours in a row under traffic of every kind, counted and timed. */
import assert from 'node:assert/strict';
import type { DeployEvent, Stage } from '../../../src/model';
import { type CliOutcome, runCli } from '../../integration/cli';
import { type App, copyApp } from '../../integration/fixtures';
import type { Host } from '../../machines/host';
import type { Lab } from '../../machines/lab';
import { Traffic, type TrafficOptions, type TrafficReport } from '../../machines/traffic';
import { Load } from './load';

/** One deployment in this many meets clients that hold the old slot for half a minute and more. */
export const LONG_EVERY = 10;

/** Clients that are there all the time. WebSockets end by themselves after two seconds or so, and are opened again. */
export const STEADY: Omit<TrafficOptions, 'url'> = {
  keepAlive: 16,
  fresh: 4,
  pauseMs: 10,
  limitRequests: 20_000_000,
  slow: { path: '/slow?s=5', clients: 4 },
  events: { path: '/stream', clients: 2, seconds: 3 },
  upload: { path: '/upload', clients: 2, seconds: 1, bytes: 256 * 1024 },
  webSocket: { path: '/ws', clients: 2, seconds: 2 },
};
/** Clients of the long deployments: a drain waits for them. */
export const LONG: Omit<TrafficOptions, 'url'> = {
  keepAlive: 0,
  fresh: 0,
  slower: { path: '/slow?s=30', clients: 4 },
  webSocket: { path: '/ws', clients: 2 },
};

/** Clients that leave the processor to the deployment: what it takes itself is seen beside them. */
const FEW: Omit<TrafficOptions, 'url'> = { keepAlive: 2, fresh: 1, pauseMs: 100, limitRequests: 20_000_000 };

/** What a host holds. A log grows with requests, not with deployments, and is not counted. */
export interface Footprint {
  readonly containers: number;
  readonly images: number;
  readonly networks: number;
  readonly megabytes: number;
}

/** How long one deployment took from "image is on the host" to "live", or a rollback from its beginning, in milliseconds. */
export interface ToLive {
  readonly ms: number;
  /** Of that, from the start of the app's process until it listened, by the clock of the host. */
  readonly warmUpMs: number;
  /** Of that, by stage. */
  readonly stages: Readonly<Partial<Record<Stage, number>>>;
}

export interface Times {
  readonly live: readonly ToLive[];
  /** From the beginning of a rollback to "live". */
  readonly rollbacks: readonly ToLive[];
}

export interface OursReport extends Times {
  readonly deployments: number;
  readonly traffic: readonly TrafficReport[];
  /** Beside few clients. */
  readonly beside: Times;
  readonly after3: Footprint;
  readonly afterAll: Footprint;
}

/**
 * `beside`: so many deployments more beside few clients. `requests`: go on with the traffic after the last deployment until so many were sent in total. `until`: when to begin
 * no more deployments, and to wait for no more requests.
 */
export async function benchOurs(
  lab: Lab,
  host: Host,
  {
    deployments,
    rollbacks,
    beside,
    requests,
    until,
  }: { deployments: number; rollbacks: number; beside: number; requests: number; until: number },
): Promise<OursReport> {
  const app = copyApp('mixed', 'bench');
  app.write(
    'bluegreen.json',
    JSON.stringify({ services: { bench: { drain: { timeout: '45s' }, retire: { grace: '10s' } } } }),
  );
  const traffic: TrafficReport[] = [];
  const live: ToLive[] = [];
  let after3: Footprint | undefined;
  const run = (...args: string[]): Promise<CliOutcome> =>
    runCli(lab, [...args, '--host', host.name, '--json'], { cwd: app.folder });
  const rollBack = async (): Promise<ToLive[]> => {
    const times: ToLive[] = [];
    while (times.length < rollbacks) {
      const outcome = await run('rollback', 'bench');
      assert.equal(outcome.code, 0, outcome.stdout);
      times.push(await toLive(host, outcome));
      console.error(`[bench] rollback ${times.length}: ${JSON.stringify(times.at(-1))}`);
    }
    return times;
  };
  try {
    await release(app, run, 0);
    const url = `${host.url}/`;
    const steady = await Load.start({ url, ...STEADY, limitMs: 6 * 3_600_000 });
    for (let number = 1; number <= deployments && performance.now() < until; number += 1) {
      const long = number % LONG_EVERY === 0 ? Traffic.start({ url, ...LONG }) : undefined;
      await long?.settle(4);
      const outcome = await release(app, run, number);
      if (long !== undefined) {
        traffic.push(await long.stop());
      }
      live.push(await toLive(host, outcome));
      after3 = number === 3 ? await footprint(host) : after3;
      const { sent, failed } = steady.report();
      const { ms, warmUpMs } = live.at(-1) ?? assert.fail();
      console.error(
        `[bench] ${number} of ${deployments}: ${sent} requests, ${failed} failed, live after ${ms} ms, of which the app took ${warmUpMs} ms`,
      );
    }
    const afterAll = await footprint(host);
    const wentBack = await rollBack();
    while (steady.report().sent + sum(traffic.map(({ sent }) => sent)) < requests && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    traffic.push(await steady.stop());
    const few = await Load.start({ url, ...FEW, limitMs: 3_600_000 });
    const lightly: ToLive[] = [];
    while (lightly.length < beside && performance.now() < until) {
      lightly.push(await toLive(host, await release(app, run, deployments + lightly.length + 1)));
      console.error(`[bench] beside few clients: ${JSON.stringify(lightly.at(-1))}`);
    }
    const besideFew = { live: lightly, rollbacks: lightly.length > 0 ? await rollBack() : [] };
    traffic.push(await few.stop());
    const times = { live, rollbacks: wentBack, beside: besideFew };
    return { deployments: live.length, traffic, ...times, after3: after3 ?? afterAll, afterAll };
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

async function toLive(host: Host, { events, result }: CliOutcome): Promise<ToLive> {
  const container = `bench_${result?.live ?? assert.fail('no slot is live')}`;
  // Docker stamps the line that the app prints as soon as it listens.
  const said = await host.mustExec(
    `docker inspect -f '{{.State.StartedAt}}' ${container}; docker logs -t ${container} 2>&1 | grep ' serves on port ' | tail -n 1 | cut -d ' ' -f 1`,
  );
  const [started = Number.NaN, listened = Number.NaN] = said
    .trim()
    .split('\n')
    .map((time) => Date.parse(time));
  return {
    ms: at(events, 'switch', 'done') - (find(events, 'transfer', 'done') ?? at(events, 'plan', 'running')),
    warmUpMs: Math.max(0, listened - started),
    stages: result?.durations ?? {},
  };
}

/** When a stage came to a status, in milliseconds since the epoch. */
function find(events: readonly DeployEvent[], stage: Stage, status: string): number | undefined {
  return events.find((it) => it.type === 'stage' && it.stage === stage && it.status === status)?.at;
}

function at(events: readonly DeployEvent[], stage: Stage, status: string): number {
  return find(events, stage, status) ?? assert.fail(`${stage} never was ${status}`);
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
