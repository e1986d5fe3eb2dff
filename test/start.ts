/**
 * `npm start`: one throw-away production machine, the example deployed to it twice over SSH, the second time under
 * traffic, and VS Code opened on it. `--no-editor` stops after the deployments. Everything is removed at the end.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openDesktop } from './editor/desktop';
import { packExtension } from './editor/package';
import { startVsCode } from './editor/vscode';
import { atEnd } from './machines/atEnd';
import type { Host } from './machines/host';
import { proxyImage, pythonImage } from './machines/images';
import { type Lab, startLab } from './machines/lab';
import { Traffic } from './machines/traffic';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const HOST_NAME = 'production';

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { 'no-editor': { type: 'boolean', default: false } } });
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  say('Building the extension and the command line program.');
  await run(process.execPath, ['esbuild.mjs', '--production'], { quiet: true });
  say('Starting a production machine: Docker and SSH, nothing else.');
  const lab = await startLab({ log: detail });
  const folder = mkdtempSync(path.join(tmpdir(), 'blue-green-example-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  try {
    await lab.images(proxyImage, pythonImage);
    const host = await (await lab.host({ engine: '28.5', name: HOST_NAME })).dockerReady();
    const example = copyExample(folder);
    await deployTwice(lab, host, example);
    const site = `${host.url}/`;
    say(`The site is at ${site}`);
    if (!values['no-editor']) {
      const close = await openEditor(lab, example, folder);
      say('Try it: press F1 and run "Blue-Green: Deploy", host "production". Ctrl-C here ends and removes everything.');
      await interrupted;
      await close();
    }
    return 0;
  } finally {
    say('Removing the machine.');
    await lab.stop();
  }
}

/** The example in a folder of its own, so that changing its version does not change the checkout. */
function copyExample(folder: string): string {
  const example = path.join(folder, 'uptimer');
  cpSync(path.join(root, 'test/apps/uptimer'), example, { recursive: true });
  return example;
}

async function deployTwice(lab: Lab, host: Host, example: string): Promise<void> {
  const deploy = (): Promise<void> =>
    run(process.execPath, [path.join(root, 'dist/cli.js'), 'deploy', '--host', host.name, ...sshOptions(lab)], {
      cwd: example,
      dockerHost: lab.engine.socketPath,
    });
  say('Deploying version 1.');
  setVersion(example, '1');
  await deploy();
  say('Deploying version 2, while clients keep asking for the site.');
  setVersion(example, '2');
  const traffic = Traffic.start({
    url: `${host.url}/`,
    pauseMs: 10,
    slow: { path: '/slow?s=2', clients: 2 },
  });
  try {
    await traffic.settle();
    await deploy();
    await traffic.settle();
  } finally {
    const { sent, failed, kinds, versions } = await traffic.stop();
    const seen = Object.keys(versions).join(' and ');
    say(`Clients sent ${sent} requests, ${failed} failed; answered by version ${seen}.`);
    for (const [kind, count] of Object.entries(kinds).filter(([, it]) => it.sent > 0)) {
      detail(`${kind}: ${count.sent} sent, ${count.failed} failed, slowest ${Math.round(count.slowestMs)} ms`);
    }
  }
}

function setVersion(example: string, version: string): void {
  writeFileSync(path.join(example, 'version.txt'), `${version}\n`);
}

function sshOptions(lab: Lab): string[] {
  return ['--ssh-config', lab.sshConfigFile, '--known-hosts', lab.knownHostsFile, '--identity', lab.identityFile];
}

/** Opens desktop VS Code where there is one, otherwise VS Code in the browser. Returns what closes it. */
async function openEditor(lab: Lab, example: string, folder: string): Promise<() => Promise<void>> {
  const settings = {
    'blueGreen.sshConfigFile': lab.sshConfigFile,
    'blueGreen.knownHostsFile': lab.knownHostsFile,
    'blueGreen.identityFiles': [lab.identityFile],
    'blueGreen.hosts': [HOST_NAME],
  };
  const vsix = await packExtension();
  const dockerHost = `unix://${lab.engine.socketPath}`;
  const env = { ...process.env, DOCKER_HOST: dockerHost };
  if (await openDesktop({ folder: example, vsix, settings, data: path.join(folder, 'vscode'), env })) {
    say('VS Code is open on the example.');
    return () => Promise.resolve();
  }
  const editor = await startVsCode({
    folder: example,
    vsix,
    trust: true,
    machineSettings: settings,
    env: { DOCKER_HOST: dockerHost },
  });
  say(`VS Code is at ${editor.url}`);
  return () => editor.stop();
}

/** Runs a program, its output shown unless `quiet`; then it is shown only when it fails. */
function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly quiet?: boolean; readonly dockerHost?: string } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...(options.dockerHost !== undefined && { DOCKER_HOST: `unix://${options.dockerHost}` }) },
      stdio: ['ignore', options.quiet === true ? 'pipe' : 'inherit', options.quiet === true ? 'pipe' : 'inherit'],
    });
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) {
        resolve();
      } else {
        reject(new Error(`${path.basename(program)} ${args[0] ?? ''} ended with code ${String(code)}.\n${output}`));
      }
    });
  });
}

function say(text: string): void {
  console.log(`\n▶ ${text}`);
}

function detail(text: string): void {
  console.log(`  ${text}`);
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
