/** bluegreen.json → services, with every problem at its place. */
import type { Node, ParseError } from './jsonc';
import { findNodeAtLocation, getNodePath, parseTree, printParseErrorCode } from './jsonc';
import path from 'node:path';
import type { Environment, ServiceConfig, SourcePosition } from '../model';
import { t } from '../l10n';
import { findConflicts } from './conflicts';
import { fileFormat } from './format';
import { toServiceConfig } from './machine';
import type { ConfigProblem } from './problems';
import { Positions } from './problems';

/** Keys and list places that lead to a value, such as `['services', 'web', 'port']`. */
export type ConfigPath = readonly (string | number)[];

export interface ParsedConfig {
  readonly file: string;
  /** The services whose text is right, in the order of the file. */
  readonly services: readonly ServiceConfig[];
  /** In the order of the file. */
  readonly problems: readonly ConfigProblem[];
  /** Where a value is written, else the key of the nearest thing around it; undefined when its service is not there. */
  positionOf(place: ConfigPath): SourcePosition | undefined;
}

/**
 * Reads the text of a bluegreen.json. Never throws. `file` is its absolute path: relative paths in it begin at its
 * folder. Files and variables that it names are looked up on this machine.
 */
export function parseConfig(text: string, file: string, environment: Environment = process.env): ParsedConfig {
  const source = text.replace(/^\uFEFF/, '');
  const positions = new Positions(file, source);
  const problems: ConfigProblem[] = [];
  const addAt = (
    node: Pick<Node, 'offset' | 'length'>,
    problem: Pick<ConfigProblem, 'message'> & Partial<ConfigProblem>,
  ): void => {
    problems.push({
      severity: 'error',
      hint: undefined,
      service: undefined,
      about: 'text',
      position: positions.at(node.offset),
      end: positions.at(node.offset + node.length),
      ...problem,
    });
  };

  const syntaxErrors: ParseError[] = [];
  const root = parseTree(source, syntaxErrors, { allowTrailingComma: true });
  const [syntaxError] = syntaxErrors;
  if (root === undefined || syntaxError !== undefined) {
    // What follows a syntax error is guesswork: one problem that is certain is worth more.
    addAt(syntaxError ?? { offset: 0, length: 0 }, { message: syntaxMessage(syntaxError, source) });
    return { file, services: [], problems, positionOf: () => undefined };
  }

  const reading = fileFormat.read(root, (node, message, hint) => {
    addAt(node, { message, hint, service: serviceAround(node) });
  });
  const written = reading?.value.services ?? new Map<string, never>();
  if (reading !== undefined && (findNodeAtLocation(root, ['services'])?.children ?? []).length === 0) {
    addAt(findNodeAtLocation(root, ['services']) ?? root, {
      message: t('The file names no service.'),
      hint: t('Write {0}.', '{ "services": { "web": {} } }'),
    });
  }

  const services = [...written].map(([name, service]) =>
    toServiceConfig(name, service, path.dirname(file), environment, (about, place, message, hint) => {
      const problem = { message, hint, service: name, about };
      if ('file' in place) {
        const position = { file: place.file, line: place.line, column: 1 };
        addAt(root, { ...problem, position, end: position });
      } else {
        addAt(nearestNode(root, ['services', name, ...place]) ?? root, problem);
      }
    }),
  );
  for (const { path: place, ...conflict } of findConflicts(services)) {
    addAt(nearestNode(root, ['services', conflict.service, ...place]) ?? root, conflict);
  }
  problems.sort((a, b) => a.position.line - b.position.line || a.position.column - b.position.column);
  return {
    file,
    services,
    problems,
    positionOf(place) {
      const node = nearestNode(root, place);
      return node === undefined ? undefined : positions.at(node.offset);
    },
  };
}

/** The value at a place, else the key of the nearest thing around it, down to the service. */
function nearestNode(root: Node, place: ConfigPath): Node | undefined {
  for (let length = place.length; length >= 2; length--) {
    const node = findNodeAtLocation(root, place.slice(0, length));
    if (node !== undefined) {
      const key = node.parent?.type === 'property' ? node.parent.children?.[0] : undefined;
      return length === place.length && length > 2 ? node : (key ?? node);
    }
  }
  return undefined;
}

function serviceAround(node: Node): string | undefined {
  const [first, second] = getNodePath(node);
  return first === 'services' && typeof second === 'string' ? second : undefined;
}

function syntaxMessage(error: ParseError | undefined, source: string): string {
  if (source.trim() === '') {
    return t('The file is empty.');
  }
  switch (error === undefined ? '' : printParseErrorCode(error.error)) {
    case 'InvalidNumberFormat':
      return t('This is no number.');
    case 'PropertyNameExpected':
      return t('A key in double quotes is expected here.');
    case 'ValueExpected':
      return t('A value is expected here.');
    case 'ColonExpected':
      return t('A colon is expected here.');
    case 'CommaExpected':
      return t('A comma is expected here.');
    case 'CloseBraceExpected':
      return t('A closing brace "}" is missing.');
    case 'CloseBracketExpected':
      return t('A closing bracket "]" is missing.');
    case 'EndOfFileExpected':
      return t('Nothing may follow the end of the object.');
    case 'UnexpectedEndOfComment':
      return t('The comment has no end.');
    case 'UnexpectedEndOfString':
      return t('The text has no closing quote.');
    case 'InvalidUnicode':
      return t('This \\u escape is not valid.');
    case 'InvalidEscapeCharacter':
      return t('This escape is not valid. Write \\\\ for a backslash.');
    case 'InvalidCharacter':
      return t('A control character cannot stand in a text. Write it as an escape.');
    default:
      return t('This is not JSON. Keys and texts stand in double quotes.');
  }
}
