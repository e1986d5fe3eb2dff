import { createHash } from 'node:crypto';
import { homedir, hostname, userInfo } from 'node:os';
import { join } from 'node:path';

/** What percent tokens of ssh_config(5) stand for. */
export interface TokenValues {
  /** %h */
  readonly hostname: string;
  /** %n */
  readonly alias: string;
  readonly port: number;
  /** %r */
  readonly user: string;
  /** %k; the alias when there is none */
  readonly hostKeyAlias?: string | undefined;
  /** %j */
  readonly proxyJump?: string;
}

/** Replaces percent tokens (ssh_config(5), TOKENS). An unknown token stays as it is. */
export function expandTokens(text: string, values: TokenValues): string {
  return text.replace(/%(.)/g, (whole, token: string) => tokenValue(token, values) ?? whole);
}

function tokenValue(token: string, values: TokenValues): string | undefined {
  switch (token) {
    case '%':
      return '%';
    case 'd':
      return homedir();
    case 'h':
      return values.hostname;
    case 'i':
      return String(userInfo().uid);
    case 'j':
      return values.proxyJump ?? '';
    case 'k':
      return values.hostKeyAlias ?? values.alias;
    case 'L':
      return hostname().split('.')[0];
    case 'l':
      return hostname();
    case 'n':
      return values.alias;
    case 'p':
      return String(values.port);
    case 'r':
      return values.user;
    case 'u':
      return userInfo().username;
    case 'C': {
      const parts = [hostname(), values.hostname, String(values.port), values.user, values.proxyJump ?? ''];
      return createHash('sha1').update(parts.join('')).digest('hex');
    }
    default:
      return undefined;
  }
}

/** A path of a configuration file made usable: `~`, `${VARIABLE}`, percent tokens, and Windows' `__PROGRAMDATA__`. */
export function expandPath(path: string, values: TokenValues, env: NodeJS.ProcessEnv = process.env): string {
  const withHome = /^~(?=$|[/\\])/.test(path) ? join(homedir(), path.slice(1)) : path;
  const withVariables = withHome
    .replace(/\$\{(\w+)\}/g, (whole, name: string) => env[name] ?? whole)
    .replace(/^__PROGRAMDATA__/, () => env.ProgramData ?? 'C:\\ProgramData');
  return expandTokens(withVariables, values);
}
