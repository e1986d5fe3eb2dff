import tseslint from 'typescript-eslint';

/** Packages that may be imported from one folder only (docs/ARCHITECTURE.md, "The house"). */
const owned = {
  vscode: 'src/editor',
  dockerode: 'src/docker',
  ssh2: 'src/ssh',
  '@vscode/webview-ui-toolkit': 'webview/ui',
};

/** The folders from the ground up: a folder imports from itself and from those before it, never from those after. */
const layers = ['ssh', 'docker', 'nginx', 'config', 'engine', 'editor'];

/**
 * What a person reads goes through `t` (src/l10n.ts), so that it can be in their language: whatever looks like a
 * sentence, and whatever is handed over as the words of an error, a finding or a note. The descriptions of the file's
 * format are translated in the schema for editors. The command line, which has no other language, is left out.
 */
const spoken = {
  message: 'A person reads this: say it through t().',
  words: ':matches(Literal[value=/[a-z] [a-z]|[a-z][.]$/i], TemplateLiteral[quasis.0.value.raw=/[a-z]|^$/])',
};
const spokenLiterals = [
  ':not(CallExpression[callee.name=/^(t|translate|optional|withDefault)$/], NewExpression[callee.name="RangeError"]) > Literal[value=/^[^a-z#/].*[a-z)"}] .*[a-z0-9)"`][.?!…]$/]',
  'TemplateLiteral:has(> TemplateElement[value.raw=/[a-z][a-z]/i]) > TemplateElement[tail=true][value.raw=/[.?!]$/]',
  `NewExpression[callee.name=/^(DeployError|DockerError|Complaint)$/] > ${spoken.words}.arguments:nth-child(2)`,
  `NewExpression[callee.name=/^(DockerError|Complaint)$/] > ${spoken.words}.arguments:first-child`,
  `CallExpression[callee.name=/^(unreachable|harmless|repaired|forPerson|fail|report|onNote|note|say)$/] > ${spoken.words}.arguments`,
  `CallExpression[callee.property.name=/^(note|skip|onNote|log)$/] > ${spoken.words}.arguments`,
  `Property[key.name=/^(message|hint|detail|reason|summary|text|what|how|why|says)$/] > ${spoken.words}.value`,
].map((selector) => ({ selector, message: spoken.message }));
const spokenTooEarly = {
  selector: 'CallExpression[callee.name="t"]:not(:function CallExpression)',
  message: 'While a module is loaded no translator is there yet: say it in a function.',
};

/** One rule set for a part of the tree: which owned packages and which upper folders it must not import. */
function architecture(files, allowedPackages, forbiddenFolders, ignores = []) {
  const paths = Object.entries(owned)
    .filter(([name]) => !allowedPackages.includes(name))
    .map(([name, home]) => ({ name, message: `Only ${home} imports ${name}.` }));
  const patterns = [
    ...paths.map(({ name, message }) => ({ group: [`${name}/*`], message })),
    ...forbiddenFolders.map((folder) => ({
      regex: `(^|/)${folder}(/|$)`,
      message: `Arrows point down: not to ${folder}.`,
    })),
  ];
  return { files, ignores, rules: { 'no-restricted-imports': ['error', { paths, patterns }] } };
}

const above = (folder) => layers.slice(layers.indexOf(folder) + 1).map((name) => `\\.\\./${name}`);

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '**/*.mjs', '**/*.js', 'test/apps/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  { files: ['src/l10n.ts'], rules: { 'no-restricted-imports': ['error', { patterns: ['*'] }] } },
  {
    files: ['src/**'],
    ignores: ['src/cli.ts', 'src/cli/**'],
    rules: { 'no-restricted-syntax': ['error', ...spokenLiterals, spokenTooEarly] },
  },
  architecture(
    ['src/model.ts', 'src/protocol.ts', 'src/hostNames.ts', 'src/stageNames.ts'],
    [],
    layers.map((name) => `\\./${name}`),
  ),
  architecture(['src/ssh/**'], ['ssh2'], above('ssh')),
  architecture(['src/docker/**'], ['dockerode'], above('docker')),
  architecture(['src/nginx/**'], [], above('nginx')),
  architecture(
    ['src/config/**'],
    [],
    ['\\.\\./ssh', '\\.\\./docker', '\\.\\./nginx', '\\.\\./engine', '\\.\\./editor'],
  ),
  architecture(['src/engine/**'], [], above('engine')),
  architecture(['src/cli.ts', 'src/cli/**'], [], ['editor']),
  architecture(['src/editor/**', 'src/extension.ts'], ['vscode'], []),
  architecture(['webview/**'], [], ['src/(?!protocol|model)[a-z]+'], ['webview/ui/**']),
  architecture(['webview/ui/**'], ['@vscode/webview-ui-toolkit'], ['src/(?!protocol|model)[a-z]+']),
  {
    // node:test's functions return promises that the runner itself awaits.
    files: ['test/**'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            {
              from: 'package',
              package: 'node:test',
              name: ['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'],
            },
          ],
        },
      ],
    },
  },
);
