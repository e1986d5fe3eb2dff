import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Host } from '../machines/host';
import { proxyImage, pythonImage } from '../machines/images';

const apps = path.join(path.dirname(fileURLToPath(import.meta.url)), '../apps');

/** A copy of an example app in a folder of its own, whose name becomes the service's. */
export interface App {
  readonly folder: string;
  /** Makes it another version, by a change of one line. */
  setVersion(version: string): void;
  write(file: string, text: string): void;
  remove(): void;
}

export function copyApp(name: string, service = name): App {
  const parent = mkdtempSync(path.join(tmpdir(), 'blue-green-app-'));
  const folder = path.join(parent, service);
  mkdirSync(folder);
  cpSync(path.join(apps, name), folder, { recursive: true });
  const write = (file: string, text: string): void => {
    const whole = path.join(folder, file);
    mkdirSync(path.dirname(whole), { recursive: true });
    writeFileSync(whole, text);
  };
  return {
    folder,
    write,
    setVersion: (version) => write('version.txt', `${version}\n`),
    remove: () => rmSync(parent, { recursive: true, force: true }),
  };
}

/** What a browser would get from the host. */
export async function get(
  host: Host,
  url = '/',
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${host.url}${url}`, { headers, signal: AbortSignal.timeout(10_000) });
  return { status: response.status, text: await response.text() };
}

/** Asks a host's engine by its API. (The docker command takes a tenth of a second of processor time, and curl none.) */
const ASK = `get() { curl -fs --unix-socket /var/run/docker.sock "http://docker/$1"; }`;

interface ListedContainer {
  readonly Names: readonly string[];
  readonly State: string;
}

interface ListedImage {
  readonly RepoTags: readonly string[] | null;
}

function statesOf(list: string): string[] {
  const found = JSON.parse(list) as ListedContainer[];
  return found.map(({ Names: [name = ''], State: state }) => `${name.slice(1)} ${state}`).sort();
}

/** An image without a name is `<none>:<none>`. */
function tagsOf(list: string): string[] {
  const found = JSON.parse(list) as ListedImage[];
  return found.flatMap(({ RepoTags: tags }) => (tags === null || tags.length === 0 ? ['<none>:<none>'] : tags)).sort();
}

/** Names of all containers on a host with their state: `uptimer_BLUE running`. */
export async function containers(host: Host): Promise<string[]> {
  return statesOf(await host.mustExec(`${ASK}; get 'containers/json?all=1'`));
}

/** References of all images on a host that belong to services or to a deployment under way. */
export async function images(host: Host): Promise<string[]> {
  const tags = tagsOf(await host.mustExec(`${ASK}; get images/json`));
  return tags.filter((name) => name !== proxyImage && name !== pythonImage);
}

/** Asserts that nothing of an ended run is left on the host: no lock, nothing put aside, no half-sent image. */
export async function assertNothingLeft(host: Host): Promise<void> {
  const answer = await host.mustExec(
    `${ASK}
     get 'containers/json?all=1'; get images/json
     pid=$(get containers/reverse-proxy/json | sed -n 's/.*"Pid":\\([1-9][0-9]*\\).*/\\1/p')
     [ -z "$pid" ] || ls "/proc/$pid/root/etc/nginx/conf.d" "/proc/$pid/root/tmp"`,
  );
  const [ofContainers = '', ofImages = '', ...files] = answer.split('\n');
  const left = [
    ...statesOf(ofContainers).filter((it) => /_LOCK|_ASIDE|_LOOK/.test(it)),
    ...tagsOf(ofImages).filter((it) => /blue-green-incoming|blue-green-lock|<none>/.test(it)),
    ...files.filter((it) => /candidate|previous|blue-green/.test(it)),
  ];
  assert.deepEqual(left, []);
}

/** Makes a certificate and its key on the host, `NAME.pem` and `NAME.key` in a folder there, and returns the certificate. */
export async function makeCertificate(host: Host, folder: string, hostName: string): Promise<string> {
  await host.mustExec(`mkdir -p ${folder} && cd ${folder} &&
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${hostName} \
      -addext subjectAltName=DNS:${hostName} -keyout ${hostName}.key -out ${hostName}.pem`);
  return host.mustExec(['cat', `${folder}/${hostName}.pem`]);
}
