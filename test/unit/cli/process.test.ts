/** The program as a process: what it prints where, and its exit codes. Only what needs no host. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, describe, it } from 'node:test';
import packageJson from '../../../package.json';

const ROOT = path.join(import.meta.dirname, '../../..');
const CLI = path.join(ROOT, 'src/cli.ts');
const TSX = pathToFileURL(path.join(ROOT, 'node_modules/tsx/dist/loader.mjs')).href;
const LIMIT_MS = 60_000;
const folder = mkdtempSync(path.join(tmpdir(), 'blue-green-cli-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...argv: string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const program = spawn(process.execPath, ['--import', TSX, CLI, ...argv], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
      env: { ...process.env, HOME: folder, NO_COLOR: '1' },
    });
    const text = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      program[name].setEncoding('utf8').on('data', (chunk: string) => (text[name] += chunk));
    }
    program.once('error', reject).once('close', (code) => resolve({ code, ...text }));
  });
}

/** The one line of JSON on stdout. */
function resultOf({ stdout }: Ended): { type: string; ok: boolean; host: unknown; error: { code: string } } {
  assert.equal(stdout.trimEnd().split('\n').length, 1, stdout);
  return JSON.parse(stdout) as ReturnType<typeof resultOf>;
}

describe('the program', () => {
  it('prints its version and its help on stdout', async () => {
    const version = await run('--version');
    assert.deepEqual(version, { code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
    const help = await run('help');
    assert.equal(help.code, 0);
    assert.match(help.stdout, /deploy \[SERVICE\]/);
  });

  it('ends with 1 on wrong use, told on stderr', async () => {
    const ended = await run('deploy', '--hots', 'prod');
    assert.equal(ended.code, 1);
    assert.equal(ended.stdout, '');
    assert.equal(ended.stderr, 'error: --hots is no option.\n  Did you mean --host?\n');
  });

  it('ends with 1 on a wrong configuration, at its place', async () => {
    const file = path.join(folder, 'wrong.json');
    writeFileSync(file, '{\n  "services": { "web": { "prot": 1 } }\n}\n');
    const ended = await run('plan', '--config', 'wrong.json', '--json');
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /wrong\.json:2:26: "prot" is not known here\.\n {2}Did you mean "port"\?/);
    const result = resultOf(ended);
    assert.deepEqual([result.type, result.ok, result.error.code], ['result', false, 'config']);
  });

  it('ends with 1 and the choices when nothing says which host', async () => {
    writeFileSync(path.join(folder, 'ssh_config'), 'Host prod-a prod-b\n  HostName 192.0.2.1\nHost *.example\n');
    writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\n');
    const ended = await run('deploy', '--ssh-config', 'ssh_config');
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /No host is named\.\n {2}Name one with --host: prod-a, prod-b, user@host, local\./);
  });

  it('ends with 8 when the host cannot be reached, with a result that names it', async () => {
    const ended = await run('deploy', '--host', 'nobody@127.0.0.1:1', '--json');
    assert.equal(ended.code, 8);
    const result = resultOf(ended);
    assert.deepEqual([result.ok, result.host, result.error.code], [false, 'nobody@127.0.0.1:1', 'host-unreachable']);
  });

  it('asks nothing without a terminal', async () => {
    const ended = await run('remove', 'shop', '--host', 'nobody@127.0.0.1:1');
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /Nothing was removed/);
  });
});
