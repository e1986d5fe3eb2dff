/** What the README promises under "Security": who gets to see the values of secrets, and what is written on either machine. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import type { Host } from '../machines/host';
import { pythonImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { type CliOutcome, runCli } from './cli';
import { type App, copyApp, get } from './fixtures';

/** Is in every secret, and in nothing else. */
const MARK = 'hush-';

let lab: Lab;
let host: Host;
let app: App;
/** HOME and the folder for temporary files of the program: empty, and nobody else's. */
let home: string;
let temporary: string;
/** All that the program printed, on both outputs. */
let printed = '';
/** Arguments of the processes of both machines during the deployments, one a line. */
let seenArguments = '';

before(async () => {
  lab = await startLab();
  // Its engine saves layers as they are: what is in them can be searched.
  host = await (await lab.host({ engine: '26.1', prepared: true })).dockerReady();
  home = path.join(lab.folder, 'home');
  temporary = path.join(lab.folder, 'temporary');
  [home, temporary].forEach((folder) => mkdirSync(folder));
  app = copyApp('uptimer');
  await host.mustExec('touch /run/before');
});
after(async () => {
  app.remove();
  await lab.stop();
});

interface Secrets {
  readonly password: string;
  readonly fileValue: string;
  readonly buildToken: string;
  readonly buildKey: string;
}

const dockerfile = `FROM ${pythonImage}
WORKDIR /app
COPY server.py version.txt ./
EXPOSE 8080
CMD ["python3", "server.py"]
`;
/** BuildKit does not do a step anew because a secret is another one: the number is. */
const secretStep = `RUN --mount=type=secret,id=token --mount=type=secret,id=key : ${randomBytes(6).toString('hex')} && \\
  cat /run/secrets/token /run/secrets/key | sha256sum > /sum
`;

/** New values at each of their places. */
function newSecrets(service: object = {}): Secrets {
  const make = (): string => `${MARK}${randomBytes(12).toString('hex')}`;
  const secrets = { password: make(), fileValue: make(), buildToken: make(), buildKey: make() };
  // Beside the context, so that no COPY takes them.
  app.write('../app.env', `FROM_FILE=${secrets.fileValue}\n`);
  app.write('../key.txt', secrets.buildKey);
  const uptimer = {
    build: { secrets: { token: { fromEnv: 'TEST_TOKEN' }, key: { file: '../key.txt' } } },
    run: {
      env: { PASSWORD: { fromEnv: 'TEST_PASSWORD' }, URL: 'postgres://shop:${env:TEST_PASSWORD}@db/shop', WARMUP: '0' },
      envFile: '../app.env',
    },
    ...service,
  };
  app.write('bluegreen.json', JSON.stringify({ services: { uptimer } }));
  return secrets;
}

async function run(secrets: Secrets, ...args: string[]): Promise<CliOutcome> {
  const outcome = await runCli(lab, [...args, '--host', host.name], {
    cwd: app.folder,
    env: {
      // Debian's own docker command has BuildKit without a plugin.
      PATH: `/usr/bin:${process.env['PATH'] ?? ''}`,
      ...{ HOME: home, TMPDIR: temporary, TEST_PASSWORD: secrets.password, TEST_TOKEN: secrets.buildToken },
    },
  });
  printed += outcome.stdout + outcome.stderr;
  return outcome;
}

/** Writes the arguments of all processes, one a line, again and again until the file is there. */
const watchArguments = (until: string): string[] => [
  'sh',
  '-c',
  `until [ -e ${until} ]; do
    if [ -d /proc/self ]; then cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; else ps -axww -o args; fi
    sleep 0.05
  done | sort -u`,
];

async function whileWatched(work: () => Promise<void>): Promise<void> {
  const enough = path.join(lab.folder, 'enough');
  const [shell = '', ...script] = watchArguments(enough);
  const here = promisify(execFile)(shell, script, { maxBuffer: 100_000_000 });
  const there = host.mustExec(watchArguments('/run/enough'));
  try {
    await work();
  } finally {
    writeFileSync(enough, '');
    await host.mustExec('touch /run/enough');
    seenArguments += (await here).stdout + (await there);
  }
}

/** Fails with the surroundings of a secret. */
function assertNoSecret(text: string, where: string): void {
  const at = text.indexOf(MARK);
  assert.equal(at, -1, `${where}: …${text.slice(Math.max(0, at - 200), at + 40)}…`);
}

async function environmentOf(container: string): Promise<string[]> {
  return JSON.parse(await host.mustExec(['docker', 'inspect', '-f', '{{json .Config.Env}}', container])) as string[];
}

test('the container and the steps of the build get the secrets', async () => {
  app.write('Dockerfile', dockerfile + secretStep);
  await whileWatched(async () => {
    const first = newSecrets();
    const { code, stdout, stderr } = await run(first, 'deploy', '--json');
    assert.equal(code, 0, stdout + stderr);
    const environment = await environmentOf('uptimer_BLUE');
    for (const variable of [
      `PASSWORD=${first.password}`,
      `URL=postgres://shop:${first.password}@db/shop`,
      `FROM_FILE=${first.fileValue}`,
    ]) {
      assert.ok(environment.includes(variable), variable);
    }
    const sum = createHash('sha256')
      .update(first.buildToken + first.buildKey)
      .digest('hex');
    assert.equal(await host.mustExec('docker exec uptimer_BLUE cat /sum'), `${sum}  -\n`);

    const second = newSecrets();
    const plans = [await run(second, 'plan'), await run(second, 'plan', '--json')];
    plans.forEach((plan) => assert.match(plan.stdout, /PASSWORD/, 'what changes is named'));
    assert.equal((await run(second, 'deploy')).code, 0);
    assert.ok((await environmentOf('uptimer_GREEN')).includes(`PASSWORD=${second.password}`));
    assert.equal((await get(host)).status, 200);
  });
  // The docker command, which hands secrets to a build, has its own notes.
  assert.deepEqual(readdirSync(home), ['.docker']);
  rmSync(path.join(home, '.docker'), { recursive: true });
});

test('nor does a failure tell them', async () => {
  app.write('Dockerfile', dockerfile);
  const build = {};
  await whileWatched(async () => {
    const unhealthy = await run(newSecrets({ build, health: { attempts: 2, body: 'never said' } }), 'deploy', '--json');
    assert.equal(unhealthy.code, 5, unhealthy.stdout);
    const endsAtOnce = newSecrets({
      build,
      run: { command: ['false'], env: { PASSWORD: { fromEnv: 'TEST_PASSWORD' } } },
    });
    assert.equal((await run(endsAtOnce, 'deploy')).code, 3);
    await run(newSecrets({ build }), 'status');
    await run(newSecrets({ build }), 'logs', 'uptimer');
  });
});

test('nobody else sees a secret: output, arguments of processes, labels, nginx, history and layers of images', async () => {
  assertNoSecret(printed, 'printed');
  for (const seen of ['--secret', 'dist/cli.js', 'nginx: master process', 'server.py']) {
    assert.ok(seenArguments.includes(seen), `${seen} ran, and was not seen`);
  }
  assertNoSecret(seenArguments, 'arguments');

  const all = JSON.parse(
    await host.mustExec(
      'docker inspect $(docker ps -aq) $(docker images -q | sort -u) $(docker network ls -q) $(docker volume ls -q)',
    ),
  ) as { readonly Name?: string; readonly Config?: object }[];
  const slots = all.filter(({ Name: name }) => /^\/uptimer_/.test(name ?? ''));
  assert.equal(slots.length, 2);
  for (const slot of slots) {
    assert.ok(JSON.stringify(slot).includes(MARK), 'the search finds what is there');
    Object.assign(slot, { Config: { ...slot.Config, Env: [] } });
  }
  assertNoSecret(JSON.stringify(all), 'docker inspect');

  assertNoSecret(await host.mustExec("docker exec reverse-proxy sh -c 'nginx -T; env; find /tmp -type f'"), 'nginx');
  assertNoSecret(
    await host.mustExec('for it in $(docker ps -aq); do docker logs $it 2>&1; done; cat /var/log/dockerd.log'),
    'logs',
  );
  assertNoSecret(
    await host.mustExec('for it in $(docker images -q); do docker history --no-trunc $it; done'),
    'history',
  );
  const releases = "docker images --format '{{.Repository}}:{{.Tag}}' uptimer";
  const found = await host.mustExec(`docker save $(${releases}) | grep -aoE '${MARK}.{9}|python3' | sort -u`);
  assert.equal(found, 'python3\n', 'layers');
  for (const reference of (await host.mustExec(releases)).trim().split('\n')) {
    const image = lab.engine.docker.getImage(reference);
    assertNoSecret(JSON.stringify([await image.inspect(), await image.history()]), `${reference} where it was built`);
  }
});

test('on the host nothing was written outside of Docker, on this machine nothing at all', async () => {
  // What sshd notes of a login, and what Docker says. Each `docker exec` has a file in /tmp for a moment; with it the
  // folder, and on this machine's overlay the one above, were written to.
  const ownNotes = ['/', '/tmp', '/var/log/wtmp', '/var/log/lastlog', '/var/log/btmp', '/var/log/dockerd.log'];
  const written = await host.mustExec(
    'find / -xdev \\( -path /var/lib/docker -o -path /proc -o -path /run -o -path /sys \\) -prune -o -cnewer /run/before -print',
  );
  assert.deepEqual(
    written.split('\n').filter((file) => file !== '' && !ownNotes.includes(file)),
    [],
  );
  assert.equal(await host.mustExec('ls -A /tmp'), '');
  assert.deepEqual(readdirSync(home), []);
  assert.deepEqual(readdirSync(temporary), []);
  assert.deepEqual(readdirSync(app.folder).sort(), ['Dockerfile', 'bluegreen.json', 'server.py', 'version.txt']);
});
