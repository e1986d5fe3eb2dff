/** Careful reading of the API's JSON: what is absent or of another type becomes an empty value, never a crash. */
import { t } from '../l10n';

export type Json = Readonly<Record<string, unknown>>;

export function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function array(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Undefined for an absent value and for an empty text. */
export function optionalText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

export function texts(value: unknown): string[] {
  return array(value).filter((item): item is string => typeof item === 'string');
}

export function textRecord(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** Milliseconds since the epoch; 0 for Docker's "never" (`0001-01-01T00:00:00Z`) and for what is no time. */
export function time(value: unknown): number {
  const milliseconds = Date.parse(text(value));
  return Number.isFinite(milliseconds) && milliseconds > 0 ? milliseconds : 0;
}

/** One line of an answer beyond this many characters is a mistake of the other side. */
const MAX_LINE = 16 * 1024 * 1024;

/** The objects of a stream with one JSON object a line, as build, pull and load answer. Lines that are no JSON are skipped. */
export async function* jsonLines(stream: AsyncIterable<unknown>): AsyncGenerator<Json> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    rest += chunk instanceof Uint8Array ? decoder.decode(chunk, { stream: true }) : String(chunk);
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) {
      throw new Error(t('Docker sent a line without end.'));
    }
    for (const line of lines) {
      yield* parseLine(line);
    }
  }
  yield* parseLine(rest);
}

function* parseLine(line: string): Generator<Json> {
  if (line.trim() === '') {
    return;
  }
  try {
    yield object(JSON.parse(line));
  } catch {
    // A line cut off by a broken connection; the stream's own error says so.
  }
}

/** The error that a line of a progress stream carries, if it does. */
export function lineError(line: Json): string | undefined {
  return optionalText(object(line['errorDetail'])['message']) ?? optionalText(line['error']);
}
