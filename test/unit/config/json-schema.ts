/** The part of JSON Schema (draft-07) that our schema uses. A keyword it does not know is an error, never skipped. */
import type { Json, JsonSchema } from '../../../src/config/shapes';

const IGNORED = new Set(['$schema', 'title', 'description', 'default', 'allowComments', 'allowTrailingCommas']);

/** The places where a value does not fit, such as `/services/web/port`; empty when it does. */
export function misfits(schema: JsonSchema, value: Json, place = ''): string[] {
  const found: string[] = [];
  const test = (fits: boolean): void => {
    if (!fits) {
      found.push(place === '' ? '/' : place);
    }
  };
  for (const [keyword, argument] of Object.entries(schema)) {
    switch (keyword) {
      case 'type':
        test([argument].flat().some((type) => hasType(value, type)));
        break;
      case 'enum':
        test(Array.isArray(argument) && argument.includes(value));
        break;
      case 'pattern':
        test(typeof value !== 'string' || new RegExp(argument as string, 'u').test(value));
        break;
      case 'minLength':
        test(typeof value !== 'string' || value.length >= Number(argument));
        break;
      case 'minimum':
        test(typeof value !== 'number' || value >= Number(argument));
        break;
      case 'maximum':
        test(typeof value !== 'number' || value <= Number(argument));
        break;
      case 'minItems':
        test(!Array.isArray(value) || value.length >= Number(argument));
        break;
      case 'required':
        test(!isObject(value) || (argument as string[]).every((key) => Object.hasOwn(value, key)));
        break;
      case 'anyOf':
        test([argument].flat().some((one) => misfits(one as JsonSchema, value).length === 0));
        break;
      case 'items':
        if (Array.isArray(value)) {
          value.forEach((item: Json, index) =>
            found.push(...misfits(argument as JsonSchema, item, `${place}/${index}`)),
          );
        }
        break;
      case 'propertyNames':
        if (isObject(value)) {
          Object.keys(value).forEach((key) => found.push(...misfits(argument as JsonSchema, key, `${place}/${key}`)));
        }
        break;
      case 'properties':
      case 'additionalProperties':
        break;
      default:
        if (!IGNORED.has(keyword)) {
          throw new Error(`The keyword ${keyword} is not known here.`);
        }
    }
  }
  if (isObject(value)) {
    const properties = (schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
    const others = schema['additionalProperties'];
    for (const [key, item] of Object.entries(value)) {
      const own = Object.hasOwn(properties, key) ? properties[key] : others;
      if (own === false) {
        found.push(`${place}/${key}`);
      } else if (own !== undefined) {
        found.push(...misfits(own as JsonSchema, item, `${place}/${key}`));
      }
    }
  }
  return found;
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasType(value: Json, type: Json): boolean {
  switch (type) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}
