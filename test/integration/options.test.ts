/** Settings on their way to a real container, and the options of the command line that stand in their place. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Host } from '../machines/host';
import { pythonImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, containers, copyApp } from './fixtures';

/** Where the proxy answers. */
const PORT = 8088;

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '28.5', prepared: true })).dockerReady();
  app = copyApp('uptimer');
});
after(async () => {
  app.remove();
  await lab.stop();
});

function deploy(...args: string[]): Promise<CliOutcome> {
  return runCli(lab, ['deploy', '--host', host.name, '--json', ...args], { cwd: app.folder });
}

/** What the site answers, by its status and its body. */
function ask(...args: string[]): Promise<string> {
  return host.mustExec(['curl', '-s', '-w', ' %{http_code}', ...args]);
}

test('--dockerfile, --context, --port, --health and --publish', async () => {
  // Another Dockerfile, another folder, a port that no EXPOSE names, and a path that alone answers 200.
  app.write(
    'docker/web.Dockerfile',
    `FROM ${pythonImage}\nCOPY site /site\nCMD ["python3", "-m", "http.server", "--directory", "/site", "9000"]\n`,
  );
  app.write('sources/site/up/index.html', 'served from sources');
  const { code, result, stdout, stderr } = await deploy(
    ...['--dockerfile', 'docker/web.Dockerfile', '--context', 'sources', '--port', '9000'],
    ...['--health', '/up/', '--publish', String(PORT)],
  );
  assert.equal(code, 0, stdout + stderr);
  const name = result?.service ?? assert.fail(stdout);
  assert.equal(await ask(`http://127.0.0.1:${PORT}/up/`), 'served from sources 200');
  assert.match(await host.mustExec(`docker logs ${name}_BLUE 2>&1`), /"GET \/up\/ HTTP\/1\.\d" 200/);
  assert.match(await host.mustExec('docker port reverse-proxy'), new RegExp(`^80/tcp -> 0\\.0\\.0\\.0:${PORT}$`, 'm'));
  const removed = await runCli(lab, ['remove', name, '--yes', '--host', host.name]);
  assert.equal(removed.code, 0, removed.stderr);
});

/** Everything of "run", a target, and what an nginx file says besides the slot. */
function configure(old: 'keep' | 'remove'): void {
  const uptimer = {
    build: { target: 'small' },
    health: { interval: '100ms' },
    proxy: { publish: PORT },
    route: { maxBody: '3k' },
    run: {
      command: ['python3', '-u', '/app/server.py'],
      cpus: 0.5,
      env: { WARMUP: '0' },
      envFile: ['app.env'],
      extraHosts: ['db:10.0.0.5'],
      memory: '96m',
      user: '1000:1000',
      volumes: ['uptimer-data:/data', '/etc/hostname:/host-name:ro'],
    },
    retire: { old, grace: '7s' },
  };
  app.write('bluegreen.json', JSON.stringify({ services: { uptimer } }));
}

test('settings of bluegreen.json are those of the container', async () => {
  app.write(
    'Dockerfile',
    `FROM ${pythonImage} AS small
WORKDIR /app
COPY server.py version.txt ./
EXPOSE 8080
FROM small
RUN exit 1
`,
  );
  app.write('app.env', '# a comment\nFROM_FILE="quotes are part of it"\n');
  app.setVersion('1');
  configure('keep');
  const { code, stdout, stderr } = await deploy();
  assert.equal(code, 0, stdout + stderr);
  const [slot] = JSON.parse(await host.mustExec('docker inspect uptimer_BLUE')) as [
    {
      readonly Config: { readonly Cmd: string[]; readonly Env: string[]; readonly User: string };
      readonly HostConfig: Record<string, unknown>;
      readonly Mounts: { readonly Type: string; readonly Name?: string; readonly Destination: string; RW: boolean }[];
    },
  ];
  assert.deepEqual(slot.Config.Cmd, ['python3', '-u', '/app/server.py']);
  assert.equal(slot.Config.User, '1000:1000');
  assert.ok(slot.Config.Env.includes('WARMUP=0'));
  assert.ok(slot.Config.Env.includes('FROM_FILE="quotes are part of it"'), slot.Config.Env.join());
  assert.equal(slot.HostConfig['NanoCpus'], 500_000_000);
  assert.equal(slot.HostConfig['Memory'], 96 * 1024 * 1024);
  assert.deepEqual(slot.HostConfig['ExtraHosts'], ['db:10.0.0.5']);
  assert.deepEqual(slot.Mounts.map((it) => [it.Type, it.Name ?? '', it.Destination, it.RW]).sort(), [
    ['bind', '', '/host-name', false],
    ['volume', 'uptimer-data', '/data', true],
  ]);
  const seen = await host.mustExec("docker exec uptimer_BLUE sh -c 'id -u; cat /host-name; grep -w db /etc/hosts'");
  assert.match(seen, new RegExp(`^1000\n${host.name}\n10\\.0\\.0\\.5\\s+db\n$`));
  const url = `http://127.0.0.1:${PORT}/upload`;
  for (const [bytes, status] of [
    [3_000, 200],
    [4_000, 413],
  ] as const) {
    const answer = await host.mustExec(
      `head -c ${bytes} /dev/zero | curl -s -o /dev/null -w '%{http_code}' --data-binary @- ${url}`,
    );
    assert.equal(answer, String(status), `${bytes} bytes`);
  }
});

test('retire.old: keep leaves the old slot running, remove takes it away', async () => {
  app.setVersion('2');
  const kept = await deploy();
  assert.equal(kept.code, 0, kept.stdout);
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE running', 'uptimer_GREEN running']);
  assert.match(await host.mustExec(['docker', 'exec', 'uptimer_BLUE', 'cat', '/app/version.txt']), /^1$/m);
  app.setVersion('3');
  configure('remove');
  const removed = await deploy();
  assert.equal(removed.code, 0, removed.stdout);
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE running']);
  assert.match(await ask(`http://127.0.0.1:${PORT}/`), /^uptimer 3 .* 200$/s);
  await assertNothingLeft(host);
});
