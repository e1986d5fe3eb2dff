import { fileFormat } from './format';
import type { Json, JsonSchema } from './shapes';

/**
 * The JSON schema (draft-07) of bluegreen.json, made from the format that the parser reads with. `translate` says its
 * descriptions in another language.
 */
export function configSchema(translate = (description: string): string => description): JsonSchema {
  const described = (schema: Json): Json =>
    JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
      key === 'description' && typeof value === 'string' ? translate(value) : value,
    ) as Json;
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'bluegreen.json',
    description: translate('Services that Blue-Green deploys.'),
    ...(described(fileFormat.schema) as JsonSchema),
    required: ['services'],
    allowComments: true,
    allowTrailingCommas: true,
  };
}
