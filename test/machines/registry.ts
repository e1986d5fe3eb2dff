import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { aptInstall } from './apt';
import { atEnd } from './atEnd';
import { hasProgram } from './command';
import { toStderr } from './log';
import { freePort } from './network';

/** A registry on a port of this machine. It speaks no TLS, which Docker asks for neither on 127.0.0.1 nor in a lab. */
export interface Registry {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/** `hush`, as htpasswd keeps it. */
const passwordHash = '$2b$04$5Ry4A5V6Kjb.NU1n.opS0O61211s3NzEfqbRLMvi9oJIzWSxYd.Yq';

/** Starts an empty registry (Debian's docker-registry, installed when it is missing), at 127.0.0.1 if not said otherwise. */
export async function startRegistry(
  options: { readonly address?: string; readonly login?: { readonly user: string } } = {},
): Promise<Registry> {
  const { address = '127.0.0.1' } = options;
  if (!hasProgram('docker-registry')) await aptInstall(['docker-registry'], toStderr);
  const folder = mkdtempSync(join(tmpdir(), 'blue-green-registry-'));
  const port = await freePort();
  mkdirSync(join(folder, 'data'));
  const lines = [
    'version: 0.1',
    'log: { level: error }',
    `storage: { filesystem: { rootdirectory: ${join(folder, 'data')} } }`,
    `http: { addr: ${address}:${String(port)} }`,
  ];
  if (options.login !== undefined) {
    writeFileSync(join(folder, 'htpasswd'), `${options.login.user}:${passwordHash}\n`);
    lines.push(`auth: { htpasswd: { realm: lab, path: ${join(folder, 'htpasswd')} } }`);
  }
  writeFileSync(join(folder, 'config.yml'), `${lines.join('\n')}\n`);
  const server = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: 'ignore' });
  const stop = (): Promise<void> => {
    forget();
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    return Promise.resolve();
  };
  const forget = atEnd(stop);
  for (let tries = 0; tries < 100 && server.exitCode === null; tries++) {
    if ((await fetch(`http://${address}:${String(port)}/v2/`).catch(() => undefined)) !== undefined) {
      return { port, stop };
    }
    await sleep(100);
  }
  await stop();
  throw new Error('The registry does not answer.');
}
