import { fileFormat } from './format';
import type { JsonSchema } from './shapes';

/** The JSON schema (draft-07) of bluegreen.json, made from the format that the parser reads with. */
export function configSchema(): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'bluegreen.json',
    description: 'Services that Blue-Green deploys.',
    ...fileFormat.schema,
    required: ['services'],
    allowComments: true,
    allowTrailingCommas: true,
  };
}
