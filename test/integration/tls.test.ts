/** TLS that somebody has set up in the proxy by hand is never taken away, and follows every switch once it is as documented. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { HostState } from '../../src/model';
import type { Host } from '../machines/host';
import { proxyImage, pythonImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { Http2Client, type TlsAnswer, TlsTraffic, type TlsTrafficOptions } from '../machines/tlsTraffic';
import { type CliOutcome, runCli } from './cli';
import { type App, assertNothingLeft, containers, copyApp, makeCertificate } from './fixtures';

const guide = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../docs/CONFIGURATION.md');
const hostName = 'shop.example.com';
const folder = '/srv/proxy';
/** As people write them: both ports in one file that names the slot. */
const byHand = `server {
    listen 80;
    listen 443 ssl;
    http2 on;
    server_name ${hostName};
    ssl_certificate /etc/nginx/tls/${hostName}.pem;
    ssl_certificate_key /etc/nginx/tls/${hostName}.key;
    location / { proxy_pass http://shop_BLUE:8080; }
}
`;

let lab: Lab;
let host: Host;
let app: App;
let client: Omit<TlsTrafficOptions, 'http2' | 'keepAlive'>;

before(async () => {
  lab = await startLab();
  host = await (await lab.host({ engine: '26.1', prepared: true })).dockerReady();
  app = copyApp('uptimer', 'shop');
  const service = { build: { args: { WARMUP: '0' } }, route: hostName, health: { path: '/', interval: '100ms' } };
  app.write('bluegreen.json', JSON.stringify({ services: { shop: service } }));
  await host.mustExec(`mkdir -p ${folder}/conf.d`);
  const certificate = await makeCertificate(host, `${folder}/tls`, hostName);
  client = { address: host.address, port: host.tlsPort, hostName, certificate };
  await write('default.conf', byHand);
  await host.mustExec(`docker network create web-gateway
    docker run -d --init --name shop_BLUE --restart always --network web-gateway ${pythonImage} python3 -m http.server 8080
    docker run -d --name reverse-proxy --restart always --network web-gateway -p 80:80 -p 443:443 \
      -v ${folder}/conf.d:/etc/nginx/conf.d -v ${folder}/tls:/etc/nginx/tls:ro ${proxyImage}`);
  // Its port is open before its workers run.
  await host.mustExec(
    `until curl -sfko /dev/null --resolve ${hostName}:443:127.0.0.1 https://${hostName}/; do sleep 0.1; done`,
  );
});
after(async () => {
  app.remove();
  await lab.stop();
});

function run(...args: string[]): Promise<CliOutcome> {
  return runCli(lab, [...args, '--host', host.name, '--json'], { cwd: app.folder });
}

async function write(name: string, text: string): Promise<void> {
  await host.mustExec(['sh', '-c', `cat > ${folder}/conf.d/${name}`], text);
}

function inProxyFolder(): Promise<string> {
  return host.mustExec(`cd ${folder}/conf.d && md5sum * | sort`);
}

async function proxyItself(): Promise<string> {
  return host.mustExec("docker inspect -f '{{.Id}} {{.HostConfig.Binds}} {{.HostConfig.PortBindings}}' reverse-proxy");
}

async function findings(): Promise<string[] | undefined> {
  const { services } = JSON.parse((await run('status')).stdout) as HostState;
  return services[0]?.findings.map(({ code, remedy }) => `${code} ${remedy}`);
}

/** A request over HTTP/2: the version that answers, and what it was told of the client's way. */
async function overTls(): Promise<{ version: unknown; scheme: unknown }> {
  const browser = new Http2Client(client);
  const { headers } = await browser.ask('/');
  browser.close();
  return { version: headers['x-version'], scheme: headers['x-scheme'] };
}

/** The snippets of the guide that hold this text. */
function fromGuide(text: string): string {
  const snippets = [...readFileSync(guide, 'utf8').matchAll(/^```nginx\n([^`]*)```$/gm)].map((match) => match[1] ?? '');
  return snippets.find((it) => it.includes(text)) ?? assert.fail(`The guide has no snippet with ${text}`);
}

test('a file by hand that serves TLS and names the slot is left as it is by every command', async () => {
  const files = await inProxyFolder();
  const before = await containers(host);
  assert.deepEqual(await findings(), ['tls-by-hand person']);
  const refused = async (...command: string[]): Promise<CliOutcome> => {
    const outcome = await run(...command);
    assert.equal(outcome.code, 4, outcome.stdout);
    assert.match(outcome.stdout, /\/etc\/nginx\/conf\.d\/default\.conf serves TLS \(line 3\)/);
    return outcome;
  };
  await refused('plan');
  await refused('remove', 'shop', '--yes');
  const { live, error } = (await refused('deploy')).result ?? assert.fail();
  assert.equal(live, 'BLUE');
  assert.equal(error?.stage, 'plan');
  assert.match(error.hint ?? '', /`include \/etc\/nginx\/conf\.d\/\*@shop\.example\.com\.location;`/);
  assert.deepEqual(await containers(host), before);
  // Repaired all the same: what needs no other file.
  await host.mustExec('docker stop -t 0 shop_BLUE');
  const repair = await run('repair');
  assert.equal(repair.code, 0, repair.stdout);
  assert.deepEqual(await overTls(), { version: undefined, scheme: undefined });
  assert.equal(await inProxyFolder(), files);
});

test('moved into a file of its own as documented, it follows the first deployment without a lost request', async () => {
  const server = fromGuide('listen 443 ssl;');
  const meanwhile = fromGuide('proxy_pass http://127.0.0.1;');
  await write('tls.conf', server.replace(/}\n$/, `${meanwhile}}\n`));
  await write('default.conf', byHand.replace(/^.*(?:ssl|http2).*\n/gm, ''));
  await host.mustExec('docker exec reverse-proxy nginx -s reload');
  const [proxy, file] = [await proxyItself(), await host.mustExec(`md5sum ${folder}/conf.d/tls.conf`)];
  const traffic = TlsTraffic.start({ ...client, http2: 4, keepAlive: 0 });
  app.setVersion('1');
  const { code, stdout } = await run('deploy');
  const counted = await traffic.stop();
  assert.equal(code, 0, stdout);
  assert.deepEqual(counted.failures, []);
  assert.ok(counted.left >= 4, JSON.stringify(counted));
  assert.deepEqual(await overTls(), { version: '1', scheme: 'https' });
  assert.deepEqual(await findings(), []);
  assert.equal(await proxyItself(), proxy);
  assert.equal(await host.mustExec(`md5sum ${folder}/conf.d/tls.conf`), file);
});

test('a deployment loses no request over TLS, and what is open over HTTP/2 ends in its own time', async () => {
  const browser = new Http2Client(client);
  const downloads: Promise<{ readonly answer: TlsAnswer; readonly at: number }>[] = [];
  const drain = { running: Infinity, done: 0 };
  const traffic = TlsTraffic.start({ ...client, http2: 4, keepAlive: 8 });
  app.setVersion('2');
  const { code, stdout } = await runCli(lab, ['deploy', '--host', host.name, '--json'], {
    cwd: app.folder,
    onEvent: (event) => {
      if (event.type !== 'stage') {
        return;
      }
      // Late enough to be far from its end when nginx is switched.
      if (event.stage === 'start' && event.status === 'running') {
        downloads.push(browser.ask('/download?s=16').then((answer) => ({ answer, at: performance.now() })));
      } else if (event.stage === 'drain' && (event.status === 'running' || event.status === 'done')) {
        drain[event.status] = performance.now();
      }
    },
  });
  const counted = await traffic.stop();
  assert.equal(code, 0, stdout);
  assert.deepEqual(counted.failures, []);
  assert.ok(counted.left >= 4, JSON.stringify(counted));
  assert.ok((counted.versions['1'] ?? 0) > 50 && (counted.versions['2'] ?? 0) > 50, JSON.stringify(counted.versions));
  const { answer, at } = await (downloads[0] ?? assert.fail());
  assert.deepEqual([answer.headers['x-version'], answer.body.length, browser.left], ['1', 1_600_000, 1]);
  // What nginx has closed may be read here a moment later.
  assert.ok(drain.running < at && at < drain.done + 1_000, JSON.stringify({ drain, at }));
  browser.close();
  assert.deepEqual(await overTls(), { version: '2', scheme: 'https' });
  await assertNothingLeft(host);
});

test('the service is told of TLS that ended in front of the proxy, and of nothing else that a client says', async () => {
  const scheme = async (protocol: 'http' | 'https', said: string): Promise<string | undefined> => {
    const port = protocol === 'http' ? 80 : 443;
    const asked = `curl -sk -o /dev/null -D - --resolve ${hostName}:${port}:127.0.0.1 -H 'X-Forwarded-Proto: ${said}'`;
    return /^x-scheme: (\S*)/im.exec(await host.mustExec(`${asked} ${protocol}://${hostName}/`))?.[1];
  };
  assert.equal(await scheme('http', ''), 'http');
  assert.equal(await scheme('http', 'https'), 'https');
  assert.equal(await scheme('http', 'gopher'), 'http');
  assert.equal(await scheme('https', 'http'), 'https');
});

test('gRPC goes through with its trailers, and a call that is open at the switch ends in its own time', async () => {
  const greeter = copyApp('greeter');
  const service = {
    route: { hosts: hostName, path: '/greeter.Greeter', protocol: 'grpc' },
    health: {
      path: '/greeter.Greeter/Hello',
      method: 'POST',
      headers: { 'content-type': 'application/grpc' },
      interval: '100ms',
    },
  };
  greeter.write('bluegreen.json', JSON.stringify({ services: { greeter: service } }));
  const caller = new Http2Client(client);
  const call = async (greetings: number): Promise<string> => {
    const { trailers, body } = await caller.ask('/greeter.Greeter/Hello', String(greetings));
    return `${
      body
        .toString()
        .match(/greeter \d+ \d+/g)
        ?.at(-1) ?? ''
    }, status ${String(trailers['grpc-status'])}`;
  };
  const calls: Promise<string>[] = [];
  for (const version of ['1', '2']) {
    greeter.setVersion(version);
    const { code, result, stdout } = await runCli(lab, ['deploy', '--host', host.name, '--json'], {
      cwd: greeter.folder,
      onEvent: (event) => {
        if (version === '2' && event.type === 'stage' && event.stage === 'switch' && event.status === 'running') {
          calls.push(call(80));
        }
      },
    });
    assert.equal(code, 0, stdout);
    assert.equal(result?.requests.failed, 0, stdout);
    assert.equal(await call(2), `greeter ${version} 2, status 0`);
  }
  assert.deepEqual(await Promise.all(calls), ['greeter 1 80, status 0']);
  assert.match(await host.mustExec('docker logs greeter_BLUE'), /stops, 0 calls open/);
  assert.deepEqual(await overTls(), { version: '2', scheme: 'https' });
  caller.close();
  greeter.remove();
});

test('what is removed is the service: its TLS and the proxy stay', async () => {
  for (const service of ['greeter', 'shop']) {
    const { code, stdout } = await run('remove', service, '--yes');
    assert.equal(code, 0, stdout);
  }
  assert.match(await host.mustExec(`ls ${folder}/conf.d`), /^tls\.conf$/m);
  await host.mustExec('docker exec reverse-proxy nginx -t');
  // Nothing is behind it any more but port 80, and that is free.
  await assert.rejects(overTls(), /status 502/);
});
