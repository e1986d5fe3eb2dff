/** F5: the configurations in .vscode fit each other, the build, and the tree. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'jsonc-parser';
import packageJson from '../../../package.json';

const root = path.resolve(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const { configurations } = parse(read('.vscode/launch.json')) as {
  readonly configurations: readonly {
    readonly name: string;
    readonly type: string;
    readonly args: readonly string[];
    readonly outFiles: readonly string[];
    readonly preLaunchTask: string;
  }[];
};
const { tasks } = parse(read('.vscode/tasks.json')) as {
  readonly tasks: readonly {
    readonly label: string;
    readonly command: string;
    readonly args: readonly string[];
    readonly isBackground?: boolean;
    readonly problemMatcher: { readonly background?: { readonly beginsPattern: string; readonly endsPattern: string } };
  }[];
};

/** A path that VS Code makes of a variable, in the tree. */
function inTree(text: string): string {
  const [, rest] = /^\$\{workspaceFolder\}(\/.*)?$/.exec(text) ?? assert.fail(text);
  return path.join(root, rest ?? '');
}

for (const { name, type, args, outFiles, preLaunchTask } of configurations) {
  test(`${name}: opens this extension on the example, after a task that builds what is debugged`, () => {
    assert.equal(type, 'extensionHost');
    const [extension = '', folder = ''] = args;
    assert.equal(inTree(extension.replace('--extensionDevelopmentPath=', '')), root);
    assert.ok(existsSync(path.join(inTree(folder), 'Dockerfile')), folder);
    const main = path.join(root, packageJson.main);
    assert.ok(
      outFiles.some((pattern) => main.startsWith(inTree(pattern.replace('/**/*.js', '/')))),
      main,
    );
    const [task, ...others] = tasks.filter(({ label }) => label === preLaunchTask);
    assert.deepEqual(others, []);
    assert.equal(task?.command, 'node');
    assert.ok(existsSync(path.join(root, task.args[0] ?? '')), task.args.join(' '));
  });
}

test('the first configuration is the one that F5 takes, and each task is used', () => {
  assert.deepEqual(configurations[0]?.preLaunchTask, 'build');
  assert.deepEqual(
    tasks.map(({ label }) => label),
    configurations.map(({ preLaunchTask }) => preLaunchTask),
  );
});

test('the watch announces its rounds as the task that waits for them expects', () => {
  const build = read('esbuild.mjs');
  for (const { args, isBackground, problemMatcher } of tasks) {
    const { background } = problemMatcher;
    assert.equal(args.includes('--watch'), isBackground === true);
    assert.equal(background !== undefined, isBackground === true);
    for (const pattern of background === undefined ? [] : [background.beginsPattern, background.endsPattern]) {
      const printed = [...build.matchAll(/console\.log\('([^']+)'\)/g)].map(([, line]) => line ?? '');
      assert.equal(printed.filter((line) => new RegExp(pattern).test(line)).length, 1, pattern);
    }
  }
});
