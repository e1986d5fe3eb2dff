/** Times as a person reads them, in their language. */
import { language } from '../l10n';

/** Time of day with seconds; `at` in milliseconds since the epoch. */
export function formatTime(at: number): string {
  return new Date(at).toLocaleTimeString(language(), { hourCycle: 'h23' });
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
  return new Intl.RelativeTimeFormat(language(), { numeric: 'auto', style: 'short' }).format(
    -Math.floor(age / ms),
    unit,
  );
}

/** Date and time of day; `at` in milliseconds since the epoch. */
export function formatDate(at: number): string {
  return new Date(at).toLocaleString(language(), { dateStyle: 'medium', timeStyle: 'short' });
}
