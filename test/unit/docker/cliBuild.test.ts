import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { BuildSpec } from '../../../src/docker/buildSpec';
import {
  buildWithDockerCommand,
  CommandMissingError,
  gainsByDockerCommand,
  needsDockerCommand,
} from '../../../src/docker/cliBuild';
import { parseDockerfile } from '../../../src/docker/dockerfile';

const folder = mkdtempSync(path.join(tmpdir(), 'blue-green-command-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const spec: BuildSpec = {
  context: '/app',
  dockerfile: '/app/Dockerfile',
  args: { V: '1' },
  labels: { 'blue-green.service': 'shop' },
  tag: 'shop:1',
};
const noSignal = new AbortController().signal;

/** An engine of this machine, as far as the docker command is concerned. */
const engine = { cliEnvironment: { DOCKER_HOST: 'unix:///run/lab.sock' }, description: 'this machine' };

/** Puts a program in the place of the docker command that keeps how it was called and does as the script says. */
function command(script: string): { readonly env: Record<string, string>; readonly called: () => string[] } {
  const program = path.join(folder, 'docker');
  const log = path.join(folder, 'called');
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" "$DOCKER_HOST" "$DOCKER_BUILDKIT" > ${log}\n${script}\n`);
  chmodSync(program, 0o755);
  return { env: { PATH: `${folder}:/usr/bin:/bin` }, called: () => readFileSync(log, 'utf8').trim().split('\n') };
}

async function until(reached: () => boolean): Promise<void> {
  for (let tries = 0; !reached(); tries++) {
    assert.ok(tries < 600, 'it does not come about');
    await delay(50);
  }
}

function recorder() {
  const lines: string[] = [];
  const steps: [number, number][] = [];
  return {
    lines,
    steps,
    log: (text: string, level: string) => void lines.push(`${level}: ${text}`),
    step: (done: number, total: number) => void steps.push([done, total]),
  };
}

test('a build needs the docker command for secrets and ssh mounts only', () => {
  const plain = 'FROM a\nRUN --mount=type=cache,target=/x true\n# RUN --mount=type=secret,id=x\n';
  const needs = (content: string, more: Partial<BuildSpec> = {}): boolean =>
    needsDockerCommand({ ...spec, ...more }, parseDockerfile(content));
  assert.equal(needs(plain), false);
  assert.equal(needs(plain, { secrets: {} }), false);
  assert.equal(needs(plain, { secrets: { x: { env: 'X' } } }), true);
  assert.equal(needs(plain, { ssh: true }), true);
  assert.equal(needs('FROM a\nRUN --mount=type=secret,id=x cat /run/secrets/x\n'), true);
  assert.equal(needs('FROM a\nrun --network=none \\\n  --mount=id=k,type=ssh git fetch\n'), true);
});

test('a build gains by the docker command where the person is logged in to an image of it, and by a syntax line', async () => {
  const auths = { 'ghcr.io': {}, 'https://index.docker.io/v1/': {} };
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ auths, credHelpers: { 'gcr.io': 'gcloud' } }));
  const gains = (content: string, args: Record<string, string> = {}): Promise<boolean> =>
    gainsByDockerCommand({ ...spec, args }, content, parseDockerfile(content), { DOCKER_CONFIG: folder });
  const expected: readonly [boolean, string, Record<string, string>?][] = [
    [true, 'FROM ghcr.io/ann/base\n'],
    [true, 'FROM --platform=linux/amd64 node:20 AS build\n'],
    [true, 'FROM docker.io/library/node:20\n'],
    [true, 'FROM quay.io/a\nCOPY --from=gcr.io/a/b:1 /x /\n'],
    [true, 'FROM quay.io/a\nRUN --mount=type=bind,from=ghcr.io/a,target=/a true\n'],
    [true, 'ARG REGISTRY="ghcr.io"\nFROM ${REGISTRY}/a\n'],
    [false, 'ARG REGISTRY="ghcr.io"\nFROM $REGISTRY/a\n', { REGISTRY: 'quay.io' }],
    [true, 'ARG REGISTRY\nFROM ${REGISTRY:-ghcr.io}/a\n'],
    [true, '# escape=`\n# syntax=quay.io/frontend:1\nFROM quay.io/a\n'],
    [false, 'FROM scratch\n# syntax=quay.io/frontend:1\n'],
    [false, 'FROM quay.io/a AS one\nFROM one\nCOPY --from=one /x /\nCOPY --from=0 /x /\n'],
  ];
  for (const [whether, content, args] of expected) {
    assert.equal(await gains(content, args), whether, content);
  }
});

describe('a build by the docker command', () => {
  test('says what is to be built, and of secrets only where they are', async () => {
    const { env, called } = command('');
    const secrets = { token: { env: 'TOKEN' }, key: { file: '/app/a,b "c".txt' } };
    const more = { ...spec, secrets, ssh: true, target: 'prod', platform: 'linux/arm64' };
    assert.equal(
      await buildWithDockerCommand(engine, more, [], recorder(), noSignal, { ...env, TOKEN: 'hush' }),
      undefined,
    );
    assert.deepEqual(called(), [
      'build',
      ...['--progress', 'plain', '--file', '/app/Dockerfile', '--tag', 'shop:1'],
      ...['--build-arg', 'V=1', '--label', 'blue-green.service=shop', '--target', 'prod', '--platform', 'linux/arm64'],
      ...['--secret', 'id=token,env=TOKEN', '--secret', '"id=key","src=/app/a,b ""c"".txt"', '--ssh', 'default'],
      ...['/app', 'unix:///run/lab.sock', '1'],
    ]);
  });

  test('gives arguments that look secret by their variables, others by their values', async () => {
    const { env, called } = command('printf "%s\\n" "$NPM_TOKEN" >> "$LOG"');
    const args = { V: '1', NPM_TOKEN: 'hush', DOCKER_AUTH_CONFIG: '{}', TAKEN_TOKEN: 'mine' };
    const taken = { ...env, TAKEN_TOKEN: 'of somebody else', LOG: path.join(folder, 'called') };
    await buildWithDockerCommand(engine, { ...spec, args, labels: {} }, [], recorder(), noSignal, taken);
    const given = called();
    assert.deepEqual(
      given.filter((_, index) => given[index - 1] === '--build-arg'),
      ['V=1', 'NPM_TOKEN', 'DOCKER_AUTH_CONFIG={}', 'TAKEN_TOKEN=mine'],
    );
    assert.equal(given.at(-1), 'hush');
  });

  test('ends with all that it has started, also what does not want to', async () => {
    const started = path.join(folder, 'started');
    // As docker does with buildx: the work is done, and the output held, by a program of the command.
    const { env } = command(
      `sh -c 'trap "" TERM; echo $$ > ${started}; while :; do sleep 1; done' & trap "" TERM; wait; wait`,
    );
    const control = new AbortController();
    const building = buildWithDockerCommand(engine, spec, [], recorder(), control.signal, env);
    const cancelled = assert.rejects(building, { code: 'cancelled' });
    await until(() => existsSync(started) && readFileSync(started, 'utf8') !== '');
    control.abort();
    await cancelled;
    const pid = Number(readFileSync(started, 'utf8'));
    await until(() => !existsSync(`/proc/${pid}/fd`) || readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
  });

  test('is stuck when it says nothing for an hour', async (t) => {
    const { env } = command('exec sleep 600');
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const stuck = assert.rejects(buildWithDockerCommand(engine, spec, [], recorder(), noSignal, env), {
      code: 'build',
      message: /said nothing for an hour/,
    });
    t.mock.timers.tick(60 * 60_000);
    t.mock.timers.reset();
    await stuck;
  });

  test('tells its lines and steps, and of a failure the step', async () => {
    const { env } = command(`cat >&2 <<'END'
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s

#4 [1/2] FROM docker.io/library/tiny:1
#4 sha256:${'0'.repeat(64)}
#4 CACHED

#5 [2/2] RUN make
#5 0.512 cc main.c
#5 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
------
 > [2/2] RUN make:
------
ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2
END
exit 1`);
    const record = recorder();
    const failure = await buildWithDockerCommand(engine, spec, [], record, noSignal, env);
    assert.ok(failure !== undefined);
    assert.deepEqual(
      failure.failed.map(({ name, error }) => [name, error]),
      [['[2/2] RUN make', 'process "/bin/sh -c make" did not complete successfully: exit code: 2']],
    );
    assert.match(failure.message, /^failed to solve: .*exit code: 2$/);
    assert.deepEqual(record.steps, [
      [1, 2],
      [2, 2],
    ]);
    assert.ok(record.lines.includes('info: #5 cc main.c'), record.lines.join('\n'));
    assert.ok(!record.lines.join().includes('sha256'));
  });

  test('says what is missing, and is over when the person wants it', async () => {
    const missing = (error: unknown): true => {
      assert.ok(error instanceof CommandMissingError);
      assert.deepEqual([error.name, error.code], ['DeployError', 'build']);
      assert.match(error.message, /docker command is not installed here/);
      assert.deepEqual(error.position, { file: '/app/Dockerfile', line: 2, column: 1 });
      return true;
    };
    const instructions = parseDockerfile('FROM a\nRUN --mount=type=ssh ssh-add -l\n');
    await assert.rejects(
      buildWithDockerCommand(engine, spec, instructions, recorder(), noSignal, { PATH: '/nowhere' }),
      missing,
    );
    const { env } = command(
      'echo "ERROR: BuildKit is enabled but the buildx component is missing or broken." >&2; exit 1',
    );
    await assert.rejects(buildWithDockerCommand(engine, spec, [], recorder(), noSignal, env), {
      message: /has no buildx/,
    });
    const far = { cliEnvironment: undefined, description: 'prod' };
    await assert.rejects(buildWithDockerCommand(far, spec, [], recorder(), noSignal, env), {
      message: /cannot be used .* prod/,
    });
    const control = new AbortController();
    const slow = command('exec sleep 60');
    const begin = performance.now();
    setTimeout(() => control.abort(), 200);
    await assert.rejects(buildWithDockerCommand(engine, spec, [], recorder(), control.signal, slow.env), {
      code: 'cancelled',
    });
    assert.ok(performance.now() - begin < 20_000);
  });
});
