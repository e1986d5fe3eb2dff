/** Names that end up in containers, image tags, file names, nginx configurations or command lines: checked before use. */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { Complaint, quoted } from './complaint';
import { t } from '../l10n';

const SERVICE_NAME_LIMIT = 63;

/**
 * Letters, digits, and single or known separators between them: what Docker takes as a container name and as an image
 * name (distribution reference grammar: `.`, `_`, `__` or dashes between alphanumerics).
 */
export const SERVICE_NAME_PATTERN = '^(?=.{1,63}$)[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*$';
const SERVICE_NAME = new RegExp(SERVICE_NAME_PATTERN);

/** Whether a name may be a service's, and so the beginning of its containers' names. */
export function isServiceName(name: string): boolean {
  return SERVICE_NAME.test(name);
}

/** The name itself, or why it cannot be one and which name would do. */
export function checkServiceName(name: string): string | Complaint {
  if (isServiceName(name)) {
    return name;
  }
  return new Complaint(
    (it) => t('{0} is no valid service name.', it),
    t(
      'Use a-z, 0-9 and single dots, dashes or underscores between them, at most {0} characters: {1} would do.',
      SERVICE_NAME_LIMIT,
      quoted(makeServiceName(name)),
    ),
  );
}

/** Any text made into a valid service name: lower case, everything else becomes one `-`, never empty. */
export function makeServiceName(text: string): string {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/[._-]{2,}/g, (run) => (/^(__|-+)$/.test(run) ? run : '-'))
    .replace(/^[._-]+/, '')
    .slice(0, SERVICE_NAME_LIMIT)
    .replace(/[._-]+$/, '');
  return plain === '' ? 'app' : plain;
}

const LABEL = '[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
export const ROUTE_HOST_PATTERN = `^(?=.{1,253}$)(\\*\\.)?${LABEL}(\\.${LABEL})*$`;
const ROUTE_HOST = new RegExp(ROUTE_HOST_PATTERN);

/** A host name that nginx may answer for, in lower case: `example.com` or `*.example.com`. */
export function checkRouteHost(text: string): string | Complaint {
  const host = text.toLowerCase();
  if (ROUTE_HOST.test(host) && host !== '_') {
    return host;
  }
  const says = (it: string): string => t('{0} is no host name: {1}.', it, quoted(text));
  if (/^[_*]?$/.test(text)) {
    return new Complaint(says, t('Leave "route" out to answer every request that no other service claims.'));
  }
  const bare = /^(?:[a-z]+:\/\/)?([^/:]+)/i.exec(text)?.[1] ?? '';
  const ascii = domainToASCII(bare.replace(/\.$/, '')).toLowerCase();
  return ROUTE_HOST.test(ascii)
    ? new Complaint(says, t('Write the name alone: {0}.', quoted(ascii)))
    : new Complaint(says, t('Write a name such as "example.com" or "*.example.com".'));
}

export const ROUTE_PATH_PATTERN = '^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*/?)?$';
const ROUTE_PATH = new RegExp(ROUTE_PATH_PATTERN);

/** The beginning of paths, without a slash at its end: `/`, `/api`, `/api/v2`. */
export function checkRoutePath(text: string): string | Complaint {
  return ROUTE_PATH.test(text) && !/\/\.{1,2}(\/|$)/.test(text)
    ? text.replace(/(?<=.)\/$/, '')
    : new Complaint(
        (it) => t('{0} is no beginning of a path: {1}.', it, quoted(text)),
        t('Write "/api", or "/shop/admin".'),
      );
}

export const HEALTH_PATH_PATTERN = '^/([A-Za-z0-9._~!&()*+,=:@/?-]|%[0-9A-Fa-f]{2})*$';
const HEALTH_PATH = new RegExp(HEALTH_PATH_PATTERN);

/** Path and query of the health check: the characters of a URL (RFC 3986) without those that mean something to nginx. */
export function checkHealthPath(text: string): string | Complaint {
  if (HEALTH_PATH.test(text)) {
    return text;
  }
  return new Complaint(
    (it) => t('{0} is no path for a health check: {1}.', it, quoted(text)),
    text.startsWith('/')
      ? t('Leave out spaces, quotes and special characters, or write them as %20 and the like.')
      : t('A path begins with "/", such as "/health".'),
  );
}

/** A token of RFC 9110, section 5.6.2. */
export const HEADER_NAME_PATTERN = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
/** Visible characters of ASCII and spaces between them (RFC 9110, section 5.5). */
export const HEADER_VALUE_PATTERN = '^[!-~]([ -~]*[!-~])?$';

export const DESTINATION_PATTERN = '^[^\\s\'"`$;|&<>\\u0000-\\u001f-][^\\s\'"`$;|&<>\\u0000-\\u001f]*$';
const DESTINATION = new RegExp(DESTINATION_PATTERN);

/** A destination as a person gives it to ssh, or `local`. A leading `-` would be taken for an option of ssh. */
export function checkDestination(text: string): string | Complaint {
  const port = /^[^@]*@(?:\[[^\]]*\]|[^:]*):(.*)$/.exec(text)?.[1];
  const portIsWrong = port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535);
  if (DESTINATION.test(text) && !text.includes('@-') && !portIsWrong) {
    return text;
  }
  return new Complaint(
    (it) => (text === '' ? t('{0} is empty.', it) : t('{0} is no host: {1}.', it, quoted(text))),
    t('Write an alias of your ssh configuration, "user@host", "user@host:2222" or "local".'),
  );
}

/** Options of a volume that the engine knows on Linux (docs.docker.com, "docker run --volume"). */
const VOLUME_OPTIONS = new Set(
  'ro rw z Z nocopy shared rshared slave rslave private rprivate consistent cached delegated'.split(' '),
);

export const VOLUME_PATTERN = '^([A-Za-z0-9][A-Za-z0-9_.-]+|/[^:]*):/[^:]+(:[A-Za-z,]+)?$';

/** `source:target[:options]`; the source is a folder of the host or the name of a volume. */
export function checkVolume(text: string): string | Complaint {
  const hint = t(
    'Write "/folder/on/host:/folder/in/container", or "name:/folder/in/container", with ":ro" to read only.',
  );
  if (/^[A-Za-z]:[\\/]/.test(text)) {
    return new Complaint((it) => t('{0} names a Windows path: {1}. The host runs Linux.', it, quoted(text)), hint);
  }
  const [source = '', target, options, ...more] = text.split(':');
  if (target === undefined || more.length > 0) {
    return new Complaint((it) => t('{0} is not of the form "source:target": {1}.', it, quoted(text)), hint);
  }
  if (/^(\.|~)/.test(source)) {
    return new Complaint(
      (it) => t('{0} begins with a path that is not absolute: {1}. It is a path of the host.', it, quoted(text)),
      hint,
    );
  }
  if (!/^(\/.*|[A-Za-z0-9][A-Za-z0-9_.-]+)$/.test(source)) {
    return new Complaint(
      (it) => t('{0} begins with neither an absolute path nor the name of a volume: {1}.', it, quoted(text)),
      hint,
    );
  }
  if (!/^\/./.test(target)) {
    return new Complaint((it) => t('{0} has a target that is not an absolute path: {1}.', it, quoted(text)), hint);
  }
  const unknown = options?.split(',').find((option) => !VOLUME_OPTIONS.has(option));
  return unknown === undefined
    ? text
    : new Complaint((it) => t('{0} has an option that Docker does not know: {1}.', it, quoted(unknown)), hint);
}

/** `name:address` for /etc/hosts; `host-gateway` stands for the host itself (Docker 20.10 and newer). */
export function checkExtraHost(text: string): string | Complaint {
  const colon = text.indexOf(':');
  const name = text.slice(0, colon);
  const address = text.slice(colon + 1).replace(/^\[(.*)\]$/, '$1');
  if (colon > 0 && ROUTE_HOST.test(name) && !name.startsWith('*')) {
    if (address === 'host-gateway' || isIP(address) !== 0) {
      return `${name}:${address}`;
    }
  }
  return new Complaint(
    (it) => t('{0} is not of the form "name:address": {1}.', it, quoted(text)),
    t('Write "db:10.0.0.5", or "host:host-gateway" for the host itself.'),
  );
}

export const USER_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$';
export const TARGET_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_.-]*$';
/** Close to Docker's grammar of image references: enough to refuse what can never be one. */
export const IMAGE_PATTERN =
  '^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[0-9a-f]{64})?$';
/** POSIX names, and the dots and dashes that some frameworks use. */
export const VARIABLE_PATTERN = '^[A-Za-z_][A-Za-z0-9_.-]*$';
