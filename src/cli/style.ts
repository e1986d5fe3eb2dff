import { stripVTControlCharacters } from 'node:util';

export type Paint = (text: string) => string;

/** Colours of a terminal, or none of them. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly blue: Paint;
  readonly cyan: Paint;
}

/** SGR codes (ECMA-48): what begins and what ends each style. */
const CODES: Readonly<Record<keyof Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  cyan: [36, 39],
};

export function styleFor(colours: boolean): Style {
  const paint = (name: keyof Style): Paint => {
    const [begin, end] = CODES[name];
    return colours ? (text) => (text === '' ? '' : `\x1b[${begin}m${text}\x1b[${end}m`) : (text) => text;
  };
  return {
    bold: paint('bold'),
    dim: paint('dim'),
    red: paint('red'),
    green: paint('green'),
    yellow: paint('yellow'),
    blue: paint('blue'),
    cyan: paint('cyan'),
  };
}

/** Whether to colour: FORCE_COLOR decides, then NO_COLOR (no-color.org), then whether a terminal is there. */
export function wantsColours(environment: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  const forced = environment['FORCE_COLOR'];
  if (forced !== undefined && forced !== '') {
    return forced !== '0' && forced !== 'false';
  }
  return isTerminal && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb';
}

/** Text from elsewhere, for one line of a terminal: without escape sequences and control characters. */
export function plainLine(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\s*[\r\n]+\s*/g, ' ')
    .replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, '');
}

/** Text from elsewhere, line by line. Of a line that overwrites itself, as progress bars do, the last state is kept. */
export function plainLines(text: string): string[] {
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => plainLine(line.trimEnd().split('\r').at(-1) ?? ''));
}

/** A line that a program printed: its colours stay where colours are wanted, everything else that moves the cursor goes. */
export function outputLine(text: string, colours: boolean): string {
  if (!colours || !text.includes('\x1b[')) {
    return plainLine(text);
  }
  const pieces = text.split(/(\x1b\[[0-9;]*m)/);
  return `${pieces.map((piece, index) => (index % 2 === 1 ? piece : plainLine(piece))).join('')}\x1b[0m`;
}
