/** What goes wrong, and what people do wrong: each ends with its exit code, a sentence, and the live slot untouched. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { buildImage } from '../../src/docker/build';
import type { DeployResult, Stage } from '../../src/model';
import { longTest, someOf } from '../long';
import type { Host } from '../machines/host';
import { proxyImage } from '../machines/images';
import { generateKey } from '../machines/keys';
import { type Lab, startLab } from '../machines/lab';
import { Traffic } from '../machines/traffic';
import { type CliOutcome, runCli } from './cli';
import { BuildFolder, localEngine, noSignal, recordBuild, removeImages } from './engines';
import { type App, assertNothingLeft, containers, copyApp, get, images } from './fixtures';

let lab: Lab;
let host: Host;
let uptimer: App;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  uptimer = copyApp('uptimer');
  uptimer.setVersion('1');
  const { code, stderr } = await deploy(uptimer);
  assert.equal(code, 0, stderr);
});
after(async () => {
  uptimer.remove();
  await lab.stop();
});

function deploy(app: App, ...more: string[]): Promise<CliOutcome> {
  return runCli(lab, ['deploy', '--host', host.name, '--json', ...more], { cwd: app.folder });
}

/** Runs `work` while version 1 of uptimer is asked for all the time, and checks that it never noticed. */
async function whileServing(work: () => Promise<void>): Promise<void> {
  const [containersBefore, imagesBefore] = [await containers(host), await images(host)];
  const traffic = Traffic.start({ url: `${host.url}/` });
  try {
    await work();
  } finally {
    const counted = await traffic.stop();
    assert.equal(counted.failed, 0, JSON.stringify(counted));
    assert.ok(counted.sent > 0);
  }
  assert.match((await get(host)).text, /^uptimer 1 /);
  assert.deepEqual(await containers(host), containersBefore);
  assert.deepEqual(await images(host), imagesBefore);
  await assertNothingLeft(host);
}

/** The failing app takes the place of the next release of uptimer. */
function asUptimer(name: string): App {
  return copyApp(name, 'uptimer');
}

describe('a release that is no good', () => {
  const cases: readonly {
    readonly name: string;
    readonly app: string;
    readonly code: number;
    readonly stage: Stage;
    readonly says: RegExp;
    readonly config?: object;
  }[] = [
    {
      name: 'never healthy',
      app: 'never-healthy',
      code: 5,
      stage: 'probe',
      says: /Answered 500.*database/s,
      config: { health: { attempts: 4, interval: '200ms' } },
    },
    { name: 'ends at once', app: 'crash', code: 3, stage: 'probe', says: /code 3.*DATABASE_URL is not set/s },
    {
      name: 'listens on 127.0.0.1 only',
      app: 'loopback-only',
      code: 5,
      stage: 'probe',
      says: /127\.0\.0\.1:8080 only/,
      config: { health: { attempts: 4, interval: '200ms' } },
    },
    {
      name: 'wants more CPUs than there are',
      app: 'uptimer',
      code: 3,
      stage: 'start',
      says: /cannot be started: Range of CPUs.*Check "run"/is,
      config: { run: { cpus: 500 } },
    },
    { name: 'does not build', app: 'broken-build', code: 6, stage: 'build', says: /error: expected ';'/ },
  ];
  for (const { name, app: source, code, stage, says, config } of cases) {
    test(name, async () => {
      const app = asUptimer(source);
      try {
        if (config !== undefined) {
          app.write('bluegreen.json', JSON.stringify({ services: { uptimer: config } }));
        }
        await whileServing(async () => {
          const outcome = await deploy(app);
          assert.equal(outcome.code, code, outcome.stdout);
          assert.equal(outcome.result?.ok, false);
          assert.equal(outcome.result.live, 'BLUE');
          assert.equal(outcome.result.error?.stage, stage);
          assert.match(
            `${outcome.result.error.message}\n${outcome.result.error.hint}\n${outcome.result.error.detail}`,
            says,
          );
          assert.match(outcome.result.summary, /BLUE is live/);
        });
      } finally {
        app.remove();
      }
    });
  }

  test('is built for another platform than the host has: nothing is sent', async () => {
    const builder = await localEngine(lab);
    const foreign = `blue-green-failures-test:${process.pid}`;
    const base = new BuildFolder({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const app = asUptimer('uptimer');
    try {
      await buildImage(builder, base.spec(foreign, { platform: 'linux/s390x' }), recordBuild().events, noSignal);
      app.write('Dockerfile', `FROM --platform=linux/s390x ${foreign}\nEXPOSE 8080\nCMD ["/app"]\n`);
      await whileServing(async () => {
        const { code, result, stdout } = await deploy(app);
        assert.equal(code, 6, stdout);
        assert.match(
          `${result?.error?.message} ${result?.error?.hint}`,
          /built for linux\/s390x, but \S+ runs linux\/(amd64|arm64)\. Nothing was sent\./,
        );
        assert.match(result?.summary ?? '', /BLUE is live/);
      });
    } finally {
      app.remove();
      base.remove();
      await removeImages(builder, foreign);
      builder.close();
    }
  });

  test('a build failure names the line of the Dockerfile', async () => {
    const app = asUptimer('broken-build');
    try {
      const { result } = await deploy(app);
      assert.equal(result?.error?.position?.line, 5);
      assert.equal(result.error.position.file, path.join(app.folder, 'Dockerfile'));
    } finally {
      app.remove();
    }
  });
});

describe('a host that cannot be used', () => {
  const attempt = (name: string, ...more: string[]): Promise<CliOutcome> =>
    runCli(lab, ['deploy', '--json', ...more, '--host', name], { cwd: uptimer.folder, limit: 60_000 });

  test('does not answer', async () => {
    const { code, result } = await attempt(`deploy@${host.address.replace(/\d+$/, '250')}`);
    assert.equal(code, 8);
    assert.equal(result?.error?.code, 'host-unreachable');
    assert.match(result.error.message, /\.250/);
  });

  test('is a name that does not exist', async () => {
    const { code, result } = await attempt('no-such-host.invalid');
    assert.equal(code, 8);
    assert.match(result?.error?.message ?? '', /no-such-host\.invalid/);
  });

  test('has no Docker', async () => {
    const plain = await lab.host({ name: 'plain', docker: false });
    const { code, result } = await attempt(plain.name);
    assert.equal(code, 8);
    assert.equal(result?.error?.code, 'docker-unreachable');
    assert.ok((result.error.hint ?? '').length > 10);
    await plain.remove();
  });

  test('does not let this user use Docker', async () => {
    const { code, result } = await attempt(`nodocker@${host.address}`);
    assert.equal(code, 8);
    assert.equal(result?.error?.code, 'docker-unreachable');
    assert.match(`${result.error.message} ${result.error.hint}`, /nodocker/);
    assert.match(result.error.hint ?? '', /usermod -aG docker nodocker/);
  });

  test('has a key that is not known: nothing is trusted silently', async () => {
    const empty = path.join(lab.folder, 'empty_known_hosts');
    writeFileSync(empty, '');
    const { code, result } = await attempt(host.name, '--known-hosts', empty, '--yes');
    assert.equal(code, 8);
    assert.equal(result?.error?.code, 'host-untrusted');
    assert.match(result.error.message, /SHA256:/);
  });

  test('has another key than the one that is known', async () => {
    const other = await generateKey(path.join(lab.folder, 'other_key'));
    const changed = path.join(lab.folder, 'changed_known_hosts');
    writeFileSync(changed, `# a comment\n${host.name},${host.address} ${other.publicKey}\n`);
    const { code, result } = await attempt(host.name, '--known-hosts', changed);
    assert.equal(code, 8);
    assert.equal(result?.error?.code, 'host-untrusted');
    assert.match(`${result.error.message} ${result.error.hint} ${result.error.detail}`, /changed_known_hosts:2/);
  });

  test('does not accept our key', async () => {
    const { code, result } = await attempt(`ghost@${host.address}`);
    assert.equal(code, 8);
    assert.equal(result?.error?.code, 'host-auth');
  });
});

test('the connection breaks during the probe: a named state, and the next deployment cleans up', async () => {
  const other = await (await lab.host({ engine: '26.1', name: 'far', prepared: true })).dockerReady();
  try {
    const run = (options: Parameters<typeof runCli>[2]): Promise<CliOutcome> =>
      runCli(lab, ['deploy', '--host', other.name, '--json'], { cwd: uptimer.folder, ...options });
    assert.equal((await run({})).code, 0);
    let cut: Promise<void> | undefined;
    const broken = await run({
      onEvent: (event) => {
        if (event.type === 'probe') {
          cut ??= other.disconnect();
        }
      },
    });
    await cut;
    assert.equal(broken.code, 8, broken.stdout);
    assert.equal(broken.result?.error?.code, 'host-unreachable');
    assert.equal(broken.result.live, 'BLUE');
    assert.match(broken.result.summary, /BLUE is live.*the next deployment does/);
    await other.connect();
    assert.match((await get(other)).text, /^uptimer 1 /);
    const again = await run({});
    assert.equal(again.code, 0, again.stdout);
    assert.equal(again.result?.live, 'GREEN');
    await assertNothingLeft(other);
  } finally {
    await other.remove();
  }
});

describe('wrong use', () => {
  test('a service that is not in the configuration', async () => {
    const app = asUptimer('uptimer');
    app.write('bluegreen.json', '{ "services": { "uptimer": {} } }');
    const { code, stdout, stderr } = await deploy(app, 'uptimr');
    app.remove();
    assert.equal(code, 1);
    assert.match(stdout + stderr, /uptimr/);
    assert.match(stdout + stderr, /uptimer/);
  });

  test('a broken bluegreen.json: file, line and column', async () => {
    const app = asUptimer('uptimer');
    app.write('bluegreen.json', '{\n  "services": {\n    "uptimer": { "port": "eighty" }\n  }\n}\n');
    const { code, stdout, stderr } = await deploy(app);
    app.remove();
    assert.equal(code, 1);
    assert.match(stdout + stderr, /bluegreen\.json:3:26/);
  });

  test('no Dockerfile', async () => {
    const app = asUptimer('uptimer');
    const { code, stdout, stderr } = await deploy(app, '--dockerfile', 'Dockerfile.none');
    app.remove();
    assert.equal(code, 1);
    assert.match(stdout + stderr, /Dockerfile\.none/);
  });

  test('rollback where nothing is kept, and of a service that is not there', async () => {
    await whileServing(async () => {
      for (const service of ['uptimer', 'nothing']) {
        const { code, result } = await runCli(lab, ['rollback', service, '--host', host.name, '--json']);
        assert.equal(code, 1, service);
        assert.equal(result?.error?.code, 'not-found');
      }
    });
  });

  test('a port that another program uses, on a host without a proxy', async () => {
    const other = await (await lab.host({ engine: '26.1', name: 'busy', prepared: true })).dockerReady();
    try {
      await other.load('blue-green-test/tiny:1');
      await other.mustExec('docker run -d --name squatter -p 80:8080 blue-green-test/tiny:1');
      const { code, result } = await runCli(lab, ['deploy', '--host', other.name, '--json'], {
        cwd: uptimer.folder,
      });
      assert.equal(code, 2);
      assert.match(result?.error?.message ?? '', /Port 80 .* used by another program/);
      assert.match(result?.error?.hint ?? '', /--publish/);
      assert.deepEqual(await containers(other), ['squatter running']);
    } finally {
      await other.remove();
    }
  });

  longTest('a proxy that Docker lets join no network', async () => {
    const other = await (await lab.host({ engine: '26.1', name: 'alone', prepared: true })).dockerReady();
    try {
      await other.mustExec(`docker run -d --name reverse-proxy --network host ${proxyImage}`);
      const { code, result } = await runCli(lab, ['deploy', '--host', other.name, '--json'], {
        cwd: uptimer.folder,
      });
      assert.equal(code, 2);
      assert.equal(result?.error?.stage, 'proxy');
      assert.equal(result.error.code, 'proxy');
      assert.match(result.error.message, /network/);
      assert.deepEqual(await containers(other), ['reverse-proxy running']);
    } finally {
      await other.remove();
    }
  });
});

describe('a route that is taken', () => {
  test('nginx refuses the second service for every host name, and the first serves on', async () => {
    const second = copyApp('uptimer', 'second');
    await whileServing(async () => {
      const { code, result } = await deploy(second);
      assert.equal(code, 4);
      assert.match(`${result?.error?.hint} ${result?.error?.detail}`, /route/);
    });
    second.remove();
  });
});

describe('two deployments at the same time', () => {
  test('the second one says who holds the lock, and touches nothing', async () => {
    const first = copyApp('uptimer', 'twice');
    first.write('bluegreen.json', '{ "services": { "twice": { "route": "twice.example" } } }');
    try {
      let second: Promise<CliOutcome> | undefined;
      const outcome = await runCli(lab, ['deploy', '--host', host.name, '--json'], {
        cwd: first.folder,
        onEvent: (event) => {
          if (event.type === 'stage' && event.stage === 'probe') {
            second ??= deploy(first);
          }
        },
      });
      assert.equal(outcome.code, 0, outcome.stderr);
      const late = await second;
      assert.equal(late?.code, 9, late?.stdout);
      assert.match(late.result?.error?.message ?? '', /@/);
      assert.match((await get(host, '/', { host: 'twice.example' })).text, /^uptimer /);
    } finally {
      await runCli(lab, ['remove', 'twice', '--yes', '--host', host.name]);
      first.remove();
    }
  });

  longTest('the lock of a deployment that was killed is taken over', async () => {
    const app = copyApp('uptimer', 'killed');
    app.write('bluegreen.json', '{ "services": { "killed": { "route": "killed.example" } } }');
    try {
      const killed = await runCli(lab, ['deploy', '--host', host.name, '--json'], {
        cwd: app.folder,
        onEvent: (event, kill) => {
          if (event.type === 'stage' && event.stage === 'probe') {
            kill('SIGKILL');
          }
        },
      });
      assert.equal(killed.code, -1);
      const names = await containers(host);
      assert.ok(names.includes('killed_LOCK created'), names.join());
      const again = await deploy(app);
      assert.equal(again.code, 0, again.stdout);
      await assertNothingLeft(host);
    } finally {
      await runCli(lab, ['remove', 'killed', '--yes', '--host', host.name]);
      app.remove();
    }
  });
});

describe('Ctrl-C', () => {
  let app: App;
  beforeEach(() => {
    app = asUptimer('uptimer');
    app.setVersion('2');
  });
  afterEach(() => app.remove());

  const stages = ['plan', 'build', 'transfer', 'proxy', 'start', 'probe', 'switch', 'verify'] as const;
  for (const stage of someOf(stages, (it) => it === 'start' || it === 'switch')) {
    test(`at ${stage}: version 1 stays live and nothing is left`, async () => {
      await whileServing(async () => {
        const { code, result, stdout } = await runCli(lab, ['deploy', '--host', host.name, '--json'], {
          cwd: app.folder,
          onEvent: (event, kill) => {
            if (event.type === 'stage' && event.stage === stage && event.status === 'running') {
              kill('SIGINT');
            }
          },
        });
        assert.equal(code, 130, stdout);
        assert.equal(result?.ok, false);
        assert.equal(result.live, 'BLUE');
        assert.match(result.summary, /cancelled.*BLUE is live/);
      });
    });
  }

  longTest('at retire: the new version is live, which is said, and the next deployment finishes', async () => {
    const { code, result, stdout } = await runCli(lab, ['deploy', '--host', host.name, '--json'], {
      cwd: app.folder,
      onEvent: (event, kill) => {
        if (event.type === 'stage' && event.stage === 'retire' && event.status === 'running') {
          kill('SIGINT');
        }
      },
    });
    await finishesNext(code, result, stdout);
  });

  test('at drain: the same, and nobody who was being answered is cut off', async () => {
    const traffic = Traffic.start({ url: `${host.url}/` });
    let slow: ReturnType<typeof get> | undefined;
    const { code, result, stdout } = await runCli(lab, ['deploy', '--host', host.name, '--json'], {
      cwd: app.folder,
      onEvent: (event, kill) => {
        if (event.type === 'stage' && event.stage === 'switch' && event.status === 'running') {
          slow ??= get(host, '/slow?s=8');
        }
        if (event.type === 'drain' && event.connections > 0) {
          kill('SIGINT');
        }
      },
    });
    const answer = await slow;
    const counted = await traffic.stop();
    assert.equal(counted.failed, 0, JSON.stringify(counted));
    assert.equal(answer?.status, 200);
    await finishesNext(code, result, stdout);
  });

  /** The run was cancelled when version 2 was live; version 3 then goes live as if nothing had been. */
  async function finishesNext(code: number, result: DeployResult | undefined, stdout: string): Promise<void> {
    assert.equal(code, 130, stdout);
    const live = result?.live ?? 'no slot';
    assert.match(result?.summary ?? '', new RegExp(`not finished.*${live} is live`));
    assert.match((await get(host)).text, /^uptimer 2 /);
    app.setVersion('3');
    const next = await deploy(app);
    assert.equal(next.code, 0, next.stdout);
    assert.notEqual(next.result?.live, live);
    assert.match((await get(host)).text, /^uptimer 3 /);
    await assertNothingLeft(host);
  }
});
