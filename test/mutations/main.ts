/**
 * `npm run test:mutations`: breaks every stage on purpose, one mistake at a time in a copy of this tree, and looks
 * whether the test that guards it turns red. Arguments choose stages. `--write` puts the table into docs/MEASURED.md;
 * rows that were not run stay as they are there. Ends with 1 when a test stays green, fails without a
 * mistake already, or does not come as far as to judge.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { parseArgs } from 'node:util';
import { STAGES } from '../../src/model';
import { atEnd } from '../machines/atEnd';
import { lastLines, mustRun } from '../machines/command';
import { startEngine } from '../machines/engine';
import { markedRows, replaceMarked, table } from '../markdown';
import { copyTree } from '../tree';
import { broken, fileOf, type Guard, type Mutation, mutations } from './mutations';

const document = path.join(path.dirname(path.dirname(import.meta.dirname)), 'docs/MEASURED.md');
const HEAD = ['stage', 'what is broken: it …', 'test that has to turn red', 'verdict'];
/** The longest that one test may take, in milliseconds: a mistake may well make it wait for what never comes. */
const TEST_LIMIT_MS = 300_000;

/** How a test ended. `unjudged` is one that did not come to its own end: its set-up failed, or its time was over. */
type Outcome = 'green' | 'red' | 'unjudged';

const interrupted = new AbortController();

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { write: { type: 'boolean' } }, allowPositionals: true });
  const unknown = positionals.filter((name) => !STAGES.some((stage) => stage === name));
  if (unknown.length > 0) {
    throw new Error(`No such stage: ${unknown.join(', ')}. There are ${STAGES.join(', ')}.`);
  }
  const tree = copyTree();
  atEnd(() => tree.remove());
  process.chdir(tree.folder);
  const chosen = mutations.filter(({ stage }) => positionals.length === 0 || positionals.includes(stage));
  const working = breakAll(chosen, values.write === true);
  atEnd(() => {
    interrupted.abort();
    return working.then(
      () => undefined,
      () => undefined,
    );
  });
  const rows = await working;
  console.log(table(HEAD, rows));
  process.exitCode = rows.every(([, , , verdict]) => verdict === 'red') ? 0 : 1;
}

/** A row of the table for each mutation, written as soon as it is there if it is to be. Works in the copy of the tree. */
async function breakAll(chosen: readonly Mutation[], toDocument: boolean): Promise<string[][]> {
  // Held from the first test to the last, each of which would start one of its own.
  const engine = chosen.some(({ guard }) => needsMachines(guard)) ? await startEngine() : undefined;
  try {
    const unbroken = new Map<Guard, Outcome>();
    const rows: string[][] = [];
    for (const mutation of chosen) {
      const { stage, what, guard } = mutation;
      const before = unbroken.get(guard) ?? (await judge(guard));
      unbroken.set(guard, before);
      const verdict = before === 'green' ? await judgeBroken(mutation) : 'fails unbroken';
      say(`${stage} ${what}: ${verdict}`);
      rows.push([stage, what, `\`${path.basename(guard.file)}\`: ${guard.name}`, verdict]);
      if (toDocument) {
        write(rows);
      }
    }
    return rows;
  } finally {
    await engine?.stop();
  }
}

async function judgeBroken(mutation: Mutation): Promise<Outcome> {
  const file = fileOf(mutation);
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, broken(text, mutation));
  try {
    return await judge(mutation.guard);
  } finally {
    writeFileSync(file, text);
  }
}

/** Runs a test, for which the program is built where the test starts it. Where several have its name, all of them. */
async function judge(guard: Guard): Promise<Outcome> {
  const { signal } = interrupted;
  signal.throwIfAborted();
  if (needsMachines(guard)) {
    await mustRun(process.execPath, ['esbuild.mjs', '--production']);
  }
  const testNamePatterns = [new RegExp(`${guard.name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`)];
  const stream = run({ files: [path.resolve(guard.file)], testNamePatterns, timeout: TEST_LIMIT_MS, signal });
  const outcomes: Outcome[] = [];
  stream.on('test:pass', ({ name, skip }) => {
    if (name === guard.name && skip === undefined) {
      outcomes.push('green');
    }
  });
  stream.on('test:fail', ({ name, details }) => {
    if (name === guard.name) {
      const { failureType, cause } = details.error as Error & { readonly failureType?: string };
      say(`${name}: ${lastLines(String(cause), 5)}`);
      outcomes.push(failureType === 'testCodeFailure' ? 'red' : 'unjudged');
    }
  });
  await new Promise((resolve) => stream.on('end', resolve).resume());
  signal.throwIfAborted();
  return outcomes.find((it) => it !== 'green') ?? outcomes[0] ?? 'unjudged';
}

function needsMachines({ file }: Guard): boolean {
  return file.startsWith('test/integration/');
}

/** Puts the rows into the document, in the order of the mutations. Those that were not run stay as they are there. */
function write(rows: readonly string[][]): void {
  const all = [...rows, ...markedRows(document, 'mutations')];
  const inOrder = mutations.map(({ stage, what }) => all.find(([at, broken]) => at === stage && broken === what));
  replaceMarked(
    document,
    'mutations',
    table(
      HEAD,
      inOrder.filter((row) => row !== undefined),
    ),
  );
}

function say(text: string): void {
  console.error(`[mutations] ${text}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
