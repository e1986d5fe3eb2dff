import { t } from '../l10n';
import { DeployError } from '../model';

export interface Destination {
  readonly host: string;
  readonly user: string | undefined;
  readonly port: number | undefined;
}

/** Characters that OpenSSH (9.6 and later) refuses in host names: they could reach a shell through ProxyCommand. */
const FORBIDDEN_IN_HOST = /[\s\p{Cc}'"`$\\;&<>|(){}]/u;
const FORBIDDEN_IN_USER = /[\p{Cc}'"`;&<>|(){}]/u;

/**
 * Takes a destination apart: `alias`, `user@host[:port]`, `ssh://user@host:port`, IPv6 as `[::1]:22` or bare.
 * @throws DeployError 'usage' for what is none of these, or could be taken for an option or a piece of shell.
 */
export function parseDestination(text: string): Destination {
  let rest = text.trim();
  const url = /^ssh:\/\/(.*?)\/?$/i.exec(rest);
  rest = url?.[1] ?? rest;
  const at = rest.lastIndexOf('@');
  let user = at >= 0 ? rest.slice(0, at) : undefined;
  rest = rest.slice(at + 1);
  if (url !== null && user !== undefined) {
    user = decode(user.replace(/;.*$/, ''), text);
  }
  const parts = /^\[(?<v6>[^\]]*)\](?::(?<port6>\d+))?$|^(?<host>[^:]*)(?::(?<port>\d+))?$/.exec(rest)?.groups;
  // Two colons and no brackets: an IPv6 address by itself.
  const host = parts === undefined ? (/:.*:/.test(rest) ? rest : '') : (parts.v6 ?? parts.host ?? '');
  const portText = parts?.port6 ?? parts?.port;
  const port = portText === undefined ? undefined : Number(portText);
  const hostIsSafe = host !== '' && !host.startsWith('-') && !FORBIDDEN_IN_HOST.test(host) && !/[[\]@/]/.test(host);
  const userIsSafe =
    user === undefined ||
    (user !== '' && !/^-|\s-/.test(user) && !user.endsWith('\\') && !FORBIDDEN_IN_USER.test(user));
  if (!hostIsSafe || !userIsSafe || (port !== undefined && (port < 1 || port > 65535))) {
    throw new DeployError('usage', t('{0} is not a valid SSH destination.', JSON.stringify(text)), {
      hint: t('Write an alias from your ssh configuration, user@host, or user@host:port.'),
    });
  }
  return { host, user, port };
}

function decode(user: string, text: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    throw new DeployError('usage', t('{0} has a wrong percent sign in its user name.', JSON.stringify(text)));
  }
}
