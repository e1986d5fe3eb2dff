/**
 * `npm test`: everything, or the parts named as arguments (`check`, `unit`, `integration`, `editor`). Ends with a plain
 * count of tests passed and failed. `--long` runs what is left out otherwise because it takes too long (long.ts).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installEditor } from './editor/install';
import { packOnce } from './editor/package';
import { type Engine, startEngine } from './machines/engine';
import { LONG } from './long';
import { ensureImages, imageNames } from './machines/images';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

interface Count {
  readonly passed: number;
  readonly failed: number;
}

interface Part {
  readonly name: string;
  /** Whether it uses the machines, or what is packed and installed; the others run while those are being made. */
  readonly needsSetUp: boolean;
  run(): Promise<Count>;
}

/** The longest that one test file may take: a file that does not end is cut and counted, and the rest goes on. */
const FILE_LIMIT_MINUTES = 15;

/** Each compiler or linter run counts as one test. */
const CHECKS: readonly (readonly [string, ...string[]])[] = [
  ['tsc', '-p', '.'],
  ['eslint', '.', '--max-warnings', '0'],
  ['prettier', '--check', '.', '--log-level', 'warn'],
];

/**
 * For `--long` alone: tests of what the other tests are made with, for when it breaks, they do; and of the longer waits,
 * which the editor's tests ask for as a person does.
 */
const ONLY_LONG = ['test/machines/lab.test.ts', 'test/editor/harness.test.ts', 'test/integration/patience.test.ts'].map(
  (file) => path.normalize(file),
);

const parts: readonly Part[] = [
  { name: 'check', needsSetUp: false, run: check },
  { name: 'unit', needsSetUp: false, run: () => runTests(testFiles('test/unit'), 2) },
  // Several files at a time, each with machines or an editor of its own: most of their time is waiting.
  {
    name: 'integration',
    needsSetUp: true,
    run: () => runTests(testFiles('test/machines', 'test/integration'), 4),
  },
  { name: 'editor', needsSetUp: true, run: () => runTests(testFiles('test/editor'), 2) },
];

/** Whether `--long` is given. */
let isLong = false;

/** The engine that the machines run on; kept up from the first part that needs it to the end. */
let engine: Engine | undefined;

/** After Ctrl-C: what runs is ended, and nothing else is begun. */
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => interrupted.abort());
}

async function main(): Promise<void> {
  const { values, positionals: wanted } = parseArgs({ options: { long: { type: 'boolean' } }, allowPositionals: true });
  isLong = values.long === true;
  const unknown = wanted.filter((name) => !parts.some((part) => part.name === name));
  if (unknown.length > 0) {
    console.error(`No such part: ${unknown.join(', ')}. There are ${parts.map((part) => part.name).join(', ')}.`);
    process.exitCode = 1;
    return;
  }
  const chosen = parts.filter((part) => wanted.length === 0 || wanted.includes(part.name));
  const begin = Date.now();
  let passed = 0;
  let failed = 0;
  try {
    const ready = setUp(chosen.map((part) => part.name));
    ready.catch(() => undefined); // it is heard of by the first part that needs it
    for (const part of chosen) {
      if (part.needsSetUp) {
        await ready;
      }
      say(`${part.name} …`);
      const count = await part.run();
      passed += count.passed;
      failed += count.failed;
      say(`${part.name}: ${count.passed} passed, ${count.failed} failed`);
    }
  } finally {
    await engine?.stop();
  }
  say(`took ${Math.round((Date.now() - begin) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

/** Installs and builds what the chosen parts need; the package holds the build. A second run finds it done. */
async function setUp(names: readonly string[]): Promise<void> {
  const wantsEditor = names.includes('editor');
  const wantsMachines = wantsEditor || names.includes('integration');
  await Promise.all([wantsMachines && makeMachines(), wantsEditor && installEditor()]);
  if (wantsEditor) {
    await packOnce();
  } else if (wantsMachines) {
    await mustRun('build', process.execPath, ['esbuild.mjs', '--production']);
  }
}

async function makeMachines(): Promise<void> {
  engine = await startEngine(say);
  await ensureImages(engine, imageNames, say);
}

async function check(): Promise<Count> {
  const codes = await Promise.all(
    CHECKS.map(async ([tool, ...args]) => {
      const code = await execute(path.join(root, 'node_modules', '.bin', tool), args);
      say(`${tool}: ${code === 0 ? 'ok' : 'failed'}`);
      return code;
    }),
  );
  const failed = codes.filter((code) => code !== 0).length;
  return { passed: codes.length - failed, failed };
}

/** Short files whose tests take long. */
const BEGUN_FIRST = ['faults.test.ts', 'cutDeployments.test.ts', 'drill.test.ts', 'start.test.ts', 'lock.test.ts'];

/** Those that take longest first, as a rule the largest: one that is begun last keeps everything waiting. */
function testFiles(...folders: readonly string[]): string[] {
  const files = folders
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
        .map((file) => path.join(folder, file)),
    )
    .filter((file) => isLong || !ONLY_LONG.includes(file));
  const weight = new Map(
    files.map((file) => [
      file,
      BEGUN_FIRST.includes(path.basename(file)) ? Infinity : statSync(path.join(root, file)).size,
    ]),
  );
  return files.sort((a, b) => Number(weight.get(b)) - Number(weight.get(a)) || a.localeCompare(b));
}

/** Runs files with node's test runner, shown as they go, and counts from its own report. */
async function runTests(files: readonly string[], concurrency: number): Promise<Count> {
  const folder = mkdtempSync(path.join(tmpdir(), 'blue-green-tests-'));
  const report = path.join(folder, 'report.tap');
  try {
    const code = await execute(process.execPath, [
      '--import',
      'tsx',
      path.join(root, 'test/runFiles.ts'),
      `${concurrency}`,
      `${FILE_LIMIT_MINUTES}`,
      report,
      ...files,
    ]);
    const text = readFileSync(report, 'utf8');
    const count = (name: string): number => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
    const failed = count('fail') + count('cancelled') + count('skipped') + count('todo');
    return { passed: count('pass'), failed: code === 0 ? failed : Math.max(1, failed) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function mustRun(what: string, program: string, args: readonly string[]): Promise<void> {
  const code = await execute(program, args);
  if (code !== 0) {
    throw new Error(`${what} failed with code ${code}.`);
  }
}

function execute(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const env = {
      ...process.env,
      ...(isLong && { [LONG]: '' }),
      ...(engine !== undefined && { DOCKER_HOST: `unix://${engine.socketPath}` }),
    };
    const { signal } = interrupted;
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'], signal });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function say(text: string): void {
  console.error(`[test] ${text}`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
