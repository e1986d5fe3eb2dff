import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildError } from '../../../src/docker/buildError';
import { BuildLog } from '../../../src/docker/buildLog';
import { readTrace, type Vertex } from '../../../src/docker/buildkitTrace';
import { instructionOfBase, instructionOfStep, parseDockerfile } from '../../../src/docker/dockerfile';
import { parseIgnoreRules } from '../../../src/docker/dockerignore';

/* A writer for the protobuf wire format, by its specification: the reader under test is not used to make its input. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}
function field(number: number, value: number | string | number[]): number[] {
  if (typeof value === 'number') {
    return [...varint(number * 8), ...varint(value)];
  }
  const bytes = typeof value === 'string' ? [...Buffer.from(value)] : value;
  return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
}

test('a trace is read: steps, output, warnings; unknown fields of every kind are skipped', () => {
  const timestamp = [...field(1, 1_700_000_000), ...field(2, 5)];
  const vertex = [
    ...[9 * 8 + 1, 1, 2, 3, 4, 5, 6, 7, 8],
    ...[10 * 8 + 5, 1, 2, 3, 4],
    ...field(1, 'sha256:aa'),
    ...field(2, 'input'),
    ...field(3, '[2/3] RUN x'),
    ...field(4, 1),
    ...field(5, timestamp),
    ...field(6, timestamp),
    ...field(7, 'boom'),
  ];
  const begun = [...field(1, 'sha256:bb'), ...field(3, 'begun'), ...field(5, timestamp)];
  const log = [...field(1, 'sha256:aa'), ...field(2, timestamp), ...field(3, 1), ...field(4, 'hello\n')];
  const status = [
    ...field(1, vertex),
    ...field(1, begun),
    ...field(3, log),
    ...field(4, field(3, 'careful')),
    ...field(99, 300),
  ];
  const trace = readTrace(Buffer.from(status).toString('base64'));
  assert.deepEqual(trace, {
    vertexes: [
      { digest: 'sha256:aa', name: '[2/3] RUN x', cached: true, started: true, completed: true, error: 'boom' },
      { digest: 'sha256:bb', name: 'begun', cached: false, started: true, completed: false, error: '' },
    ],
    logs: [{ vertex: 'sha256:aa', data: Buffer.from('hello\n') }],
    warnings: ['careful'],
  });
});

test('what is no trace is none', () => {
  assert.equal(readTrace(undefined), undefined);
  assert.equal(readTrace({}), undefined);
  assert.equal(readTrace(Buffer.from([10, 200]).toString('base64')), undefined);
  assert.equal(readTrace(Buffer.from([0xff, 0xff]).toString('base64')), undefined);
});

function vertex(digest: string, name: string, more: Partial<Vertex> = {}): Vertex {
  return { digest, name, cached: false, started: false, completed: false, error: '', ...more };
}

test('the log names a step once, says who speaks, strips colours, and counts steps over all stages', () => {
  const lines: string[] = [];
  const steps: string[] = [];
  const log = new BuildLog({
    line: (text, level) => lines.push(`${level[0] ?? ''} ${text}`),
    steps: (done, total) => steps.push(`${done}/${total}`),
  });
  const say = (digest: string, text: string) => ({ vertex: digest, data: Buffer.from(text) });
  const base = vertex('c', '[one 1/2] FROM x', { started: true, completed: true, cached: true });
  const a = vertex('a', '[one 2/2] RUN a', { started: true });
  const b = vertex('b', '[stage-1 2/2] RUN b', { started: true });
  const ended = [
    { ...a, completed: true },
    { ...b, error: 'exit code: 1', completed: true },
  ];
  log.add({ vertexes: [base], logs: [], warnings: [] });
  log.add({ vertexes: [a, b], logs: [say('a', 'half '), say('b', 'b1\n'), say('a', 'line\n')], warnings: ['w'] });
  log.add({ vertexes: [], logs: [say('a', '\u001b[31mred\u001b[0m\n10%\r100%\nno end')], warnings: ['w'] });
  log.add({ vertexes: ended, logs: [], warnings: [] });
  assert.deepEqual(lines, [
    'i [one 1/2] FROM x (cached)',
    'i [one 2/2] RUN a',
    'i [stage-1 2/2] RUN b',
    'i b1',
    'i [one 2/2] RUN a …',
    'i half line',
    'w w',
    'i red',
    'i 100%',
    'i no end',
    'e [stage-1 2/2] RUN b: exit code: 1',
  ]);
  assert.deepEqual(steps, ['1/2', '1/4', '3/4']);
  assert.deepEqual(
    log.failed.map((it) => it.name),
    ['[stage-1 2/2] RUN b'],
  );
});

const DOCKERFILE = `# syntax=x
# escape=\\
ARG VERSION=20

FROM node:\${VERSION} AS build
WORKDIR /app
COPY package.json .
# a comment
RUN npm ci \\
    # inside
    --omit=dev \\

    && npm cache clean
RUN <<EOF
RUN not an instruction
EOF
COPY <<a <<"b" /x/
one
a
two
b
COPY . .

FROM --platform=linux/amd64 nginx:1.30
ENV A=b
COPY --from=build /app /srv
run echo lower
`;

describe('the Dockerfile', () => {
  const instructions = parseDockerfile(DOCKERFILE);
  const lineOf = (step: string): number | undefined => instructionOfStep(instructions, step)?.line;

  test('is cut into instructions with their lines, stages and steps', () => {
    assert.deepEqual(
      instructions.map((it) => [it.line, it.keyword, it.stage, it.step]),
      [
        [3, 'ARG', -1, undefined],
        [5, 'FROM', 0, 1],
        [6, 'WORKDIR', 0, 2],
        [7, 'COPY', 0, 3],
        [9, 'RUN', 0, 4],
        [14, 'RUN', 0, 5],
        [17, 'COPY', 0, 6],
        [22, 'COPY', 0, 7],
        [24, 'FROM', 1, 1],
        [25, 'ENV', 1, undefined],
        [26, 'COPY', 1, 2],
        [27, 'RUN', 1, 3],
      ],
    );
    assert.equal(instructions[4]?.text, 'RUN npm ci --omit=dev && npm cache clean');
  });

  test("a step's name leads to its instruction, by its number or else by its text", () => {
    assert.equal(lineOf('[build 4/7] RUN npm ci     --omit=dev     && npm cache clean'), 9);
    assert.equal(lineOf('[linux/amd64 build 6/7] COPY <<a <<"b" /x/'), 17);
    assert.equal(lineOf('[stage-1 2/3] COPY --from=build /app /srv'), 26);
    assert.equal(lineOf('[stage-1 9/9] RUN echo lower'), 27, 'counted otherwise: found by its text');
    assert.equal(lineOf('[stage-1 3/3] RUN echo with-a-value-put-in'), 27, 'other text: found by its number');
    assert.equal(lineOf('[internal] load build context'), undefined);
    assert.equal(lineOf('exporting to image'), undefined);
  });

  test('a base image leads to its FROM, in whatever form it is named', () => {
    const bases = ['a/b', 'docker.io/library/c:1 AS x', '--platform=linux/arm64 reg.io/d@sha256:00'];
    const found = parseDockerfile(bases.map((base) => `FROM ${base}\n`).join(''));
    assert.equal(instructionOfBase(found, 'docker.io/a/b:latest')?.line, 1);
    assert.equal(instructionOfBase(found, 'c:1')?.line, 2);
    assert.equal(instructionOfBase(found, 'reg.io/d@sha256:00')?.line, 3);
    assert.equal(instructionOfBase(found, 'docker.io/library/d:latest'), undefined);
  });

  test('the escape directive counts', () => {
    const lines = parseDockerfile('# escape=`\nFROM x\nRUN a `\n  b\nCOPY c:\\\nRUN d\n').map((it) => it.line);
    assert.deepEqual(lines, [2, 3, 5, 6]);
  });
});

describe('a failed build', () => {
  const instructions = parseDockerfile(DOCKERFILE);
  const failed = (name: string, error: string): Vertex => vertex('v', name, { error });

  /** Messages as the versions of Docker write them. */
  const cases: readonly {
    what: string;
    message: string;
    step?: readonly [string, string];
    sentence: string;
    line?: number;
  }[] = [
    {
      what: 'a mistake, 20.10',
      message:
        'failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 3: unknown instruction: FOO',
      sentence: 'The Dockerfile has a mistake in line 3: Unknown instruction: FOO.',
      line: 3,
    },
    {
      what: 'a mistake, 28.5',
      message: 'dockerfile parse error on line 3: unknown instruction: FOO (did you mean FROM?)',
      sentence: 'The Dockerfile has a mistake in line 3: Unknown instruction: FOO (did you mean FROM?).',
      line: 3,
    },
    {
      what: 'an exit code',
      message: 'process "/bin/sh -c npm ci" did not complete successfully: exit code: 1',
      step: ['[build 4/7] RUN npm ci', 'process "/bin/sh -c npm ci" did not complete successfully: exit code: 1'],
      sentence: 'The build stopped in line 9: `RUN npm ci --omit=dev && npm cache clean` ended with code 1.',
      line: 9,
    },
    {
      what: 'a missing file',
      message: 'failed to compute cache key: failed to calculate checksum of ref x::y: "/package.json": not found',
      step: ['[build 3/7] COPY package.json .', 'failed to calculate checksum of ref x::y: "/package.json": not found'],
      sentence: 'The build stopped in line 7: package.json is not in the build context.',
      line: 7,
    },
    {
      what: 'a missing file that no step carries',
      message: 'failed to compute cache key: "/package.json" not found: not found',
      sentence: 'The build stopped in line 7: package.json is not in the build context.',
      line: 7,
    },
    {
      what: 'no such image',
      message: 'nginx:1.30: not found',
      step: ['[internal] load metadata for docker.io/library/nginx:1.30', 'docker.io/library/nginx:1.30: not found'],
      sentence: 'The base image nginx:1.30 cannot be pulled: there is no such image.',
      line: 24,
    },
    {
      what: 'a private image',
      message: 'pull access denied, repository does not exist or may require authorization',
      step: ['[internal] load metadata for docker.io/library/nginx:1.30', 'pull access denied'],
      sentence:
        'The base image nginx:1.30 cannot be pulled: there is no such image, or you have to log in to its registry.',
      line: 24,
    },
    {
      what: 'a syntax that cannot be had',
      message: 'failed to solve with frontend dockerfile.v0: dial tcp: lookup registry-1.docker.io: no such host',
      step: ['resolve image config for docker.io/docker/dockerfile:1.7', 'dial tcp: no such host'],
      sentence:
        'docker/dockerfile:1.7, which the syntax line names, cannot be pulled: its registry cannot be reached from the machine that builds.',
      line: 1,
    },
    {
      what: 'the same, in the words of a newer Docker',
      message: 'failed to solve: docker/dockerfile:1.7: not found',
      step: ['resolve image config for docker-image://docker.io/docker/dockerfile:1.7', 'not found'],
      sentence: 'docker/dockerfile:1.7, which the syntax line names, cannot be pulled: there is no such image.',
      line: 1,
    },
    {
      what: 'a full disk',
      message: 'write /var/lib/docker/tmp/x: no space left on device',
      sentence: 'The disk of the machine that builds is full.',
    },
    {
      what: 'anything else',
      message: 'failed to solve: rpc error: code = Unknown desc = something odd',
      sentence: 'The build failed: Something odd.',
    },
  ];
  for (const { what, message, step, sentence, line } of cases) {
    test(what, () => {
      const stopped = failed('[build 2/7] WORKDIR /app', 'context canceled');
      const steps = step === undefined ? [] : [stopped, failed(...step)];
      const dockerfile = '/x/Dockerfile';
      const syntax = { image: 'docker/dockerfile:1.7', line: 1 };
      const error = buildError({ message, failed: steps, dockerfile, instructions, syntax, commandMissing: false });
      assert.equal(error.code, 'build');
      assert.equal(error.message, sentence);
      assert.equal(error.position?.line, line);
    });
  }
});

test('an ignored folder is walked only when something in it may be kept', () => {
  const rules = parseIgnoreRules('*\n!src/keep/*.ts\n!docs/**/x.md\n!/a/b/\n  !late\n');
  for (const folder of ['src', 'src/keep', 'docs', 'docs/any/where', 'a', 'a/b', 'a/b/c', 'late']) {
    assert.ok(rules.mayKeepBelow(folder), folder);
  }
  for (const folder of ['node_modules', 'src/other', 'a/c']) {
    assert.ok(!rules.mayKeepBelow(folder), folder);
  }
  assert.equal(parseIgnoreRules('node_modules\n').mayKeepBelow('node_modules'), false);
});
