/** Choices of the same name, told apart. Pure. */
import { homedir } from 'node:os';
import path from 'node:path';

/**
 * A text for each item. Each gives as many of its own as the others, from the short to the long: those of one name are
 * told by the shortest kind of text that tells all of them apart, or by the longest where there is none.
 */
export function distinguish<T>(
  items: readonly T[],
  name: (item: T) => string,
  texts: (item: T) => readonly [string, ...string[]],
): string[] {
  return items.map((item) => {
    const namesakes = items.filter((other) => name(other) === name(item)).map(texts);
    const own = texts(item);
    const tells = (_text: string, kind: number): boolean =>
      new Set(namesakes.map((other) => other[kind])).size === namesakes.length;
    return own.find(tells) ?? own.at(-1) ?? own[0];
  });
}

/** A file's whole path as a person writes it: `~/shop/Dockerfile`. */
export function wholePath(file: string, home = homedir()): string {
  const below = path.relative(home, file);
  return below.startsWith('..') || path.isAbsolute(below) ? file : path.join('~', below);
}
