/**
 * `npm start` as somebody types it, in a copy of the tree (it builds dist/, which other tests use), with an empty HOME, and
 * an empty folder for temporary files, by which is told what belongs to it and what is left of it.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { openDesktop } from '../editor/desktop';
import { hostImage, proxyImage, pythonImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { labLabel } from '../machines/removal';
import { copyTree, type Tree } from '../tree';

/** Milliseconds: a run takes about 40 s on a quiet machine. */
const LIMIT = 300_000;

let lab: Lab;
let tree: Tree;
before(async () => {
  lab = await startLab();
  await lab.images(hostImage('28.5'), proxyImage, pythonImage);
  tree = copyTree();
});
after(async () => {
  tree.remove();
  await lab.stop();
});

/** One `npm start`. */
class Run {
  output = '';
  readonly #child: ChildProcess;
  readonly #temporary: string;
  #lab: string | undefined;

  constructor(
    readonly name: string,
    onOutput: (run: Run) => void = () => undefined,
  ) {
    this.#temporary = path.join(lab.folder, name, 'tmp');
    const home = path.join(lab.folder, name, 'home');
    [this.#temporary, home].forEach((folder) => mkdirSync(folder, { recursive: true }));
    this.#child = spawn(process.execPath, ['test/bootstrap.mjs', 'test/start.ts', '--no-editor'], {
      cwd: tree.folder,
      env: {
        ...{ PATH: process.env['PATH'], HOME: home, TMPDIR: this.#temporary },
        DOCKER_HOST: `unix://${lab.engine.socketPath}`,
      },
      // A group of its own: a terminal's Ctrl-C goes to all of it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.#lab ??= readdirSync(this.#temporary)
          .map((entry) => /^blue-green-lab-[0-9a-f]{6}/.exec(entry)?.[0])
          .find((id) => id !== undefined);
        onOutput(this);
      });
    }
  }

  ended(): Promise<number | NodeJS.Signals | null> {
    return new Promise((resolve, reject) => {
      this.#child.once('error', reject).once('close', (code, signal) => resolve(code ?? signal));
    });
  }

  interrupt(): void {
    process.kill(-(this.#child.pid ?? assert.fail()), 'SIGINT');
  }

  /** Containers and networks of its machines. */
  async #made(): Promise<string[]> {
    const filters = { label: [`${labLabel}=${this.#lab ?? assert.fail(this.output)}`] };
    const { docker } = lab.engine;
    const [made, networks] = [
      await docker.listContainers({ all: true, filters }),
      await docker.listNetworks({ filters }),
    ];
    return [...made.flatMap(({ Names: names }) => names), ...networks.map(({ Name: name }) => name)];
  }

  /** Whatever was begun by it inherits the name of the folder for temporary files. */
  #processes(): string[] {
    return readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(this.#temporary);
      } catch {
        return false; // it has ended, or is somebody else's
      }
    });
  }

  async whileItRuns(): Promise<void> {
    assert.equal((await this.#made()).length, 2, 'a machine and its network');
    assert.ok(process.platform !== 'linux' || this.#processes().length > 1);
  }

  async assertNothingLeft(): Promise<void> {
    assert.deepEqual(await this.#made(), []);
    assert.deepEqual(process.platform === 'linux' ? this.#processes() : [], []);
    // The loader that runs TypeScript keeps what it has translated.
    assert.deepEqual(
      readdirSync(this.#temporary).filter((entry) => !entry.startsWith('tsx-')),
      [],
    );
  }
}

test('npm start deploys twice without a lost request, says so, and removes everything', async () => {
  let looked: Promise<void> | undefined;
  const run = new Run('whole', ({ output }) => {
    looked ??= output.includes('Deploying version 2') ? run.whileItRuns() : undefined;
  });
  assert.equal(await run.ended(), 0, run.output);
  await (looked ?? assert.fail(run.output));
  const [, sent, failed] =
    /Clients sent (\d+) requests, (\d+) failed; answered by version 1 and 2\./.exec(run.output) ?? [];
  assert.ok(Number(sent) > 100, run.output);
  assert.equal(failed, '0', run.output);
  for (const stage of ['plan', 'build', 'transfer', 'proxy', 'start', 'probe', 'switch', 'verify', 'drain', 'retire']) {
    const done = run.output.match(new RegExp(`^✓ ${stage} +[\\d.]+ m?s\\b`, 'gm')) ?? [];
    assert.equal(done.length, 2, `${stage}\n${run.output}`);
  }
  assert.match(run.output, /Sent: [\d.]+ [kM]B/);
  assert.match(run.output, /The site is at http:\/\/[\d.]+(:\d+)?\/\n/);
  await run.assertNothingLeft();
});

test('Ctrl-C while an image is sent leaves nothing behind', async () => {
  let looked: Promise<void> | undefined;
  const run = new Run('interrupted', ({ output }) => {
    if (looked === undefined && /^… transfer$/m.test(output)) {
      looked = run.whileItRuns().finally(() => run.interrupt());
    }
  });
  assert.equal(await run.ended(), 130, run.output);
  await (looked ?? assert.fail(run.output));
  assert.doesNotMatch(run.output, /Deploying version 2/);
  await run.assertNothingLeft();
});

test('where there is desktop VS Code, a fake one here that notes how it is called, it gets the extension and the example', async () => {
  const data = path.join(lab.folder, 'desktop');
  mkdirSync(data);
  const calls = path.join(data, 'calls');
  const fake = (ends: number): void => {
    writeFileSync(path.join(data, 'code'), `#!/bin/sh\necho "$DOCKER_HOST: $*" >> ${calls}\nexit ${ends}\n`);
    chmodSync(path.join(data, 'code'), 0o755);
  };
  const options = {
    ...{ folder: '/example', vsix: '/dist/blue-green.vsix', settings: { 'blueGreen.hosts': ['production'] }, data },
    env: { ...process.env, PATH: `${data}:${process.env['PATH'] ?? ''}`, DOCKER_HOST: 'unix:///engine' },
  };
  fake(0);
  assert.equal(await openDesktop(options), true);
  const places = `--user-data-dir ${data}/user --extensions-dir ${data}/extensions`;
  assert.deepEqual(readFileSync(calls, 'utf8').trimEnd().split('\n'), [
    'unix:///engine: --version',
    `unix:///engine: ${places} --install-extension /dist/blue-green.vsix`,
    `unix:///engine: ${places} --disable-workspace-trust --new-window /example`,
  ]);
  assert.deepEqual(JSON.parse(readFileSync(`${data}/user/User/settings.json`, 'utf8')), options.settings);
  fake(1);
  assert.equal(await openDesktop(options), false, 'one that does not start');
  assert.equal(await openDesktop({ ...options, env: { PATH: path.join(data, 'user') } }), false, 'none');
});
