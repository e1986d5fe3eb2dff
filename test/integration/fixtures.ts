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

/** Names of all containers on a host with their state: `uptimer_BLUE running`. */
export async function containers(host: Host): Promise<string[]> {
  const out = await host.mustExec("docker ps -a --format '{{.Names}} {{.State}}'");
  return out.split('\n').filter(Boolean).sort();
}

/** References of all tagged images on a host that belong to services or to a deployment under way. */
export async function images(host: Host): Promise<string[]> {
  const out = await host.mustExec("docker images --format '{{.Repository}}:{{.Tag}}'");
  return out
    .split('\n')
    .filter((name) => name !== '' && name !== proxyImage && name !== pythonImage)
    .sort();
}

/** Asserts that nothing of an ended run is left on the host: no lock, nothing put aside, no half-sent image. */
export async function assertNothingLeft(host: Host): Promise<void> {
  const left = await host.mustExec(
    `{ docker ps -a --format '{{.Names}}'; docker images --format '{{.Repository}}:{{.Tag}}'; } |
       grep -E '_LOCK|_ASIDE|_LOOK|blue-green-incoming|blue-green-lock|<none>'
     docker exec reverse-proxy sh -c 'ls /etc/nginx/conf.d /tmp' 2>/dev/null | grep -E 'candidate|previous|blue-green'
     true`,
  );
  assert.equal(left, '');
}

/** Makes a certificate and its key on the host, `NAME.pem` and `NAME.key` in a folder there, and returns the certificate. */
export async function makeCertificate(host: Host, folder: string, hostName: string): Promise<string> {
  await host.mustExec(`mkdir -p ${folder} && cd ${folder} &&
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${hostName} \
      -addext subjectAltName=DNS:${hostName} -keyout ${hostName}.key -out ${hostName}.pem`);
  return host.mustExec(['cat', `${folder}/${hostName}.pem`]);
}
