/** The manifest and the code name the same things. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import ts from 'typescript';
import { COMMAND_IDS, PANEL_VIEW_TYPE, SLOTS_VIEW } from '../../../src/editor/commandIds';
import { DOCKERFILE_NAME } from '../../../src/editor/dockerfileName';

const root = path.resolve(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  activationEvents: string[];
  contributes: {
    commands: { command: string; title: string }[];
    menus: Record<string, { command: string; when?: string }[]>;
    views: Record<string, { id: string }[]>;
    walkthroughs: { steps: { description: string; media: { image: string } }[] }[];
    configuration: { properties: Record<string, { scope: string }> };
  };
};
const { contributes } = manifest;
const bundleFile = 'media/l10n/bundle.l10n.json';
const clauses = Object.values(contributes.menus)
  .flat()
  .map(({ when }) => when ?? '');

test('every command is in the manifest, and every one in the manifest exists', () => {
  assert.deepEqual(contributes.commands.map(({ command }) => command).sort(), [...COMMAND_IDS].sort());
  for (const { command } of Object.values(contributes.menus).flat()) {
    assert.ok((COMMAND_IDS as readonly string[]).includes(command), command);
  }
});

test('no button in the title of the view is one of a row: VS Code hands it the row that has the focus', () => {
  const commandsOf = (menu: string): string[] => (contributes.menus[menu] ?? []).map(({ command }) => command);
  const shared = commandsOf('view/title').filter((command) => commandsOf('view/item/context').includes(command));
  assert.deepEqual(shared, []);
});

test('while a run works on a service, its menus only look at it, show the run and cancel it', () => {
  const offered = (context: string): string[] => {
    const items = (contributes.menus['view/item/context'] ?? []).filter(({ when = '' }) =>
      new RegExp(/viewItem =~ \/(.+)\//.exec(when)?.[1] ?? '').test(context),
    );
    return [...new Set(items.map(({ command }) => command.replace('blueGreen.', '')))].sort();
  };
  const looks = ['copy', 'openSite', 'showConf', 'showLogs'];
  const runs = ['cancel', 'showPanel'];
  assert.deepEqual(offered('coming.busy'), [...runs, 'copy'].sort());
  assert.deepEqual(offered('service.live.previous.busy'), [...looks, ...runs].sort());
  assert.deepEqual(
    offered('service.live.previous'),
    [...looks, 'deploy', 'plan', 'remove', 'repair', 'rollback'].sort(),
  );
  const looksAtSlot = ['copy', 'copyCommit', 'copyImage', 'shell', 'showLogs'];
  assert.deepEqual(offered('slot.idle.running.commit.busy'), [...looksAtSlot, ...runs].sort());
  assert.deepEqual(offered('slot.idle.running.commit'), [...looksAtSlot, 'restart', 'switch'].sort());
});

test('views and activation', () => {
  assert.deepEqual(
    Object.values(contributes.views)
      .flat()
      .map(({ id }) => id),
    [SLOTS_VIEW],
  );
  assert.deepEqual(manifest.activationEvents, [
    `onWebviewPanel:${PANEL_VIEW_TYPE}`,
    'onLanguage:jsonc',
    'workspaceContains:bluegreen.json',
    'workspaceContains:*/bluegreen.json',
  ]);
});

test('each step of the walkthrough has its picture, and its commands exist', () => {
  const commands = new Set<string>([...COMMAND_IDS, 'vscode.openFolder', `${SLOTS_VIEW}.focus`]);
  const texts = JSON.parse(read('package.nls.json')) as Record<string, string>;
  for (const { description, media } of contributes.walkthroughs.flatMap(({ steps }) => steps)) {
    assert.ok(existsSync(path.join(root, media.image)), media.image);
    const links = [...(texts[description.slice(1, -1)] ?? '').matchAll(/\(command:([\w.]+)\)/g)];
    assert.equal(links.length, 1);
    assert.ok(commands.has(links[0]?.[1] ?? ''), description);
  }
});

test('settings that name files or hosts cannot come from a workspace', () => {
  for (const [name, { scope }] of Object.entries(contributes.configuration.properties)) {
    assert.equal(scope, /openPanel|planFirst/.test(name) ? 'window' : 'machine', name);
  }
});

test("the menus know a Dockerfile by the code's own pattern, and want a trusted workspace", () => {
  const patterns = clauses.flatMap((when) => /resourceFilename =~ (\/\S+\/i)/.exec(when)?.[1] ?? []);
  assert.equal(patterns.length, 8);
  // BuildKit's, for one Dockerfile each.
  const ignoreFiles = ['Dockerfile.dockerignore', 'Dockerfile.prod.dockerignore', 'api.Dockerfile.dockerignore'];
  assert.equal(patterns.filter((pattern) => pattern.includes('bluegreen')).length, 7);
  for (const pattern of patterns) {
    const menu = new RegExp(pattern.slice(1, -2), 'i');
    for (const name of ['Dockerfile', 'dockerfile', 'Dockerfile.prod', 'api.Dockerfile', 'api.dockerfile']) {
      assert.ok(menu.test(name) && DOCKERFILE_NAME.test(name), name);
    }
    for (const name of [
      'Dockerfile.',
      'xDockerfile',
      'Dockerfiles',
      '.Dockerfile',
      'docker-compose.yml',
      ...ignoreFiles,
    ]) {
      assert.ok(!menu.test(name) && !DOCKERFILE_NAME.test(name), name);
    }
  }
  assert.ok(
    clauses.filter((when) => when.includes('resourceFilename')).every((when) => when.includes('isWorkspaceTrusted')),
  );
});

test('every %key% of the manifest has its words, and no words are left over', () => {
  const used = [...read('package.json').matchAll(/"%([\w.]+)%"/g)].map((match) => match[1] ?? '');
  assert.deepEqual([...new Set(used)].sort(), Object.keys(JSON.parse(read('package.nls.json')) as object).sort());
});

/** Run with UPDATE_L10N=1 to write the bundle anew. */
test('the bundle for translators holds every sentence of the code, below the editor too', () => {
  const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const keys = new Set(files.filter((name) => name.endsWith('.ts')).flatMap((file) => sentences(`src/${file}`)));
  if (process.env['UPDATE_L10N'] !== undefined) {
    const sentencesByKey = Object.fromEntries([...keys].sort().map((key) => [key, key]));
    writeFileSync(path.join(root, bundleFile), `${JSON.stringify(sentencesByKey, undefined, 2)}\n`);
  }
  const bundle = JSON.parse(read(bundleFile)) as Record<string, string>;
  assert.deepEqual(Object.keys(bundle).sort(), [...keys].sort());
});

test('Russian: no sentence is missing, none is left over, and each keeps its places and its buttons', () => {
  for (const [english, russian] of [
    [bundleFile, 'media/l10n/bundle.l10n.ru.json'],
    ['package.nls.json', 'package.nls.ru.json'],
  ] as const) {
    const source = JSON.parse(read(english)) as Record<string, string>;
    const translated = JSON.parse(read(russian)) as Record<string, string>;
    assert.deepEqual(Object.keys(translated).sort(), Object.keys(source).sort());
    for (const [key, sentence] of Object.entries(source)) {
      assert.deepEqual(marks(translated[key] ?? ''), marks(sentence), key);
    }
  }
});

/** What a translation must keep: numbered places, icons, and the commands of links. */
function marks(sentence: string): string[] {
  return (sentence.match(/\{\d\}|\$\([\w-]+\)|\(command:[\w.]+\)/g) ?? []).sort();
}

/** Which argument describes a key of bluegreen.json, in the functions that its format is written with. */
const DESCRIBED: Readonly<Record<string, number>> = { optional: 1, withDefault: 1, translate: 0 };

/** The first arguments of all calls of `t`, which must be whole literal texts with a place for each further argument. */
function sentences(file: string): string[] {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 't') {
      const [sentence, ...values] = node.arguments;
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      const where = `${file}:${line + 1}`;
      assert.ok(sentence !== undefined && ts.isStringLiteral(sentence), `${where}: t() takes a literal text`);
      const places = new Set(marks(sentence.text).filter((mark) => mark.startsWith('{')));
      assert.deepEqual(
        [...places].sort(),
        values.map((_, index) => `{${index}}`),
        `${where}: a place for each value`,
      );
      found.push(sentence.text);
    }
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const description = DESCRIBED[node.expression.text];
      const words = description === undefined ? undefined : node.arguments[description];
      if (words !== undefined && ts.isStringLiteral(words)) {
        found.push(words.text);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
