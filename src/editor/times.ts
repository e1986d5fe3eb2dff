/** Times as a person reads them, in their language. */
import { language } from '../l10n';

const timeOfDay = inLanguage(
  (tag) => new Intl.DateTimeFormat(tag, { hour: 'numeric', minute: 'numeric', second: 'numeric', hourCycle: 'h23' }),
);
const dateAndTime = inLanguage((tag) => new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'short' }));
const distance = inLanguage((tag) => new Intl.RelativeTimeFormat(tag, { numeric: 'auto', style: 'short' }));

/** A format in the person's language, made when it is first needed: to make one for each row took nine tenths of the tree's time. */
function inLanguage<Format>(make: (tag: string) => Format): () => Format {
  let made: { readonly tag: string; readonly format: Format } | undefined;
  return () => {
    const tag = language();
    if (made?.tag !== tag) {
      made = { tag, format: make(tag) };
    }
    return made.format;
  };
}

/** Time of day with seconds; `at` in milliseconds since the epoch. */
export function formatTime(at: number): string {
  return timeOfDay().format(at);
}

/** Docker's time of a log line, RFC 3339 in UTC, as it is here: `2026-11-27 18:15:03.123`. */
export function formatLogTime(time: string): string {
  // Swedish writes times as ISO 8601 does, with a space.
  return `${new Date(time).toLocaleString('sv')}.${time.slice(20, 23)}`;
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
  return distance().format(-Math.floor(age / ms), unit);
}

/** Date and time of day; `at` in milliseconds since the epoch. */
export function formatDate(at: number): string {
  return dateAndTime().format(at);
}
