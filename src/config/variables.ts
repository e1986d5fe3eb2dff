/** Values that are taken from the deployer's environment: `${env:NAME}` in a text, and the lines of an env file. */
import { Complaint } from './complaint';
import { VARIABLE_PATTERN } from './names';
import { t } from '../l10n';
import type { Environment } from '../model';

/** A text with references in it, in pieces. */
export type Template = readonly (string | { readonly variable: string })[];

const REFERENCE = /\$?\$\{env:([^}]*)\}/g;
const VARIABLE = new RegExp(VARIABLE_PATTERN);

/** Takes `${env:NAME}` apart. `$${env:NAME}` is that text itself; everything else stays as it is. */
export function parseTemplate(written: string): Template | Complaint {
  const pieces: (string | { variable: string })[] = [];
  let end = 0;
  for (const match of written.matchAll(REFERENCE)) {
    pieces.push(written.slice(end, match.index));
    end = match.index + match[0].length;
    const variable = match[1] ?? '';
    if (match[0].startsWith('$$')) {
      pieces.push(match[0].slice(1));
    } else if (VARIABLE.test(variable)) {
      pieces.push({ variable });
    } else {
      return new Complaint(
        (it) => t('{0} has a reference without the name of a variable.', it),
        t('Write "${env:NAME}".'),
      );
    }
  }
  pieces.push(written.slice(end));
  return written.includes('\0')
    ? new Complaint((it) => t('{0} holds a NUL character, which no environment variable can.', it))
    : pieces.filter((piece) => piece !== '');
}

/** The whole text, or the names of the variables that are not set. */
export function fillTemplate(
  template: Template,
  environment: Environment,
): string | { readonly missing: readonly string[] } {
  const missing: string[] = [];
  const pieces = template.map((piece) => {
    if (typeof piece === 'string') {
      return piece;
    }
    const value = lookUp(environment, piece.variable);
    if (value === undefined) {
      missing.push(piece.variable);
    }
    return value ?? '';
  });
  return missing.length > 0 ? { missing } : pieces.join('');
}

/**
 * Reads an env file as `docker run --env-file` does (docs.docker.com): a variable a line, everything behind the first
 * `=` is the value, quotes included; lines that begin with `#` are comments; a name alone takes the deployer's own
 * value, or is left out. `wrong` lists the lines that are neither, counted from 1.
 */
export function parseEnvFile(
  text: string,
  environment: Environment,
): { readonly values: ReadonlyMap<string, string>; readonly wrong: readonly number[] } {
  const values = new Map<string, string>();
  const wrong: number[] = [];
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n/);
  for (const [index, line] of lines.entries()) {
    const trimmed = line.trimStart();
    if (trimmed === '' || trimmed.startsWith('#')) {
      continue;
    }
    const equals = trimmed.indexOf('=');
    const name = equals === -1 ? trimmed.trimEnd() : trimmed.slice(0, equals);
    const value = equals === -1 ? lookUp(environment, name) : trimmed.slice(equals + 1);
    if (!VARIABLE.test(name) || trimmed.includes('\0')) {
      wrong.push(index + 1);
    } else if (value !== undefined) {
      values.set(name, value);
    }
  }
  return { values, wrong };
}

/** Not what every object inherits, such as `toString`. */
function lookUp(environment: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = environment[name];
  return typeof value === 'string' ? value : undefined;
}
