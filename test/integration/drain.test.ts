/** What is open when nginx is switched: it ends in its own time, and the old slot is stopped only then. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostState, Stage } from '../../src/model';
import { longTest } from '../long';
import type { Host } from '../machines/host';
import { proxyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { describeTraffic, Traffic } from '../machines/traffic';
import { WebSocketClient } from '../machines/webSocketClient';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, containers, copyApp, get } from './fixtures';

let lab: Lab;
let host: Host;
let app: App;
let version = 0;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  app = copyApp('uptimer');
  const { code, stdout } = await deploy({});
  assert.equal(code, 0, stdout);
});
after(async () => {
  app.remove();
  await lab.stop();
});

/** Connects, and takes its time to ask. */
class LateClient {
  private readonly socket: Socket;
  private readonly answer: Promise<string>;

  /** @param beginning of the request that it sends at once. */
  constructor(
    { address }: Host,
    private readonly beginning: string,
  ) {
    this.socket = connect(80, address, () => this.socket.write(beginning));
    this.answer = text(this.socket);
  }

  /** Sends the rest of its request, if it still can. Returns the first line of the answer. */
  async ask(): Promise<string> {
    if (this.socket.writable) {
      this.socket.write('GET / HTTP/1.1\r\nHost: uptimer\r\nConnection: close\r\n\r\n'.replace(this.beginning, ''));
    }
    return (await this.answer).split('\r\n')[0] ?? '';
  }
}

/** Deploys the next version, which takes `warmUp` seconds to start, and does something as a stage begins. */
function deploy(
  drain: object,
  on: Partial<Record<Stage, (kill: (signal: NodeJS.Signals) => void) => void>> = {},
  warmUp = 0,
): Promise<CliOutcome> {
  version += 1;
  app.setVersion(String(version));
  const service = { build: { args: { WARMUP: String(warmUp) } }, health: { interval: '100ms' }, drain };
  app.write('bluegreen.json', JSON.stringify({ services: { uptimer: service } }));
  return runCli(lab, ['deploy', '--host', host.name, '--json'], {
    cwd: app.folder,
    onEvent: (event, kill) => {
      if (event.type === 'stage' && event.status === 'running') {
        on[event.stage]?.(kill);
      }
    },
  });
}

test('WebSockets, events, downloads, uploads and requests of 30 seconds end in their own time', async () => {
  const begun: Traffic[] = [];
  const { code, result, stdout } = await deploy(
    {},
    {
      // Late enough that all of them are under way when nginx is switched, and far from their end.
      start: () => {
        begun.push(
          Traffic.start({
            url: `${host.url}/`,
            slow: { path: '/slow?s=5', clients: 3 },
            slower: { path: '/slow?s=30', clients: 3 },
            webSocket: { path: '/ws', clients: 3, seconds: 20 },
            events: { path: '/stream', clients: 3, seconds: 18 },
            download: { path: '/download?s=16', clients: 3 },
            upload: { path: '/upload', clients: 3, seconds: 17, bytes: 400_000 },
          }),
        );
      },
    },
  );
  const counted = await (begun[0] ?? assert.fail()).stop();
  assert.equal(code, 0, stdout);
  assert.equal(counted.failed, 0, describeTraffic(counted));
  for (const [kind, { sent }] of Object.entries(counted.kinds)) {
    assert.ok(sent >= 3, `${kind}: ${sent} sent`);
  }
  assert.ok((result?.durations.drain ?? 0) > 20_000, `drained in ${result?.durations.drain} ms`);
  assert.equal(result?.requests.failed, 0);
  assert.match(await host.mustExec('docker logs uptimer_BLUE'), /stops, 0 requests open/);
  await assertNothingLeft(host);
});

describe('what is still open after drain.timeout', () => {
  let socket: WebSocketClient;

  /** Deploys while a WebSocket to the old slot is open. */
  async function deployBeside(atTimeout: string, on: Partial<Record<Stage, () => void>> = {}): Promise<CliOutcome> {
    socket = await WebSocketClient.open(new URL('/ws', host.url), 10_000);
    const outcome = await deploy({ timeout: '2s', atTimeout }, on);
    assert.equal(outcome.code, 0, outcome.stdout);
    return outcome;
  }

  test('cut: the old slot gets its stop signal, says goodbye, and is stopped', async () => {
    // They have connected before the switch, and ask for something only when the old slot is gone.
    const clients: LateClient[] = [];
    const { stdout } = await deployBeside('cut', {
      switch: () => clients.push(new LateClient(host, ''), new LateClient(host, 'GET / HTTP/1.1\r\n')),
    });
    const answers = await Promise.all(clients.map((client) => client.ask()));
    // nginx has closed both, and they may connect anew: none is led to a slot that is gone.
    assert.deepEqual(answers, ['', '']);
    assert.match(stdout, /Still open to uptimer_GREEN after 1\d s: 1 connection, cut now\./);
    await sleep(200);
    assert.deepEqual(socket.end, { kind: 'closed', code: 1001 });
    assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE running', 'uptimer_GREEN exited']);
  });

  longTest('leave: the old slot runs on for it, and the next deployment stops it', async () => {
    const { stdout } = await deployBeside('leave');
    assert.match(stdout, /uptimer_BLUE runs on for 1 connection\. The next deployment stops it\./);
    assert.equal(await socket.ask('still there?', 5_000), 'still there?');
    assert.deepEqual(await containers(host), [
      'reverse-proxy running',
      'uptimer_BLUE running',
      'uptimer_GREEN running',
    ]);
    const status = await runCli(lab, ['status', '--host', host.name, '--json']);
    const [left] = (JSON.parse(status.stdout) as HostState).services;
    assert.deepEqual(
      left?.findings.map(({ code, remedy }) => [code, remedy]),
      [['both-up', 'nobody']],
    );
    const repair = await runCli(lab, ['repair', '--host', host.name]);
    assert.equal(repair.code, 0, repair.stdout);
    assert.equal(await socket.ask('and now?', 5_000), 'and now?');
    const next = await deploy({ timeout: '2s' });
    assert.equal(next.code, 0, next.stdout);
    assert.match(next.stdout, /uptimer_BLUE runs without new requests\. It was left to connections/);
    assert.deepEqual(socket.end, { kind: 'closed', code: 1001 });
    assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE running', 'uptimer_GREEN exited']);
  });

  test('wait: the deployment ends when it has ended', async () => {
    // The old slot gets another address than it had when the deployment began, and is drained there.
    const moved: Promise<void>[] = [];
    const { code, stdout, result } = await deploy(
      { timeout: '2s', atTimeout: 'wait' },
      {
        probe: () => moved.push(moveToAnotherAddress('uptimer_BLUE')),
        drain: () => setTimeout(() => socket.close(), 14_000),
      },
      4,
    );
    await Promise.all(moved);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /1 connection, waited for\./);
    assert.ok((result?.durations.drain ?? 0) > 13_500, `drained in ${result?.durations.drain} ms`);
    assert.match(await host.mustExec('docker logs uptimer_BLUE'), /stops, 0 requests open/);
  });

  /** As after a restart in which another container was quicker. A client connects to it there. */
  async function moveToAnotherAddress(slot: string): Promise<void> {
    await host.mustExec(`docker network disconnect web-gateway ${slot}`);
    await host.mustExec(`docker run -d --rm --name other --network web-gateway ${proxyImage}`);
    await host.mustExec(`docker network connect web-gateway ${slot}`);
    for (let tries = 0; (await get(host)).status !== 200; tries += 1) {
      assert.ok(tries < 100, 'nginx does not find it');
      await sleep(100);
    }
    socket = await WebSocketClient.open(new URL('/ws', host.url), 10_000);
    await host.mustExec('docker stop -t 0 other');
  }

  longTest('wait, and cancelled: the next deployment waits until the timeout, not until it has ended', async () => {
    socket = await WebSocketClient.open(new URL('/ws', host.url), 10_000);
    const drain = { timeout: '2s', atTimeout: 'wait' };
    const cancelled = await deploy(drain, { drain: (kill) => kill('SIGINT') });
    assert.equal(cancelled.code, 130, cancelled.stdout);
    const next = await deploy(drain);
    assert.equal(next.code, 0, next.stdout);
    assert.match(next.stdout, /1 connection, cut now\./);
    assert.deepEqual(socket.end, { kind: 'closed', code: 1001 });
  });
});
