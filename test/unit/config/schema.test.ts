import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'jsonc-parser';
import { fileFormat, serviceFormat } from '../../../src/config/format';
import { parseConfig } from '../../../src/config/parse';
import { formatProblem } from '../../../src/config/problems';
import { configSchema } from '../../../src/config/schema';
import type { Json, JsonSchema, Shape } from '../../../src/config/shapes';
import { misfits } from './json-schema';
import { FILE } from './marked';

const ROOT = path.join(import.meta.dirname, '../../..');
const RUSSIAN = JSON.parse(readFileSync(path.join(ROOT, 'media/l10n/bundle.l10n.ru.json'), 'utf8')) as Record<
  string,
  string
>;

function problemsOf(text: string): string[] {
  return parseConfig(text, FILE, {})
    .problems.filter(({ severity, about }) => severity === 'error' && about === 'text')
    .map(formatProblem);
}

function misfitsOf(text: string): string[] {
  return misfits(configSchema(), parse(text, [], { allowTrailingComma: true }) as Json);
}

/** Every key below a shape, with its field. */
function allKeys(shape: Pick<Shape<unknown>, 'keys'>, place: string): [place: string, schema: JsonSchema][] {
  return [...(shape.keys ?? [])].flatMap(([key, field]) => [
    [`${place}.${key}`, field.shape.schema],
    ...allKeys(field.shape, `${place}.${key}`),
  ]);
}

/** What every key below a service is when left out; objects are left out themselves. */
function allFallbacks(shape: Pick<Shape<unknown>, 'keys'>, place: string): Map<string, Json | undefined> {
  return new Map(
    [...(shape.keys ?? [])].flatMap(([key, field]) => [
      ...(field.shape.keys === undefined || typeof field.fallback === 'string'
        ? [[`${place}${key}`, field.fallback] as const]
        : []),
      ...allFallbacks(field.shape, `${place}${key}.`),
    ]),
  );
}

describe('media/bluegreen.schema.json', () => {
  for (const [name, translate] of [
    ['bluegreen.schema.json', (text: string) => text],
    ['bluegreen.schema.ru.json', (text: string) => RUSSIAN[text] ?? text],
  ] as const) {
    it(`${name} is the schema of the format that the parser reads with (UPDATE_GOLDEN=1 writes it)`, () => {
      const file = path.join(ROOT, 'media', name);
      const made = `${JSON.stringify(configSchema(translate), null, 2)}\n`;
      if (process.env['UPDATE_GOLDEN'] === '1') {
        writeFileSync(file, made);
      }
      assert.equal(readFileSync(file, 'utf8'), made);
    });
  }

  it('describes every key that the parser knows', () => {
    const text = JSON.stringify(configSchema());
    const keys = [...allKeys(fileFormat, '$'), ...allKeys(serviceFormat, 'service')];
    assert.ok(keys.length > 35, String(keys.length));
    for (const [place, schema] of keys) {
      assert.ok(text.includes(`"${place.split('.').at(-1) ?? ''}":{"description":"`), place);
      assert.ok(text.includes(JSON.stringify(schema).slice(1, -1)), place);
    }
  });

  it('gives defaults that it accepts itself, and so does the parser', () => {
    const check = (schema: JsonSchema, place: string): void => {
      for (const [key, property] of Object.entries((schema['properties'] ?? {}) as Record<string, JsonSchema>)) {
        const { default: value } = property;
        if (value !== undefined) {
          assert.deepEqual(misfits(property, value), [], `${place}.${key}`);
        }
        check(property, `${place}.${key}`);
        for (const one of (property['anyOf'] ?? []) as JsonSchema[]) {
          check(one, `${place}.${key}`);
        }
      }
    };
    check(configSchema(), '$');
    check(serviceFormat.schema, 'service');
  });

  it('refuses what the parser refuses', () => {
    const wrong = [
      '{}',
      '[]',
      '{ "services": { "web": { "prot": 1 } } }',
      '{ "services": { "My App": {} } }',
      '{ "services": { "web": { "port": "80" } } }',
      '{ "services": { "web": { "port": 70000 } } }',
      '{ "services": { "web": { "health": "x" } } }',
      '{ "services": { "web": { "health": { "interval": "5 s" } } } }',
      '{ "services": { "web": { "health": { "status": ["2x"] } } } }',
      '{ "services": { "web": { "route": "a b" } } }',
      '{ "services": { "web": { "route": { "maxBody": "1mb" } } } }',
      '{ "services": { "web": { "run": { "command": [] } } } }',
      '{ "services": { "web": { "run": { "env": { "A": null } } } } }',
      '{ "services": { "web": { "run": { "volumes": ["./a:/b"] } } } }',
      '{ "services": { "web": { "retire": { "old": "delete" } } } }',
      '{ "services": { "web": { "hosts": ["-x"] } } }',
      '{ "extra": 1, "services": { "web": {} } }',
    ];
    for (const text of wrong) {
      assert.notDeepEqual(problemsOf(text), [], text);
      assert.notDeepEqual(misfitsOf(text), [], text);
    }
  });
});

describe('docs/CONFIGURATION.md', () => {
  const text = readFileSync(path.join(ROOT, 'docs/CONFIGURATION.md'), 'utf8');
  const examples = [...text.matchAll(/```jsonc?\n([^]*?)```/g)].map((match) => match[1] ?? '');

  it('has examples that parser and schema accept', () => {
    assert.ok(examples.length >= 3, String(examples.length));
    for (const example of examples) {
      assert.deepEqual(problemsOf(example), [], example);
      assert.deepEqual(misfitsOf(example), [], example);
    }
  });

  it('has a row with the default for every key', () => {
    const rows = new Map([...text.matchAll(/^\| `([\w.]+)` +\| (.+?) +\|/gm)].map((match) => [match[1], match[2]]));
    const fallbacks = allFallbacks(serviceFormat, '');
    for (const [place, fallback] of fallbacks) {
      assert.equal(rows.get(place), fallback === undefined ? '-' : `\`${JSON.stringify(fallback)}\``, place);
    }
    assert.deepEqual([...rows.keys()], [...fallbacks.keys()]);
  });
});
