/** Somebody watches a deployment and gives its waits more time than the configuration does. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadConfig } from '../../src/config/load';
import { deploy } from '../../src/engine/deploy';
import { openHost } from '../../src/engine/host';
import { Patience } from '../../src/engine/patience';
import type { DeployEvent, DeployResult } from '../../src/model';
import type { Host } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { WebSocketClient } from '../machines/webSocketClient';
import { localEngine, noSignal, nobody } from './engines';
import { type App, assertNothingLeft, copyApp, get } from './fixtures';

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  app = copyApp('uptimer');
  const { result } = await release('1', '0', () => undefined);
  assert.equal(result.ok, true, result.summary);
});
after(async () => {
  app.remove();
  await lab.stop();
});

type Wait = Extract<DeployEvent, { type: 'wait' }>;

/** Deploys with waits as short as can be. `watch` is told of each, and asks for more by returning true. */
async function release(
  version: string,
  warmup: string,
  watch: (wait: Wait) => boolean | undefined,
): Promise<{ result: DeployResult; waits: Wait[]; notes: string[] }> {
  app.setVersion(version);
  const uptimer = {
    build: { args: { WARMUP: warmup } },
    health: { attempts: 4, interval: '500ms' },
    drain: { timeout: '2s' },
  };
  app.write('bluegreen.json', JSON.stringify({ services: { uptimer } }));
  const { sshConfigFile, knownHostsFile, identityFile } = lab;
  const options = { sshConfigFile, knownHostsFile, identityFiles: [identityFile] };
  const open = await openHost(host.name, options, nobody, noSignal);
  const build = await localEngine(lab);
  const patience = new Patience();
  const waits: Wait[] = [];
  const notes: string[] = [];
  const see = (event: DeployEvent): void => {
    if (event.type === 'log' && event.source === 'engine') {
      notes.push(event.text);
    }
    if (event.type === 'wait') {
      waits.push(event);
      if (watch(event) === true) {
        patience.keepWaiting();
      }
    }
  };
  try {
    const [service] = (await loadConfig(app.folder, { overrides: {} })).services;
    assert.ok(service !== undefined);
    const result = await deploy({ service, host: open, build, person: 'ann@desk', patience }, see, noSignal);
    return { result, waits, notes };
  } finally {
    build.close();
    open.close();
  }
}

test('a slot that needs longer than its tries is given up, and the wait said how many were left', async () => {
  const { result, waits } = await release('2', '8', () => undefined);
  assert.equal(result.error?.code, 'unhealthy', result.summary);
  assert.match(result.error.message, /in 4 tries/);
  const tries = waits.filter(({ stage }) => stage === 'probe');
  assert.deepEqual(
    tries.map(({ left, given }) => [left, given]),
    [3, 2, 1, 0].map((left) => [left, 4]),
  );
  await assertNothingLeft(host);
});

test('the same slot is waited for, as often as it is asked, and goes live', async () => {
  let asked = 0;
  const { result, waits, notes } = await release('2', '8', ({ stage, left }) => {
    const asks = stage === 'probe' && left === 1;
    asked += asks ? 1 : 0;
    return asks;
  });
  assert.equal(result.ok, true, result.summary);
  assert.ok(asked >= 2, `asked ${asked} times`);
  const most = waits.findIndex(({ left }) => left === 1);
  assert.equal(waits[most + 1]?.left, 5, 'what is left is told at once');
  assert.ok(notes.includes('The slot is waited for as asked: up to 8 tries.'), notes.join('\n'));
  assert.match((await get(host)).text, /^uptimer 2 /);
});

test('an open connection is waited for beyond the limit of the drain, and is not cut', async () => {
  const socket = await WebSocketClient.open(new URL('/ws', host.url), 10_000);
  const closes = setTimeout(() => socket.close(), 60_000);
  let asked = 0;
  try {
    const { result, notes } = await release('3', '0', ({ stage, left }) => {
      if (stage !== 'drain' || asked > 0 || left > 3_000) {
        return false;
      }
      asked += 1;
      // Past the first limit, which is the keep-alive minimum of nginx.
      setTimeout(() => socket.close(), 6_000);
      return true;
    });
    assert.equal(result.ok, true, result.summary);
    assert.equal(asked, 1);
    assert.ok((result.durations.drain ?? 0) > 12_000, `drained in ${result.durations.drain} ms`);
    assert.ok(notes.includes('Open connections are waited for as asked: up to 22 s.'), notes.join('\n'));
    assert.ok(!notes.some((note) => note.startsWith('Still open')), notes.join('\n'));
  } finally {
    clearTimeout(closes);
  }
  const log = await host.mustExec('docker logs uptimer_GREEN; docker logs uptimer_BLUE');
  assert.match(log, /stops, 0 requests open/);
  await assertNothingLeft(host);
});
