/** Engines of the lab as the product reaches them, and small images to send and run there. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildImage } from '../../src/docker/build';
import type { BuildEvents, BuildSpec } from '../../src/docker/buildSpec';
import { connectLocalEngine, connectRemoteEngine } from '../../src/docker/connect';
import type { DockerEngine } from '../../src/docker/engine';
import { listImageSummaries, removeImage } from '../../src/docker/images';
import type { DeployError, Questions } from '../../src/model';
import { connectSsh } from '../../src/ssh/connect';
import type { HostTransport } from '../../src/ssh/transport';
import { tinyImage } from '../machines/images';
import type { Lab } from '../machines/lab';

/** Never aborted. */
export const noSignal = new AbortController().signal;

/** A person who is not there: whatever is asked, there is no answer. */
export const nobody: Questions = {
  trustHostKey: () => Promise.resolve(false),
  passphrase: () => Promise.resolve(undefined),
  password: () => Promise.resolve(undefined),
  confirm: () => Promise.resolve(false),
};

export function localEngine(lab: Lab): Promise<DockerEngine> {
  return connectLocalEngine(noSignal, { DOCKER_HOST: `unix://${lab.engine.socketPath}` });
}

export function loginTo(lab: Lab, destination: string): Promise<HostTransport> {
  const { sshConfigFile, knownHostsFile, identityFile } = lab;
  return connectSsh(destination, { sshConfigFile, knownHostsFile, identityFiles: [identityFile] }, nobody, noSignal);
}

export interface RemoteEngine {
  readonly engine: DockerEngine;
  readonly transport: HostTransport;
  close(): void;
}

export async function remoteEngine(lab: Lab, destination: string): Promise<RemoteEngine> {
  const transport = await loginTo(lab, destination);
  const engine = await connectRemoteEngine(transport, noSignal);
  return {
    engine,
    transport,
    close: () => {
      engine.close();
      transport.close();
    },
  };
}

/** A folder to build from. `files` are its files by their names, the Dockerfile among them. */
export class BuildFolder {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'blue-green-build-'));

  constructor(files: Readonly<Record<string, string>>) {
    this.write(files);
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(this.folder, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
  }

  spec(tag: string, more: Partial<BuildSpec> = {}): BuildSpec {
    const dockerfile = path.join(this.folder, 'Dockerfile');
    return { context: this.folder, dockerfile, args: {}, labels: {}, tag, ...more };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a build said. */
export interface BuildRecord {
  readonly lines: string[];
  readonly steps: [number, number][];
  readonly events: BuildEvents;
}

export function recordBuild(): BuildRecord {
  const lines: string[] = [];
  const steps: [number, number][] = [];
  return {
    lines,
    steps,
    events: { log: (text, level) => lines.push(`${level}: ${text}`), step: (done, total) => steps.push([done, total]) },
  };
}

/** Builds an image of the tiny base with a layer of `kilobytes` that does not compress and a file of one line. */
export async function buildSmallApp(
  engine: DockerEngine,
  tag: string,
  line: string,
  kilobytes = 64,
  base = tinyImage,
): Promise<void> {
  const folder = new BuildFolder({
    Dockerfile: `FROM ${base}\nRUN head -c ${kilobytes * 1024} /dev/urandom > /noise\nCOPY line.txt /line.txt\n`,
    'line.txt': line,
  });
  try {
    await buildImage(engine, folder.spec(tag), recordBuild().events, noSignal);
  } finally {
    folder.remove();
  }
}

/** Takes images away whose names begin so. */
export async function removeImages(engine: DockerEngine, prefix: string): Promise<void> {
  for (const { tags } of await listImageSummaries(engine, {}, noSignal)) {
    for (const tag of tags.filter((it) => it.startsWith(prefix))) {
      await removeImage(engine, tag, noSignal);
    }
  }
}

/** For assert.rejects: a DeployError of this code whose sentence matches. */
export function deployError(code: string, sentence: RegExp, more: (error: DeployError) => void = () => undefined) {
  return (error: unknown): true => {
    const it = error as DeployError;
    assert.equal(it.name, 'DeployError', it.stack ?? String(error));
    assert.equal(it.code, code, it.message);
    assert.match(it.message, sentence);
    more(it);
    return true;
  };
}
