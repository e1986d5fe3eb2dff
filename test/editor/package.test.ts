/** What is installed: the package, and what of it is read when VS Code activates it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { packExtension } from './package';

const dist = path.join(import.meta.dirname, '../../dist');
let vsix: string;
before(async () => {
  vsix = await packExtension();
});

test('the package is small and holds no native module', () => {
  const megabytes = statSync(vsix).size / 1024 / 1024;
  assert.ok(megabytes < 1.5, `the VSIX has ${megabytes.toFixed(2)} MB`);
  const names = readFileSync(vsix).toString('latin1');
  assert.doesNotMatch(names, /[\w/-]+\.node\b/);
  assert.match(names, /extension\/dist\/extension\.js/);
  assert.doesNotMatch(names, /extension\/(src|test|node_modules)\//);
});

/** Activates the extension with a `vscode` that answers everything with itself, and prints the files that were read for it. */
const ACTIVATE = `
  const Module = require('node:module');
  const answers = { then: undefined, [Symbol.iterator]: () => [].values(), [Symbol.toPrimitive]: () => '' };
  const anything = new Proxy(class {}, {
    get: (_, name) => name in answers ? answers[name] : anything,
    set: (_, name, value, receiver) => Reflect.defineProperty(receiver, name, { value, writable: true }),
    getPrototypeOf: () => anything,
    apply: () => anything,
    construct: (target, args, made) => (made === anything ? anything : Reflect.construct(Object, args, made)),
  });
  const load = Module._load;
  Module._load = (name, ...more) => (name === 'vscode' ? anything : load(name, ...more));
  require(process.argv[1]).activate(anything);
  process.on('exit', () => console.log(JSON.stringify(Object.keys(require.cache))));
`;

test('its activation reads what registers it, and nothing of the engine', () => {
  const main = path.join(dist, 'extension.js');
  const read = JSON.parse(execFileSync(process.execPath, ['-e', ACTIVATE, main], { encoding: 'utf8' })) as string[];
  assert.deepEqual(read.map((file) => path.relative(dist, file)).sort(), ['extension.js', 'l10n.js', 'model.js']);
  // The engine is ten times as large. A time is no measure here: it is the machine's.
  const kilobytes = read.reduce((sum, file) => sum + statSync(file).size / 1024, 0);
  assert.ok(kilobytes < 200, `${kilobytes.toFixed(0)} KB`);
});
