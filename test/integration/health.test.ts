/**
 * Services that are unwell, each in a way of its own, on a real host: what the probe says about them, and what becomes
 * of a release that falls ill only once it is live.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { longTest, someOf } from '../long';
import type { Host } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, containers, copyApp, get } from './fixtures';

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  app = copyApp('moody');
  const { code, stdout } = await deploy('fine');
  assert.equal(code, 0, stdout);
});
after(async () => {
  app.remove();
  await lab.stop();
});

/** Deploys the service in a mood. Probes are quick, so that what never becomes healthy is soon known. */
function deploy(mood: string, health: object = {}, more: object = {}): Promise<CliOutcome> {
  const quick = { attempts: 3, interval: '100ms', timeout: '500ms', successes: 1, ...health };
  const service = { health: quick, drain: { timeout: '20s' }, run: { env: { MOOD: mood }, ...more } };
  app.write('bluegreen.json', JSON.stringify({ services: { moody: service } }));
  return runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: app.folder });
}

/** The words of a failure: what is wrong, what to do, and the raw lines. */
function words({ result, stdout }: CliOutcome): string {
  const { error } = result ?? {};
  assert.ok(error !== undefined, stdout);
  return `${error.message}\n${error.hint}\n${error.detail}`;
}

describe('a slot that is not healthy', () => {
  const cases: readonly {
    mood: string;
    says: RegExp;
    health?: object;
    more?: object;
    code?: number;
    /** Enough for `npm test`. */
    enough?: true;
  }[] = [
    { mood: 'no-port', says: /Connection refused.*\nNothing listens on port 8080\..*"health\.attempts"/ },
    { mood: 'other-port', says: /Connection refused.*\nIt listens on port 3000, not on 8080\..*EXPOSE/, enough: true },
    { mood: 'slow', says: /No answer in time.*\nIt listens on port 8080, but does not answer within 0\.5 s/ },
    { mood: 'no-http', says: /It listens on port 8080, but does not speak HTTP/ },
    {
      mood: 'to-https',
      says: /Answered 301.*\nIt redirects to https:.*"X-Forwarded-Proto": "https".*"health\.headers"/,
      health: { status: '2xx' },
      enough: true,
    },
    { mood: 'to-login', says: /Answered 302.*\nIt redirects to \/login/, health: { status: 200 } },
    {
      mood: 'host',
      says: /400 when it is asked as shop\.example, and 200 when it is asked as localhost/,
      health: { headers: { Host: 'shop.example' } },
      enough: true,
    },
    { mood: 'login', says: /Answered 401.*\nIt asks for a login at \// },
    { mood: 'method', says: /Answered 405.*\nIt does not take GET at \/.*"health\.method"/ },
    {
      mood: 'maintenance',
      says: /its body lacks "fine".*\nIt.*begins: "down for maintenance/,
      health: { body: 'fine' },
    },
    { mood: 'unsteady', says: /Answered 503/, health: { successes: 2, attempts: 6 } },
    {
      mood: 'memory',
      says: /ran out of memory \(its limit is 48 MB\)/,
      more: { memory: '48m' },
      code: 3,
      enough: true,
    },
    {
      mood: 'late-crash',
      says: /ended with code 7.*the database is gone/s,
      health: { status: 204, interval: '1h' },
      code: 3,
      enough: true,
    },
  ];
  for (const { mood, says, health, more, code = 5 } of someOf(cases, ({ enough }) => enough === true)) {
    test(mood, async () => {
      const outcome = await deploy(mood, health, more);
      assert.match(words(outcome), says);
      assert.equal(outcome.code, code, outcome.stdout);
      assert.equal(outcome.result?.live, 'BLUE');
      assert.equal((await get(host)).text, 'fine\n');
      await assertNothingLeft(host);
    });
  }

  test("the image's own HEALTHCHECK has to agree, and its words are shown", async () => {
    const dockerfile = 'FROM python:3.13-alpine\nCOPY server.py .\nEXPOSE 8080\nCMD ["python3", "server.py"]\n';
    const check = `HEALTHCHECK --interval=1s --retries=1 CMD echo the queue is full; exit 1\n`;
    const sick = copyApp('moody');
    try {
      sick.write('Dockerfile', dockerfile + check);
      sick.write('bluegreen.json', '{ "services": { "moody": { "health": { "attempts": 4 } } } }');
      const outcome = await runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: sick.folder });
      assert.equal(outcome.code, 5, outcome.stdout);
      assert.match(words(outcome), /HEALTHCHECK says unhealthy.*\nIts HEALTHCHECK says: the queue is full/);
    } finally {
      sick.remove();
    }
  });

  longTest('where its image has no programs, it is looked at from beside it', async () => {
    const bare = copyApp('moody');
    try {
      bare.write(
        'Dockerfile',
        'FROM python:3.13-alpine\nRUN rm -f /bin/cat /usr/bin/cat\nCOPY server.py .\nEXPOSE 8080\nENV MOOD=other-port\nCMD ["python3", "server.py"]\n',
      );
      bare.write('bluegreen.json', '{ "services": { "moody": { "health": { "attempts": 3, "interval": "300ms" } } } }');
      const outcome = await runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: bare.folder });
      assert.match(words(outcome), /It listens on port 3000, not on 8080/);
      assert.deepEqual(
        (await containers(host)).filter((name) => name.includes('LOOK')),
        [],
      );
    } finally {
      bare.remove();
    }
  });
});

describe('settings of the probe', () => {
  test('method, headers and body are asked for as they are written', async () => {
    const post = await deploy('method', { method: 'POST' });
    assert.equal(post.code, 0, post.stdout);
    const https = await deploy('to-https', { status: 200, body: 'fine', headers: { 'X-Forwarded-Proto': 'https' } });
    assert.equal(https.code, 0, https.stdout);
    const head = await deploy('fine', { method: 'HEAD' });
    assert.equal(head.code, 0, head.stdout);
  });

  longTest('a slot that listens late is not waited for longer than it needs', async () => {
    const { code, stdout, events } = await deploy('late-port', { attempts: 2, interval: '1h' });
    assert.equal(code, 0, stdout);
    const refused = events.filter((event) => event.type === 'probe' && !event.probe.ok).length;
    assert.ok(refused > 2 && refused < 15, `${refused} tries before it listened`);
  });

  longTest('tries within the start period are free', async () => {
    const { code, events } = await deploy('no-port', { startPeriod: '3s', attempts: 2 });
    assert.equal(code, 5);
    const tries = events.filter((event) => event.type === 'probe').length;
    assert.ok(tries > 5, `${tries} tries`);
  });
});

describe('a release that falls ill once it is live', () => {
  test('the switch is taken back by itself, and the old slot serves on', async () => {
    const live = (await deploy('fine')).result?.live;
    const outcome = await deploy('behind-nginx');
    assert.equal(outcome.code, 5, outcome.stdout);
    assert.equal(outcome.result?.error?.code, 'verify');
    assert.match(outcome.result.error.message, /requests through nginx failed: answered 500/);
    assert.equal(outcome.result.live, live);
    assert.equal((await get(host)).text, 'fine\n');
    await assertNothingLeft(host);
  });

  longTest('failures up to the setting are put up with', async () => {
    app.write(
      'bluegreen.json',
      JSON.stringify({
        services: { moody: { verify: { allowedFailures: 1_000_000 }, run: { env: { MOOD: 'behind-nginx' } } } },
      }),
    );
    const outcome = await runCli(lab, ['deploy', '--host', host.name, '--json'], { cwd: app.folder });
    assert.equal(outcome.code, 0, outcome.stdout);
    assert.ok((outcome.result?.requests.failed ?? 0) > 0);
  });

  longTest(
    'a live slot that fails already is no reason to go back to it: the release that mends it goes live',
    async () => {
      assert.equal((await get(host, '/')).status, 500);
      const { code, result, stdout } = await deploy('fine');
      assert.equal(code, 0, stdout);
      assert.equal(result?.requests.failed, 0);
      assert.match(result.summary, /\. \d+ requests, 0 failed, longest \d+ ms\.$/);
      assert.match(stdout, /The live slot does not work \(answered 500\)/);
      assert.equal((await get(host)).text, 'fine\n');
    },
  );

  test('rollback leaves a slot that broke in the middle of its life', async () => {
    const { result } = await deploy('fine');
    assert.equal((await get(host, '/break')).status, 500);
    const back = await runCli(lab, ['rollback', 'moody', '--host', host.name, '--json'], { cwd: app.folder });
    assert.equal(back.code, 0, back.stdout);
    assert.notEqual(back.result?.live, result?.live);
    assert.equal((await get(host)).text, 'fine\n');
  });
});
