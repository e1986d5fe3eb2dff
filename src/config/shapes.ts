/**
 * Building blocks that a file's format is written in. Each one both reads a value, reporting what is wrong with it
 * where it stands, and describes itself as a JSON schema: parser and schema cannot disagree.
 */
import type { Node } from './jsonc';
import { parseTree } from './jsonc';
import { t } from '../l10n';
import { Complaint, quoted } from './complaint';
import { nearest } from './nearest';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonSchema = Readonly<Record<string, Json>>;

/** Takes what is wrong with a node. */
export type Report = (node: Node, message: string, hint?: string) => void;

/** A value that could be read. Its absence means that the problem has been reported. */
export interface Reading<T> {
  readonly value: T;
}

export interface Shape<T> {
  readonly schema: JsonSchema;
  /** JSON types that this shape reads. */
  readonly types: readonly Node['type'][];
  /** Keys of the object, for those that are one. */
  readonly keys?: ReadonlyMap<string, Field<unknown>>;
  read(node: Node, report: Report): Reading<T> | undefined;
}

export interface Field<T> {
  readonly shape: Shape<T>;
  readonly description: string;
  /** The value, as it would be written, of a key that is left out. */
  readonly fallback: Json | undefined;
}

type ValueOf<S> = S extends Shape<infer T> ? T : never;
type FieldsOf<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A key that may be left out, and then says nothing. */
export function optional<T>(shape: Shape<T>, description: string): Field<T | undefined> {
  return { shape, description, fallback: undefined };
}

/** A key that, left out, is read as if `fallback` were written. */
export function withDefault<T>(shape: Shape<T>, description: string, fallback: Json): Field<T> {
  return { shape, description, fallback };
}

/** A text; `convert` checks it and turns it into what the product works with. */
export function text<T>(schema: JsonSchema, convert: (written: string) => T | Complaint): Shape<T> {
  const types = ['string'] as const;
  return {
    schema: { type: 'string', ...schema },
    types,
    read: (node, report) =>
      hasType(node, types, t('a text'), report) ? check(node, convert(textOf(node)), report) : undefined,
  };
}

/** A text that a regular expression describes fully. */
export function matching(
  pattern: string,
  says: (name: string, written: string) => string,
  hint: () => string,
): Shape<string> {
  const expression = new RegExp(pattern);
  return text({ pattern }, (written) =>
    expression.test(written) ? written : new Complaint((it) => says(it, quoted(written)), hint()),
  );
}

/** One of a few texts. */
export function choice<const T extends string>(choices: readonly T[]): Shape<T> {
  const listed = choices.map((one) => `"${one}"`).join(', ');
  return {
    schema: { enum: choices },
    types: ['string'],
    read(node, report) {
      const found = choices.find((one) => one === node.value);
      if (found !== undefined) {
        return { value: found };
      }
      const guess = node.type === 'string' ? nearest(textOf(node), choices) : undefined;
      report(
        node,
        t('{0} must be one of {1}.', labelOf(node), listed),
        guess === undefined ? undefined : t('Did you mean {0}?', quoted(guess)),
      );
      return undefined;
    },
  };
}

/** A number between two bounds, both included. */
export function numeric(minimum: number, maximum: number, kind: 'integer' | 'number' = 'integer'): Shape<number> {
  return {
    schema: { type: kind, minimum, maximum },
    types: ['number'],
    read(node, report) {
      const value = node.type === 'number' ? Number(node.value) : Number.NaN;
      if (value >= minimum && value <= maximum && (kind === 'number' || Number.isInteger(value))) {
        return { value };
      }
      const wanted =
        kind === 'integer'
          ? t('a whole number from {0} to {1}', minimum, maximum)
          : t('a number from {0} to {1}', minimum, maximum);
      const inQuotes = node.type === 'string' && /^\d+(\.\d+)?$/.test(textOf(node));
      report(
        node,
        node.type === 'number'
          ? t('{0} must be {1}.', labelOf(node), wanted)
          : t('{0} must be {1}, not {2}.', labelOf(node), wanted, kindOf(node)),
        inQuotes ? t('Write it without quotes.') : undefined,
      );
      return undefined;
    },
  };
}

export const truth: Shape<boolean> = {
  schema: { type: 'boolean' },
  types: ['boolean'],
  read: (node, report) =>
    hasType(node, ['boolean'], t('true or false'), report) ? { value: node.value === true } : undefined,
};

export function list<T>(item: Shape<T>, options: { minimum?: number; hint?: () => string } = {}): Shape<T[]> {
  const minimum = options.minimum ?? 0;
  const types = ['array'] as const;
  return {
    schema: { type: 'array', items: item.schema, ...(minimum === 0 ? {} : { minItems: minimum }) },
    types,
    read(node, report) {
      if (!hasType(node, types, t('a list'), report, options.hint?.())) {
        return undefined;
      }
      const items = (node.children ?? []).map((child) => item.read(child, report));
      if (items.length < minimum) {
        report(node, t('{0} must not be empty.', labelOf(node)), options.hint?.());
        return undefined;
      }
      const read = items.filter((one) => one !== undefined).map((one) => one.value);
      return read.length === items.length ? { value: read } : undefined;
    },
  };
}

/** A list in which no two items are the same by `keyOf`; a repeated one is reported where it stands. */
export function unique<T>(
  shape: Shape<T[]>,
  keyOf: (item: T) => string,
  says: (name: string, repeated: string) => string,
): Shape<T[]> {
  return {
    ...shape,
    read(node, report) {
      const reading = shape.read(node, report);
      const seen = new Set<string>();
      let repeated = false;
      for (const [index, item] of (reading?.value ?? []).entries()) {
        const key = keyOf(item);
        if (seen.has(key)) {
          const place = node.children?.[index] ?? node;
          report(place, says(labelOf(place), quoted(key)), t('Remove one of the two.'));
          repeated = true;
        }
        seen.add(key);
      }
      return repeated ? undefined : reading;
    },
  };
}

/** An object whose keys are free within a rule. With `partial`, entries without a problem are read all the same. */
export function record<T>(
  keys: { readonly schema: JsonSchema; readonly check: (key: string) => string | Complaint },
  item: Shape<T>,
  options: { partial?: boolean } = {},
): Shape<ReadonlyMap<string, T>> {
  const types = ['object'] as const;
  return {
    schema: { type: 'object', propertyNames: keys.schema, additionalProperties: item.schema },
    types,
    read(node, report) {
      if (!hasType(node, types, t('an object'), report)) {
        return undefined;
      }
      const result = new Map<string, T>();
      let complete = true;
      for (const { key, keyNode, value } of properties(node, report)) {
        const checked = keys.check(key);
        if (checked instanceof Complaint) {
          // Behind a `=` there may be a secret.
          report(keyNode, checked.says(quoted(key.replace(/=.*/s, '=…'))), checked.hint);
        }
        const reading = item.read(value, report);
        if (reading === undefined || checked instanceof Complaint) {
          complete = false;
        } else {
          result.set(key, reading.value);
        }
      }
      return complete || options.partial === true ? { value: result } : undefined;
    },
  };
}

/** An object with known keys. Others are reported with the nearest known one. */
export function object<F extends Readonly<Record<string, Field<unknown>>>>(fields: F): Shape<FieldsOf<F>> {
  const keys = new Map(Object.entries(fields));
  const fallbacks = new Map<string, Node>();
  for (const [key, { fallback }] of keys) {
    const node = fallback === undefined ? undefined : parseTree(JSON.stringify(fallback));
    if (node !== undefined) {
      fallbacks.set(key, node);
    }
  }
  const types = ['object'] as const;
  return {
    schema: { type: 'object', additionalProperties: false, properties: propertySchemas(keys) },
    types,
    keys,
    read(node, report) {
      if (!hasType(node, types, t('an object'), report)) {
        return undefined;
      }
      const values = new Map<string, unknown>();
      let complete = true;
      const present = new Map<string, Node>();
      for (const { key, keyNode, value } of properties(node, report)) {
        if (keys.has(key)) {
          present.set(key, value);
        } else {
          report(keyNode, t('{0} is not known here.', quoted(key)), suggestKey(key, keys));
          complete = false;
        }
      }
      for (const [key, field] of keys) {
        const source = present.get(key) ?? fallbacks.get(key);
        const reading = source === undefined ? { value: undefined } : field.shape.read(source, report);
        complete &&= reading !== undefined;
        values.set(key, reading?.value);
      }
      // Sound: each field's shape has read its own value, and absent ones are typed as optional.
      return complete ? { value: Object.fromEntries(values) as FieldsOf<F> } : undefined;
    },
  };
}

/** One of several shapes of different JSON types; the type written decides which one reads it. */
export function either<const S extends readonly Shape<unknown>[]>(
  expected: () => string,
  ...shapes: S
): Shape<ValueOf<S[number]>> {
  const types = shapes.flatMap((shape) => shape.types);
  const keys = shapes.find((shape) => shape.keys !== undefined)?.keys;
  return {
    schema: { anyOf: shapes.map((shape) => shape.schema) },
    types,
    ...(keys === undefined ? {} : { keys }),
    read(node, report) {
      const fitting = shapes.find((shape) => shape.types.includes(node.type));
      if (fitting === undefined) {
        report(node, t('{0} must be {1}, not {2}.', labelOf(node), expected(), kindOf(node)));
        return undefined;
      }
      return fitting.read(node, report) as Reading<ValueOf<S[number]>> | undefined;
    },
  };
}

/** The same written form, turned into another value. */
export function mapped<T, U>(shape: Shape<T>, convert: (value: T, node: Node) => U | Complaint): Shape<U> {
  return {
    ...shape,
    read(node, report) {
      const reading = shape.read(node, report);
      return reading === undefined ? undefined : check(node, convert(reading.value, node), report);
    },
  };
}

/** What an object is when nothing is written in it. */
export function defaultsOf<T>(shape: Shape<T>): T {
  const empty = parseTree('{}');
  const reading = empty && shape.read(empty, (_, message) => broken(message));
  return reading === undefined ? broken('no defaults') : reading.value;
}

/** How a message names a value: by its key, or by its place in a list. */
export function labelOf(node: Node): string {
  const parent = node.parent;
  if (parent?.type === 'property') {
    return quoted(String(parent.children?.[0]?.value));
  }
  if (parent?.type === 'array') {
    return t('Entry {0} of {1}', (parent.children ?? []).indexOf(node) + 1, labelOf(parent));
  }
  return t('The file');
}

function broken(message: string): never {
  throw new Error(`The defaults of the format are wrong: ${message}`);
}

function propertySchemas(keys: ReadonlyMap<string, Field<unknown>>): JsonSchema {
  return Object.fromEntries(
    [...keys].map(([key, { shape, description, fallback }]) => {
      // An object's defaults are those of its keys.
      const shown = fallback === undefined || JSON.stringify(fallback) === '{}' ? {} : { default: fallback };
      return [key, { description, ...shape.schema, ...shown }];
    }),
  );
}

/** The properties of an object, each key once; a repeated key is reported, for the last one would win silently. */
function properties(node: Node, report: Report): { key: string; keyNode: Node; value: Node }[] {
  const found = new Map<string, { key: string; keyNode: Node; value: Node }>();
  for (const { children = [] } of node.children ?? []) {
    const [keyNode, value] = children;
    if (keyNode === undefined || value === undefined) {
      continue;
    }
    const key = String(keyNode.value);
    if (found.has(key)) {
      report(keyNode, t('{0} is given twice.', quoted(key)), t('Remove one of the two.'));
    } else {
      found.set(key, { key, keyNode, value });
    }
  }
  return [...found.values()];
}

function suggestKey(key: string, keys: ReadonlyMap<string, Field<unknown>>): string | undefined {
  for (const [parent, field] of keys) {
    if (field.shape.keys?.has(key) === true) {
      return t('It belongs in "{0}".', parent);
    }
  }
  const guess = nearest(key, keys.keys());
  return guess === undefined
    ? t('Known are: {0}.', [...keys.keys()].join(', '))
    : t('Did you mean {0}?', quoted(guess));
}

function hasType(node: Node, types: readonly Node['type'][], expected: string, report: Report, hint?: string): boolean {
  if (types.includes(node.type)) {
    return true;
  }
  report(node, t('{0} must be {1}, not {2}.', labelOf(node), expected, kindOf(node)), hint);
  return false;
}

function check<T>(node: Node, converted: T | Complaint, report: Report): Reading<T> | undefined {
  if (converted instanceof Complaint) {
    report(node, converted.says(labelOf(node)), converted.hint);
    return undefined;
  }
  return { value: converted };
}

function textOf(node: Node): string {
  return String(node.value);
}

function kindOf(node: Node): string {
  switch (node.type) {
    case 'string':
      return t('a text');
    case 'number':
      return t('a number');
    case 'boolean':
      return t('true or false');
    case 'null':
      return 'null';
    case 'array':
      return t('a list');
    case 'object':
      return t('an object');
    case 'property':
      return t('a key');
  }
}
