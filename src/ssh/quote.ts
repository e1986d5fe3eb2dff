import { t } from '../l10n';

/**
 * One argument for a POSIX shell, quoted so that the shell hands it on unchanged, whatever is in it (line breaks
 * included).
 * @throws RangeError for a NUL character, which no argument can carry.
 */
export function shellQuote(argument: string): string {
  if (argument.includes('\0')) {
    throw new RangeError(t('An argument cannot contain a NUL character.'));
  }
  if (/^[A-Za-z0-9_/:.,@%+-]+$/.test(argument)) {
    return argument;
  }
  return `'${argument.replaceAll("'", "'\\''")}'`;
}
