/**
 * Words for the person, in their language. Free of `vscode` so that everything which makes sentences can be tested
 * without an editor; `extension.ts` installs VS Code's own translator.
 */

export type Translator = (message: string, ...args: (string | number)[]) => string;

let translator: Translator = (message, ...args) =>
  message.replace(/\{(\d+)\}/g, (whole, index: string) => String(args[Number(index)] ?? whole));
let language = 'en';

/** `tag` is a BCP 47 language tag: numbers and times follow it. */
export function useTranslator(translate: Translator, tag: string): void {
  translator = translate;
  language = tag;
}

/** The message with `{0}`, `{1}`… filled in. The English text is the key of the translations in media/l10n. */
export function t(message: string, ...args: (string | number)[]): string {
  return translator(message, ...args);
}

export function formatNumber(value: number, digits = 0): string {
  return value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Time of day with seconds; `at` in milliseconds since the epoch. */
export function formatTime(at: number): string {
  return new Date(at).toLocaleTimeString(language, { hour12: false });
}

const AGES: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];

/** How long ago something was: `3 hr. ago`; `at` and `now` in milliseconds since the epoch. */
export function formatAge(at: number, now: number): string {
  const age = Math.max(0, now - at);
  const [unit, ms] = AGES.find(([, length]) => age >= length) ?? ['second', Number.POSITIVE_INFINITY];
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' }).format(-Math.floor(age / ms), unit);
}

/** Date and time of day; `at` in milliseconds since the epoch. */
export function formatDate(at: number): string {
  return new Date(at).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' });
}
