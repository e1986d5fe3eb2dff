/**
 * Builds everything that ships into dist/. Flags: --watch, --production (minified, no source maps).
 *
 *   dist/extension.js      what VS Code loads at activation: registrations and user interface only
 *   dist/engine.js         engine, nginx, Docker, SSH and configuration; read from disk on the first use
 *   dist/model.js          the vocabulary, shared by the two above so that `instanceof DeployError` holds across them
 *   dist/l10n.js            the translator that the extension installs, shared by all three: one language everywhere
 *   dist/cli.js            the same engine in one file for a terminal; must not contain the editor
 *   dist/webview/panel.js  the panel's page, and panel.css beside it
 *
 * `node esbuild.mjs --production SOURCE FILE` builds one other program instead, as the CLI is built: for measuring.
 */
import { chmod, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const root = path.dirname(fileURLToPath(import.meta.url));
const production = process.argv.includes('--production');
const watch = process.argv.includes('--watch');
const [otherSource, otherFile] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));

/** Source files that become files of their own in dist/, loaded at run time by whoever imports them. */
const separateFiles = new Map([
  [path.join(root, 'src/model.ts'), './model.js'],
  [path.join(root, 'src/l10n.ts'), './l10n.js'],
  [path.join(root, 'src/editor/engine.ts'), './engine.js'],
]);

/** Turns an import of a separate file into a `require` of its built form, except in that file's own bundle. */
const separate = {
  name: 'separate-files',
  setup(build) {
    build.onResolve({ filter: /^\..*\/(model|l10n|engine)(\.js)?$/ }, (args) => {
      const source = path.resolve(args.resolveDir, args.path.replace(/\.js$/, '')) + '.ts';
      const built = separateFiles.get(source);
      return built === undefined || args.kind === 'entry-point' ? undefined : { path: built, external: true };
    });
  },
};

/** Gives importers whose path matches another module than the one they ask for. The stand-in itself gets the real one. */
function standIn(name, filter, importers, contents) {
  return {
    name,
    setup(build) {
      build.onResolve({ filter }, ({ path: asked, importer, namespace }) =>
        namespace !== name && importers.test(importer) ? { path: asked, namespace: name } : undefined,
      );
      build.onLoad({ filter: /.*/, namespace: name }, () => ({ contents, loader: 'js', resolveDir: root }));
    },
  };
}

/**
 * dockerode loads gRPC, its proto loader and protobufjs (570 KB) for two things this product does in its own way:
 * registry log-in during a build, and decoding BuildKit's progress. Both throw if they are ever reached.
 */
const withoutGrpc = standIn(
  'without-grpc',
  /^(@grpc\/grpc-js|@grpc\/proto-loader|protobufjs)$/,
  /[\\/]dockerode[\\/]/,
  `module.exports = new Proxy({}, { get() { throw new Error('gRPC is left out of this build.'); } });`,
);

/**
 * docker-modem reads addresses with node's old url.parse, of which Node 24 warns on the person's terminal. It asks for
 * the protocol, host name, port and path of an absolute address, or whether a text is one.
 */
const withoutUrlParse = standIn(
  'without-url-parse',
  /^url$/,
  /[\\/]docker-modem[\\/]/,
  `const url = require('url');
  function parse(text) {
    if (!/^[a-z][a-z0-9+.-]*:\\/\\//i.test(text)) return { protocol: null, hostname: null, port: null, pathname: text, path: text };
    const { protocol, hostname, port, pathname, search } = new URL(text);
    return { protocol, hostname: hostname.replace(/^\\[|\\]$/g, ''), port: port || null, pathname, path: pathname + search };
  }
  module.exports = { URL, format: url.format, parse, resolve: (from, to) => new URL(to, from).href };`,
);

/**
 * In its extension host VS Code patches `request` and `get` of node's http module in place for its proxy support, and
 * by default (`http.proxySupport: override`) throws away the agent a caller gives. Ours lead to Docker through SSH
 * channels and Unix sockets. `ClientRequest`, which both functions only wrap, is not patched.
 */
const unpatchedHttp = standIn(
  'unpatched-http',
  /^(node:)?http$/,
  /./,
  `const http = require('http');
  const request = (...args) => new http.ClientRequest(...args);
  const get = (...args) => request(...args).end();
  module.exports = Object.assign(Object.create(http), { request, get });`,
);

/** Lines that the watch task of .vscode/tasks.json waits for. */
const announce = {
  name: 'announce',
  setup(build) {
    if (!watch) return;
    build.onStart(() => console.log('[watch] build started'));
    build.onEnd((result) => {
      for (const { text, location } of result.errors) {
        console.error(`✘ [ERROR] ${text}`);
        if (location) console.error(`    ${location.file}:${location.line}:${location.column}:`);
      }
      console.log('[watch] build finished');
    });
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: production,
  sourcemap: production ? false : 'linked',
  legalComments: 'none',
  logLevel: watch ? 'silent' : 'warning',
  metafile: true,
};

const node = {
  ...common,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // Optional native parts of ssh2: an extension ships none, and ssh2 does without them.
  external: ['*.node', 'cpu-features'],
};

const builds = [
  {
    ...node,
    entryPoints: {
      extension: 'src/extension.ts',
      engine: 'src/editor/engine.ts',
      model: 'src/model.ts',
      l10n: 'src/l10n.ts',
    },
    outdir: 'dist',
    external: [...node.external, 'vscode'],
    plugins: [separate, withoutGrpc, withoutUrlParse, unpatchedHttp, announce],
  },
  {
    ...common,
    entryPoints: { 'webview/panel': 'webview/panel.ts' },
    outdir: 'dist',
    platform: 'browser',
    format: 'iife',
    target: 'chrome120',
    plugins: [announce],
  },
];

// `vscode` is not external here: the CLI that reaches for it does not build.
const program = { ...node, plugins: [withoutGrpc, withoutUrlParse, announce] };
const cli = { ...program, entryPoints: { cli: 'src/cli.ts' }, outdir: 'dist', banner: { js: '#!/usr/bin/env node' } };

if (existsSync(path.join(root, 'src/cli.ts'))) builds.push(cli);

function clear() {
  return rm(path.join(root, 'dist'), { recursive: true, force: true });
}

async function buildAll() {
  for (const options of builds) {
    const { metafile } = await esbuild.build(options);
    for (const [file, { bytes, inputs }] of Object.entries(metafile.outputs)) {
      const foreign = Object.keys(inputs).find((input) => input.startsWith('src/editor/'));
      if (file === 'dist/cli.js' && foreign !== undefined) {
        throw new Error(`The CLI must not contain the editor, but imports ${foreign}.`);
      }
      const copied = [...separateFiles].find(
        ([source, built]) =>
          path.relative(root, source) in inputs &&
          builds[0] === options &&
          path.basename(built) !== path.basename(file),
      );
      if (copied !== undefined && !file.endsWith('.map')) {
        throw new Error(`${file} must load ${copied[1]}, not hold a copy of it.`);
      }
      if (!file.endsWith('.map')) {
        console.log(`${file.padEnd(24)} ${(bytes / 1024).toFixed(0).padStart(5)} KB`);
      }
    }
  }
  if (builds.includes(cli)) {
    await chmod(path.join(root, 'dist/cli.js'), 0o755);
  }
}

if (otherSource !== undefined) {
  await esbuild.build({ ...program, entryPoints: [otherSource], outfile: otherFile });
} else if (watch) {
  await clear();
  for (const options of builds) {
    await (await esbuild.context(options)).watch();
  }
} else {
  await clear();
  await buildAll().catch((error) => {
    // esbuild has printed its own errors with their places.
    if (error.errors === undefined) console.error(error.message);
    process.exitCode = 1;
  });
}
