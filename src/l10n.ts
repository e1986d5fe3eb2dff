/**
 * Words for the person, in their language. Every floor says its sentences through `t`; this file imports nothing. Whoever
 * talks to the person installs a translator: `extension.ts` that of VS Code, the command line none, so it is English.
 */

export type Translator = (message: string, ...args: (string | number)[]) => string;

let translator: Translator = (message, ...args) =>
  message.replace(/\{(\d+)\}/g, (whole, index: string) => String(args[Number(index)] ?? whole));
let tag = 'en';
/** By digits after the point. The first of a process takes tens of milliseconds to make. */
const formats = new Map<number, Intl.NumberFormat>();

/** `languageTag` is a BCP 47 language tag: numbers and times follow it. */
export function useTranslator(translate: Translator, languageTag: string): void {
  translator = translate;
  tag = languageTag;
  formats.clear();
}

export function language(): string {
  return tag;
}

/**
 * The message with `{0}`, `{1}`… filled in. The English text is the key of the translations in media/l10n, and must be
 * written here as one whole literal sentence. Never call it while a module is loaded: the translator comes later.
 */
export function t(message: string, ...args: (string | number)[]): string {
  return translator(message, ...args);
}

export function formatNumber(value: number, digits = 0): string {
  let format = formats.get(digits);
  if (format === undefined) {
    format = new Intl.NumberFormat(tag, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(digits, format);
  }
  return format.format(value);
}

/** `0.3 s`, `12 s` */
export function inSeconds(milliseconds: number): string {
  const value = Math.round(milliseconds / 100) / 10;
  return t('{0} s', formatNumber(value, Number.isInteger(value) ? 0 : 1));
}
