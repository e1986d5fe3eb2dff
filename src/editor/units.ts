/** Amounts in words a person reads at a glance. */
import { formatNumber, t } from '../l10n';

/** Decimal units, as Docker prints them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) {
    return t('{0} B', formatNumber(bytes));
  }
  if (bytes < 999_950) {
    return t('{0} KB', formatNumber(bytes / 1e3, 1));
  }
  return bytes < 999_950_000 ? t('{0} MB', formatNumber(bytes / 1e6, 1)) : t('{0} GB', formatNumber(bytes / 1e9, 2));
}

export function formatDuration(ms: number): string {
  if (ms < 1000) {
    return t('{0} ms', formatNumber(Math.round(ms)));
  }
  const tenths = Math.round(ms / 100) / 10;
  if (tenths < 60) {
    return t('{0} s', formatNumber(tenths, 1));
  }
  return formatSeconds(ms);
}

/** For what is announced or counted down, in whole seconds; what was measured has tenths. */
export function formatSeconds(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60
    ? t('{0} s', formatNumber(seconds))
    : t('{0} min {1} s', formatNumber(Math.floor(seconds / 60)), formatNumber(seconds % 60));
}

export function countRequests(count: number): string {
  return count === 1 ? t('1 request') : t('{0} requests', formatNumber(count));
}

export function countConnections(count: number): string {
  return count === 1 ? t('1 connection') : t('{0} connections', formatNumber(count));
}
