/** A host that the article's script has set up is deployed over as it is: its names, its nginx file, no downtime. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HostState } from '../../src/model';
import { longTest } from '../long';
import type { Host } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { describeTraffic, Traffic } from '../machines/traffic';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, containers, copyApp, get } from './fixtures';

const byHand =
  'upstream uptimer { server uptimer_BLUE:8080; }\nserver { listen 80; location / { proxy_pass http://uptimer; } }\n';

/** Answers in its own time, on a port that nothing but nginx's file names. */
const app1 = `import time, http.server as h
class Handler(h.BaseHTTPRequestHandler):
  def do_GET(self):
    time.sleep(16 if self.path == "/slow" else 0)
    self.send_response(200)
    self.end_headers()
  def log_message(self, *_): pass
h.ThreadingHTTPServer(("", 8080), Handler).serve_forever()`;

let lab: Lab;
let host: Host;
let app: App;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '26.1', prepared: true, disk: 'lasting' })).dockerReady();
  app = copyApp('uptimer');
  app.setVersion('2');
  await prepareAsTheArticle();
});
after(async () => {
  app.remove();
  await lab.stop();
});

/** What the script leaves behind: a slot that restarts always, an upstream in default.conf, WebSockets not passed on. */
async function prepareAsTheArticle(): Promise<void> {
  await host.mustExec('docker network create web-gateway');
  await host.mustExec(
    `docker run -d --init --name uptimer_BLUE --restart always --network web-gateway python:3.13-alpine python3 -c '${app1}'`,
  );
  await host.mustExec(
    'docker run -d --name reverse-proxy --restart always --network web-gateway -p 80:80 nginx:1.30-alpine',
  );
  await write('default.conf', byHand);
}

/** Puts a file into the proxy, as a person would. */
async function write(name: string, text: string): Promise<void> {
  const script = `cat > /etc/nginx/conf.d/${name} && nginx -t && nginx -s reload`;
  await host.mustExec(['docker', 'exec', '-i', 'reverse-proxy', 'sh', '-c', script], text);
}

test('status recognises the service and its live slot', async () => {
  assert.equal((await get(host)).status, 200);
  const { stdout } = await runCli(lab, ['status', '--host', host.name, '--json']);
  const state = JSON.parse(stdout) as HostState;
  assert.deepEqual(
    state.services.map((it) => [it.name, it.live]),
    [['uptimer', 'BLUE']],
  );
  assert.match(state.services[0]?.findings.map(({ code }) => code).join() ?? '', /^adopted$/);
});

test('the first deployment fills GREEN, takes the file over where it is, and drains BLUE on whatever port', async () => {
  const kept = 8;
  const traffic = Traffic.start({ url: `${host.url}/`, keepAlive: kept, fresh: 8 });
  let slow: Promise<number> | undefined;
  const { code, result, stdout } = await runCli(lab, ['deploy', '--host', host.name, '--json'], {
    cwd: app.folder,
    onEvent: (event) => {
      if (event.type === 'stage' && event.stage === 'switch') {
        slow ??= fetch(`${host.url}/slow`, { signal: AbortSignal.timeout(30_000) }).then(
          ({ status }) => status,
          () => 0,
        );
      }
    },
  });
  const counted = await traffic.stop();
  assert.equal(await slow, 200);
  assert.equal(code, 0, stdout);
  const { fresh, keepAlive } = counted.kinds;
  assert.equal(fresh.failed, 0, describeTraffic(counted));
  // The workers of the article's file close idle connections when they are told to end, whatever may be on its way: each
  // of those there were may lose one request, once.
  assert.ok(keepAlive.failed <= kept, describeTraffic(counted));
  console.error(`the first reload: ${keepAlive.failed} of ${kept} kept connections lost a request`);
  assert.ok(fresh.sent > 100 && keepAlive.sent > 100, describeTraffic(counted));
  assert.equal(result?.live, 'GREEN');
  assert.match((await get(host)).text, /^uptimer 2 /);
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE exited', 'uptimer_GREEN running']);
  const files = await host.mustExec('docker exec reverse-proxy ls /etc/nginx/conf.d');
  assert.equal(files.trim(), 'default.conf\ndefault.conf.edited\nuptimer@.fallback\nuptimer@.location\n~.conf');
  assert.equal(await host.mustExec('docker exec reverse-proxy cat /etc/nginx/conf.d/default.conf.edited'), byHand);
  await assertNothingLeft(host);
});

test('the adopted slot stays down after a reboot, and the new one comes up', async () => {
  const policy = await host.mustExec("docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' uptimer_BLUE");
  assert.equal(policy.trim(), 'unless-stopped');
  await host.restart();
  await host.dockerReady();
  assert.deepEqual(await containers(host), ['reverse-proxy running', 'uptimer_BLUE exited', 'uptimer_GREEN running']);
});

longTest('a file by hand that leads to two services is taken over by neither, until each has its own', async () => {
  const server = (name: string): string =>
    `server { listen 80; server_name ${name}.example; location / { proxy_pass http://${name}_BLUE:8080; } }\n`;
  for (const name of ['shop', 'blog']) {
    await host.mustExec(
      `docker run -d --init --restart always --name ${name}_BLUE --network web-gateway -w /srv python:3.13-alpine sh -c 'echo ${name} by hand > index.html; python3 -m http.server 8080'`,
    );
  }
  await write('both.conf', server('shop') + server('blog'));
  const asked = (name: string): Promise<string> =>
    host.mustExec(`curl -s --retry 5 --retry-all-errors -f -H 'Host: ${name}.example' http://127.0.0.1/`);
  const shop = copyApp('uptimer', 'shop');
  shop.write('bluegreen.json', JSON.stringify({ services: { shop: { route: 'shop.example' } } }));
  const run = (...args: string[]): Promise<CliOutcome> =>
    runCli(lab, [...args, '--host', host.name, '--json'], { cwd: shop.folder });
  try {
    for (const command of [['plan'], ['deploy'], ['remove', 'shop', '--yes']]) {
      const { code, stdout } = await run(...command);
      assert.equal(code, 4, stdout);
      assert.match(stdout, /both\.conf was written by hand and leads to blog as well/);
    }
    const { services } = JSON.parse((await run('status')).stdout) as HostState;
    assert.deepEqual(
      services.filter(({ name }) => name !== 'uptimer').map(({ name, findings }) => [name, findings[0]?.code]),
      [
        ['blog', 'shared-by-hand'],
        ['shop', 'shared-by-hand'],
      ],
    );
    await host.mustExec('docker stop -t 0 shop_BLUE');
    const repaired = await run('repair', 'shop');
    assert.equal(repaired.code, 0, repaired.stdout);
    assert.equal(await asked('shop'), 'shop by hand\n');

    await write('both.conf', server('blog'));
    await write('shop.conf', server('shop'));
    const { code, stdout } = await run('deploy');
    assert.equal(code, 0, stdout);
    assert.match(await asked('shop'), /^shop|^uptimer/);
    assert.equal(await asked('blog'), 'blog by hand\n');
  } finally {
    shop.remove();
  }
});
