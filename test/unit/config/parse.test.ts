import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parseConfig } from '../../../src/config/parse';
import { formatProblem } from '../../../src/config/problems';
import type { ServiceConfig } from '../../../src/model';
import { expectInService, expectProblems, FILE, FOLDER } from './marked';

function onlyService(text: string, environment: Record<string, string> = {}): ServiceConfig {
  const { services, problems } = parseConfig(text, FILE, environment);
  assert.deepEqual(problems.map(formatProblem), []);
  const [service] = services;
  assert.ok(service !== undefined);
  return service;
}

describe('a configuration without problems', () => {
  it('fills in every default', () => {
    assert.deepEqual(onlyService('{ "services": { "web": {} } }'), {
      name: 'web',
      build: {
        context: FOLDER,
        dockerfile: path.join(FOLDER, 'Dockerfile'),
        target: undefined,
        args: {},
        secrets: {},
        ssh: false,
      },
      hosts: [],
      port: undefined,
      health: {
        path: '/',
        method: 'GET',
        headers: {},
        status: ['2xx', '3xx'],
        body: undefined,
        startPeriodMs: 0,
        intervalMs: 1000,
        timeoutMs: 5000,
        attempts: 60,
        successes: 2,
      },
      route: { hosts: [], path: '/', stripPath: false, maxBody: '100m', protocol: 'http' },
      run: {
        env: {},
        volumes: [],
        command: undefined,
        user: undefined,
        memoryBytes: undefined,
        cpus: undefined,
        extraHosts: [],
      },
      proxy: { image: 'nginx:1.30-alpine', publish: 80 },
      verify: { allowedFailures: 0 },
      drain: { timeoutMs: 60_000, atTimeout: 'cut' },
      retire: { old: 'stop', keepImages: 3, graceSeconds: 30 },
      transfer: { way: 'ssh' },
    });
  });

  it('reads every key, comments and trailing commas', () => {
    writeFileSync(path.join(FOLDER, 'web.env'), '# comment\nFROM_FILE=1\nBOTH=file\n');
    writeFileSync(path.join(FOLDER, 'key.txt'), 'hush');
    const service = onlyService(
      `\uFEFF{
        // Where the service is described.
        "$schema": "./bluegreen.schema.json",
        "services": {
          "web": {
            "build": { "context": ".", "dockerfile": "Dockerfile", "target": "prod", "args": { "V": "1", "N": 2, "B": true, "E": "v\${env:TAG}" }, "secrets": { "npm": { "fromEnv": "NPM_TOKEN" }, "key": { "file": "key.txt" } }, "ssh": "agent" },
            "hosts": ["prod", "deploy@203.0.113.5:2222"],
            "port": 8080,
            "health": { "path": "/health?full=1", "method": "POST", "headers": { "X-Forwarded-Proto": "https" }, "body": "ok", "startPeriod": "20s", "status": [200, "3xx"], "interval": "500ms", "timeout": "1.5s", "attempts": 10, "successes": 1 },
            "route": { "hosts": ["Example.com", "*.example.com"], "path": "/api/", "stripPath": true, "maxBody": "1g" },
            "run": {
              "env": { "A": "plain", "B": { "fromEnv": "SECRET" }, "C": "x-\${env:TAG}-y", "D": "$\${env:TAG} \${HOME}", "N": 8080, "T": false, "BOTH": "env" },
              "envFile": "web.env",
              "volumes": ["/srv/data:/data:ro", "cache:/cache"],
              "command": ["node", "server.js"],
              "user": "1000:1000",
              "memory": "512m",
              "cpus": 0.5,
              "extraHosts": ["db:10.0.0.5", "host:host-gateway", "six:::1"],
            },
            "proxy": { "image": "nginx:1.29", "publish": 8081 },
            "verify": { "allowedFailures": 2 },
            "drain": { "timeout": "2m", "atTimeout": "wait" },
            "retire": { "old": "keep", "keepImages": 5, "grace": "1m" },
            "transfer": { "registry": "ghcr.io/ann/shop" }, /* the end */
          },
        },
      }`,
      { SECRET: 'hush', TAG: '7', NPM_TOKEN: 'hush' },
    );
    assert.deepEqual(service, {
      name: 'web',
      build: {
        context: FOLDER,
        dockerfile: path.join(FOLDER, 'Dockerfile'),
        target: 'prod',
        args: { V: '1', N: '2', B: 'true', E: 'v7' },
        secrets: { npm: { env: 'NPM_TOKEN' }, key: { file: path.join(FOLDER, 'key.txt') } },
        ssh: true,
      },
      hosts: ['prod', 'deploy@203.0.113.5:2222'],
      port: 8080,
      health: {
        path: '/health?full=1',
        method: 'POST',
        headers: { 'X-Forwarded-Proto': 'https' },
        body: 'ok',
        startPeriodMs: 20_000,
        status: [200, '3xx'],
        intervalMs: 500,
        timeoutMs: 1500,
        attempts: 10,
        successes: 1,
      },
      route: {
        hosts: ['example.com', '*.example.com'],
        path: '/api',
        stripPath: true,
        maxBody: '1g',
        protocol: 'http',
      },
      run: {
        env: {
          FROM_FILE: '1',
          BOTH: 'env',
          A: 'plain',
          B: 'hush',
          C: 'x-7-y',
          D: '${env:TAG} ${HOME}',
          N: '8080',
          T: 'false',
        },
        volumes: ['/srv/data:/data:ro', 'cache:/cache'],
        command: ['node', 'server.js'],
        user: '1000:1000',
        memoryBytes: 512 * 1024 * 1024,
        cpus: 0.5,
        extraHosts: ['db:10.0.0.5', 'host:host-gateway', 'six:::1'],
      },
      proxy: { image: 'nginx:1.29', publish: 8081 },
      verify: { allowedFailures: 2 },
      drain: { timeoutMs: 120_000, atTimeout: 'wait' },
      retire: { old: 'keep', keepImages: 5, graceSeconds: 60 },
      transfer: { way: 'registry', repository: 'ghcr.io/ann/shop' },
    });
  });

  it('takes the short forms of health, route and status', () => {
    const service = onlyService('{"services":{"web":{"health":"/up","route":"a.example"}}}');
    assert.equal(service.health.path, '/up');
    assert.equal(service.health.attempts, 60);
    assert.deepEqual(service.route.hosts, ['a.example']);
    assert.equal(service.route.maxBody, '100m');
    assert.deepEqual(onlyService('{"services":{"web":{"route":["a.example","b.example"]}}}').route.hosts, [
      'a.example',
      'b.example',
    ]);
    assert.deepEqual(onlyService('{"services":{"web":{"health":{"status":204}}}}').health.status, [204]);
    assert.equal(onlyService('{"services":{"web":{"route":{"maxBody":0}}}}').route.maxBody, '0');
  });

  it('resolves paths against the folder of the file, with either separator', () => {
    const { services } = parseConfig(
      '{"services":{"web":{"build":{"context":"apps\\\\web"}},"api":{"build":{"context":"..","dockerfile":"docker/api.Dockerfile"}}}}',
      '/project/deploy/bluegreen.json',
    );
    assert.deepEqual(
      services.map(({ build }) => [build.context, build.dockerfile]),
      [
        ['/project/deploy/apps/web', '/project/deploy/apps/web/Dockerfile'],
        ['/project', '/project/deploy/docker/api.Dockerfile'],
      ],
    );
  });

  it('keeps a variable whose name means something to JavaScript', () => {
    const { env } = onlyService('{"services":{"web":{"run":{"env":{"__proto__":"x","constructor":"y"}}}}}').run;
    assert.deepEqual(Object.entries(env), [
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });
});

describe('problems of the syntax', () => {
  const cases: [marked: string, message: RegExp][] = [
    ['{ "services": { "web": { "port": 80 «"hosts"»: [] } } }', /comma is expected/],
    ['{ "services" «{»} }', /colon is expected/],
    ['{\r\n  «services»: {} }', /double quotes/],
    ['{ "services": { "web": «"x } } }»', /no closing quote/],
    ['{ "services": {}, } «x»', /not JSON/],
  ];
  for (const [marked, message] of cases) {
    it(`${String(message)} is found at its place`, () => {
      expectProblems(marked, [[message]]);
    });
  }

  it('an empty file and an open brace are found', () => {
    const [empty] = parseConfig('', FILE).problems;
    assert.match(empty?.message ?? '', /file is empty/);
    assert.deepEqual(empty?.position, { file: FILE, line: 1, column: 1 });
    const [open] = parseConfig('{\n  "services": {}\n', FILE).problems;
    assert.match(open?.message ?? '', /closing brace/);
  });
});

describe('problems of the structure', () => {
  it('all of them are collected, each at its place', () => {
    expectProblems(
      `{
  "services": {
    «"My App"»: {},
    "web": {
      «"prot"»: 80,
      "port": «"8080"»,
      «"env"»: {},
      "health": { "interval": «"5 parsecs"», "atempts": 3 },
      "drain": «"60s"»
    },
    "api": { "port": «70000» }
  }
}`.replace('"atempts"', '«"atempts"»'),
      [
        [/"My App" is no valid service name/, /"my-app" would do/],
        [/"prot" is not known here/, /Did you mean "port"\?/],
        [/"port" must be a whole number from 1 to 65535, not a text/, /without quotes/],
        [/"env" is not known here/, /belongs in "run"/],
        [/"interval" is no duration: "5 parsecs"/, /"500ms"/],
        [/"atempts" is not known here/, /Did you mean "attempts"\?/],
        [/"drain" must be an object, not a text/],
        [/"port" must be a whole number from 1 to 65535\.$/],
      ],
    );
  });

  it('says which keys there are when none is near', () => {
    expectProblems('{ «"apps"»: {}, "services": { "web": {} } }', [
      [/"apps" is not known/, /Known are: \$schema, services/],
    ]);
  });

  it('reports a repeated key, which JSON would let the last one win', () => {
    expectInService('"port": 80, «"port"»: 81', /"port" is given twice/);
    expectInService('"run": { "env": { "A": "1", «"A"»: "2" } }', /"A" is given twice/);
  });

  it('shows no more of a wrong variable than its name', () => {
    const problem = expectInService('"run": { "env": { «"TOKEN=s3cret"»: "" } }', /"TOKEN=…" is no name of a variable/);
    assert.doesNotMatch(formatProblem(problem), /s3cret/);
  });

  it('reports a file that is no object or names no service', () => {
    expectProblems('«[]»', [[/must be an object, not a list/]]);
    expectProblems('«{}»', [[/names no service/, /"services"/]]);
    expectProblems('{ "services": «{}» }', [[/names no service/]]);
    expectProblems('{ "services": «[]» }', [[/"services" must be an object, not a list/]]);
    expectProblems('{ "services": { "web": «null» } }', [[/"web" must be an object, not null/]]);
  });

  it('still reads the services without a problem', () => {
    const { services } = parseConfig('{"services":{"bad":{"port":0},"good":{"port":80}}}', FILE);
    assert.deepEqual(
      services.map(({ name }) => name),
      ['good'],
    );
  });

  it('counts columns of lines that end in \\r\\n, and behind a byte order mark', () => {
    const { problems } = parseConfig('\uFEFF{\r\n  "services": {\r\n    "web": { "prot": 1 } } }', FILE);
    assert.deepEqual(problems[0]?.position, { file: FILE, line: 3, column: 14 });
  });
});

describe('problems of values', () => {
  const cases: [marked: string, message: RegExp, hint?: RegExp][] = [
    ['"port": «0»', /from 1 to 65535/],
    ['"port": «80.5»', /whole number/],
    ['"port": «null»', /not null/],
    ['"hosts": «"prod"»', /"hosts" must be a list, not a text/, /\["prod"\]/],
    ['"hosts": ["prod", «"-oProxyCommand=x"»]', /Entry 2 of "hosts" is no host/, /user@host/],
    ['"hosts": [«"a b"»]', /is no host/],
    ['"hosts": [«"me@host:99999"»]', /is no host/],
    ['"hosts": [«""»]', /is empty/],
    ['"hosts": ["prod", «"prod"»]', /repeats a host/],
    ['"health": «"health"»', /no path for a health check/, /begins with "\/"/],
    ['"health": «"/a b"»', /no path for a health check/, /%20/],
    ['"health": «"/a;b"»', /no path/],
    ['"health": «"/a\\"b"»', /no path/],
    ['"health": «"/%zz"»', /no path/],
    ['"health": «"/a\\nb"»', /no path for a health check: "\/a�b"/],
    ['"health": «true»', /must be a path, or an object, not true or false/],
    ['"health": { "status": «[]» }', /must not be empty/],
    ['"health": { "status": [200, «"20x"»] }', /no class of status codes/, /"2xx"/],
    ['"health": { "status": «99» }', /from 100 to 599/],
    ['"health": { "timeout": «5» }', /"timeout" must be a text, not a number/],
    ['"health": { "interval": «"0s"» }', /must be from 100ms to 1h/],
    ['"health": «{ "attempts": 2, "successes": 3 }»', /needs 3 successes, but allows only 2/],
    ['"health": { "headers": { «"X Y"»: "1" } }', /no name of a header/],
    ['"health": { "headers": { "X": «"a\\nb"» } }', /no value of a header/],
    ['"health": { "method": «"DELETE"» }', /must be one of "GET"/],
    ['"health": «{ "method": "HEAD", "body": "ok" }»', /answer to HEAD/],
    ['"drain": { "atTimeout": «"kill"» }', /must be one of "cut", "leave", "wait"/],
    ['"route": { "path": «"api"» }', /no beginning of a path/, /"\/api"/],
    ['"route": { "path": «"/a/../b"» }', /no beginning of a path/],
    ['"route": { "path": «"/a b;"» }', /no beginning of a path/],
    ['"route": { "stripPath": «"yes"» }', /must be true or false/],
    ['"route": «"https://Example.com/x"»', /no host name/, /Write the name alone: "example.com"/],
    ['"route": «"example.com:8080"»', /no host name/, /"example.com"/],
    ['"route": «"münchen.example"»', /no host name/, /"xn--mnchen-3ya.example"/],
    ['"route": «"_"»', /no host name/, /Leave "route" out/],
    ['"route": «"*"»', /no host name/, /Leave "route" out/],
    ['"route": ["a.example", «"b.example;"»]', /Entry 2 of "route" is no host name/],
    ['"route": «"$host"»', /no host name/],
    ['"route": «"www.*.example"»', /no host name/],
    ['"route": ["a.example", «"A.example"»]', /repeats a host name: "a.example"/],
    ['"route": { "maxBody": «"1 GB"» }', /no size that nginx knows/, /"100m"/],
    ['"route": { "maxBody": «"1m; x"» }', /no size that nginx knows/],
    ['"run": { "env": { «"A B"»: "x" } }', /"A B" is no name of a variable/],
    ['"run": { "env": { "A": «null» } }', /must be a text, a number, true or false, or/],
    ['"run": { "env": { "A": «{}» } }', /names no variable/, /fromEnv/],
    ['"run": { "env": { "A": { «"fromenv"»: "B" } } }', /"fromenv" is not known/, /"fromEnv"/],
    ['"run": { "env": { "A": «9007199254740993» } }', /"A" would become 9007199254740992/, /in quotes/],
    ['"run": { "env": { "A": «1.0» } }', /"A" would become 1\./, /in quotes/],
    ['"build": { "args": { "NODE_VERSION": «20.10» } }', /"NODE_VERSION" would become 20\.1\./, /in quotes/],
    ['"run": { "env": { "A": «"${env:}"» } }', /without the name of a variable/],
    ['"run": { "volumes": [«"/data"»] }', /not of the form "source:target"/],
    ['"run": { "volumes": [«"./data:/data"»] }', /not absolute/, /\/folder\/on\/host/],
    ['"run": { "volumes": [«"C:\\\\data:/data"»] }', /Windows path/],
    ['"run": { "volumes": [«"data:relative"»] }', /target that is not an absolute path/],
    ['"run": { "volumes": [«"data:/data:wr"»] }', /option that Docker does not know: "wr"/],
    ['"run": { "volumes": ["a1:/data", «"b1:/data:ro"»] }', /repeats the target of another volume: "\/data"/],
    ['"run": { "command": «"node server.js"» }', /must be a list, not a text/, /\["sh", "-c"/],
    ['"run": { "command": «[]» }', /must not be empty/],
    ['"run": { "user": «"a b"» }', /is no user/],
    ['"run": { "memory": «"a lot"» }', /is no size/],
    ['"run": { "memory": «"1m"» }', /below the 6 MB/],
    ['"run": { "memory": «512» }', /must be a text, not a number/],
    ['"run": { "cpus": «0» }', /number from 0.01/],
    ['"run": { "extraHosts": [«"db"»] }', /"name:address"/],
    ['"run": { "extraHosts": [«"db:nowhere"»] }', /"name:address"/],
    ['"proxy": { "image": «"nginx latest"» }', /is no image/],
    ['"proxy": { "publish": «"80"» }', /without quotes|whole number/],
    ['"verify": { "allowedFailures": «-1» }', /from 0/],
    ['"retire": { "old": «"stopp"» }', /must be one of "stop", "keep", "remove"/, /Did you mean "stop"/],
    ['"retire": { "grace": «"1500ms"» }', /steps of 1s/],
    ['"retire": { "keepImages": «0» }', /from 1 to 100/],
    ['"build": { "secrets": { "npm": «{}» } }', /names no single source/],
    ['"build": { "ssh": «"yes"» }', /must be one of "agent", "none"/],
    ['"transfer": «"hots"»', /must be one of "ssh", "host"/, /Did you mean "host"/],
    ['"transfer": { "registry": «"ghcr.io/ann/shop:1"» }', /is no name of a repository/, /without a tag/],
    ['"transfer": «{}»', /names no registry/],
    ['"build": { "target": «"a b"» }', /no name of a build stage/],
    ['"build": { "args": { "A": «{"fromEnv": "B"}» } }', /must be a text, a number/],
  ];
  for (const [marked, message, hint] of cases) {
    it(marked.replace(/[«»]/g, ''), () => {
      expectInService(marked, message, hint);
    });
  }
});

describe('problems with this machine', () => {
  it('a context or Dockerfile that is not there, at the key that names it or the nearest one', () => {
    const problem = expectInService('"build": { "context": «"nowhere"» }', /There is no folder ".*nowhere"/);
    assert.equal(problem.about, 'build');
    expectInService('"build": { "dockerfile": «"Dockerfle"» }', /There is no file ".*Dockerfle"/);
    expectInService('"build": { "dockerfile": «"."» }', /is a folder/);
    const { problems } = parseConfig('{"services":{"web":{}}}', '/nowhere/bluegreen.json');
    assert.deepEqual(problems[0]?.position, { file: '/nowhere/bluegreen.json', line: 1, column: 14 });
  });

  it('a variable that is not set, without the text around it', () => {
    const problem = expectInService(
      '"run": { "env": { "URL": «"postgres://me:s3cret@db/${env:DB_NAME}"» } }',
      /The variable "DB_NAME" is not set/,
    );
    assert.equal(problem.about, 'environment');
    assert.doesNotMatch(formatProblem(problem), /s3cret/);
    // VS Code, too, knows only what was set when it was started.
    expectInService('"run": { "env": { "A": «{ "fromEnv": "NOPE" }» } }', /"NOPE" is not set/, /anew.*"envFile"/);
    expectInService('"build": { "args": { "A": «"${env:NOPE}"» } }', /"NOPE" is not set/, /anew from there\.$/);
  });

  it('an env file that is not there, and lines of one that are no variables', () => {
    expectInService('"run": { "envFile": ["web.env", «"no.env"»] }', /env file ".*no\.env" cannot be read/);
    writeFileSync(path.join(FOLDER, 'long.env'), 'A'.repeat(1024 * 1024 + 1));
    expectInService('"run": { "envFile": [«"long.env"»] }', /too long for an env file/);
    const file = path.join(FOLDER, 'wrong.env');
    writeFileSync(file, 'A=1\n\nthis is s3cret\n');
    const { problems } = parseConfig('{"services":{"web":{"run":{"envFile":"wrong.env"}}}}', FILE);
    assert.equal(problems.length, 1);
    assert.deepEqual(problems[0]?.position, { file, line: 3, column: 1 });
    assert.doesNotMatch(problems.map(formatProblem).join(), /s3cret/);
  });
});

describe('an env file that would never end', { skip: process.platform === 'win32' }, () => {
  // A read that hangs blocks this very process: it is made in another one, which can be ended.
  const read = (file: string): string => {
    const text = JSON.stringify({ services: { web: { run: { envFile: file } } } });
    const script = `const { parseConfig } = require(${JSON.stringify(path.join(import.meta.dirname, '../../../src/config/parse.ts'))});
      console.log(parseConfig(${JSON.stringify(text)}, ${JSON.stringify(FILE)}).problems[0]?.message);`;
    const args = ['--import', 'tsx', '--input-type=commonjs', '--eval', script];
    return execFileSync(process.execPath, args, { timeout: 20_000, killSignal: 'SIGKILL', encoding: 'utf8' });
  };

  it('is not read: a pipe, a device', () => {
    const pipe = path.join(FOLDER, 'pipe.env');
    execFileSync('mkfifo', [pipe]);
    for (const file of [pipe, '/dev/zero']) {
      assert.match(read(file), /The env file ".*" cannot be read/);
    }
  });
});

describe('conflicts between services', () => {
  it('two services may share a host name when their paths differ', () => {
    expectProblems(
      `{ "services": {
        "a": { "hosts": ["prod"], "route": "same.example" },
        "b": { "hosts": ["prod"], "route": { "hosts": "same.example", "path": "/b" } },
        "c": { "hosts": ["prod"], "route": { "hosts": "same.example", "path": "/b/c" } } } }`,
      [],
    );
  });

  it('two services on one host cannot have the same route', () => {
    expectProblems(
      `{ "services": {
        "a": { "hosts": ["x", "prod"], "route": "same.example" },
        "b": { "hosts": ["prod"], "route": ["other.example", "same.example"] },
        "c": { "hosts": ["elsewhere"], "route": "same.example" } } }`.replace(
        '["other.example", "same.example"]',
        '«["other.example", "same.example"]»',
      ),
      [[/"a" and "b" both answer for "same.example" on host "prod"/]],
    );
  });

  it('two services on one host cannot both answer everything', () => {
    const [problem] = expectProblems(
      '{ "services": { "a": { "hosts": ["prod"] }, «"b"»: { "hosts": ["prod"] }, "c": { "hosts": ["prod"], "route": "c.example" } } }',
      [[/"a" and "b" both answer every request on host "prod"/, /"route"/]],
    );
    assert.equal(problem?.severity, 'error');
    assert.equal(problem.service, 'b');
  });

  it('without hosts it is a warning, because --host may keep them apart', () => {
    const [problem] = expectProblems('{ "services": { "a": {}, «"b"»: {} } }', [
      [/both answer every request when they run/],
    ]);
    assert.equal(problem?.severity, 'warning');
  });

  it('two services on one host share its proxy', () => {
    expectProblems(
      `{ "services": {
        "a": { "hosts": ["prod"], "route": "a.example" },
        "b": { "hosts": ["prod"], "route": "b.example", "proxy": { "image": «"nginx:1.29"», "publish": «8080» } } } }`,
      [[/different images/], [/share the proxy of host "prod", but ask for the ports 80 and 8080/]],
    );
  });
});

describe('positionOf', () => {
  const parsed = parseConfig('{\n "services": {\n  "web": {\n   "run": { "user": "app" } } } }', FILE);
  it('gives the value, else the key of what is nearest around it', () => {
    assert.deepEqual(parsed.positionOf(['services', 'web', 'run', 'user']), { file: FILE, line: 4, column: 21 });
    assert.deepEqual(parsed.positionOf(['services', 'web', 'run', 'env', 'A']), { file: FILE, line: 4, column: 4 });
    assert.deepEqual(parsed.positionOf(['services', 'web', 'port']), { file: FILE, line: 3, column: 3 });
    assert.equal(parsed.positionOf(['services', 'api', 'port']), undefined);
  });
});
