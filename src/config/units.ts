/** Durations and sizes as people write them. */
import { Complaint, quoted } from './complaint';
import { t } from '../l10n';

export const DURATION_PATTERN = '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$';
const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `500ms`, `1.5s`, `2m`, `1h` → milliseconds. */
export function parseDuration(text: string): number | Complaint {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const factor = MILLISECONDS[match?.[2] ?? ''];
  if (match === null || factor === undefined) {
    return new Complaint(
      (it) => t('{0} is no duration: {1}.', it, quoted(text)),
      t('Write a number with its unit: "500ms", "5s", "2m" or "1h".'),
    );
  }
  return Math.round(Number(match[1]) * factor);
}

/** Milliseconds as {@link parseDuration} reads them. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's']) {
    const factor = MILLISECONDS[unit] ?? 1;
    if (ms >= factor && ms % factor === 0) {
      return `${ms / factor}${unit}`;
    }
  }
  return `${ms}ms`;
}

export const SIZE_PATTERN = '^[0-9]+(\\.[0-9]+)?([bB]|[kKmMgGtT]([iI]?[bB])?)?$';
const SIZE_POWERS = 'bkmgt';

/** `512m`, `1.5g`, `2GiB`, `1048576` → bytes. Units are powers of 1024, as Docker counts them. */
export function parseSize(text: string): number | Complaint {
  const match = /^(\d+(?:\.\d+)?)(?:(b)|([kmgt])(?:i?b)?)?$/i.exec(text);
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * 1024 ** SIZE_POWERS.indexOf((match[3] ?? 'b').toLowerCase());
  if (!Number.isSafeInteger(Math.round(bytes))) {
    return new Complaint(
      (it) => t('{0} is no size: {1}.', it, quoted(text)),
      t('Write a number with its unit: "256m", "1.5g".'),
    );
  }
  return Math.round(bytes);
}

export const NGINX_SIZE_PATTERN = '^[0-9]+[kKmMgG]?$';

/** A size in nginx's own notation (nginx.org, "Configuration file measurement units"): `100m`, `1g`, `0` = no limit. */
export function checkNginxSize(text: string): string | Complaint {
  const match = /^(\d+)([kmg]?)$/i.exec(text);
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * 1024 ** SIZE_POWERS.indexOf((match[2] || 'b').toLowerCase());
  return Number.isSafeInteger(bytes)
    ? text
    : new Complaint(
        (it) => t('{0} is no size that nginx knows: {1}.', it, quoted(text)),
        t('Write "100m", "1g", or "0" for no limit.'),
      );
}
