/** Where things are in the text of a bluegreen.json, also while it is being written and not yet right. */
import { findNodeAtLocation, getLocation, parseTree } from './jsonc';
import type { ConfigPath } from './parse';

/** A service's name with its quotes. Offsets are those of the text, from 0. */
export interface ServicePlace {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

/** The services of a bluegreen.json, however broken the rest of its text is, with their places. */
export function servicePlaces(text: string): ServicePlace[] {
  const root = parseTree(text, [], { allowTrailingComma: true });
  const services = root && findNodeAtLocation(root, ['services']);
  return (services?.children ?? []).flatMap((property) => {
    const [key] = property.children ?? [];
    return key === undefined ? [] : [{ name: String(key.value), offset: key.offset, length: key.length }];
  });
}

export interface PlaceInConfig {
  /** Names and indexes from the top: `['services', 'shop', 'hosts', 0]`. */
  readonly path: ConfigPath;
  /** True where a key is written, false where a value is. */
  readonly isKey: boolean;
  /** The text of the word there, quotes included; undefined in white space. */
  readonly word: { readonly offset: number; readonly length: number } | undefined;
}

/** What an offset of a bluegreen.json's text is in. */
export function placeAt(text: string, offset: number): PlaceInConfig {
  const { path, isAtPropertyKey, previousNode } = getLocation(text, offset);
  const inWord =
    previousNode !== undefined &&
    offset >= previousNode.offset &&
    offset <= previousNode.offset + previousNode.length &&
    ['string', 'number', 'property'].includes(previousNode.type);
  return {
    path,
    isKey: isAtPropertyKey,
    word: inWord ? { offset: previousNode.offset, length: previousNode.length } : undefined,
  };
}
