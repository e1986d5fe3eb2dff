import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join, normalize } from 'node:path';
import SSHConfig from 'ssh-config';
import { t } from '../l10n';
import { cancelledError, DeployError, throwIfCancelled } from '../model';
import { parseDestination, type Destination } from './destination';
import { configFiles, configLines } from './includes';
import { STARTED } from './program';
import type { HostSettings, RawSettings, SshOptions } from './settings';
import { expandPath, expandTokens, type TokenValues } from './tokens';

/** A `Match exec` of the user may run any program; ssh waits for it, we not for ever. */
const SSH_G_LIMIT_MS = 15_000;
const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;

/** ssh's default key files (OpenSSH 9) without the kinds this program cannot use, the most usual one first. */
const DEFAULT_IDENTITIES = ['id_ed25519', 'id_ecdsa', 'id_rsa'];
const ALL_DEFAULT_IDENTITIES = [...DEFAULT_IDENTITIES, 'id_ecdsa_sk', 'id_ed25519_sk', 'id_xmss', 'id_dsa'];
const WINDOWS_AGENT = '\\\\.\\pipe\\openssh-ssh-agent';

export interface ResolveOptions extends SshOptions {
  /** Name or path of the ssh program that is asked first. Default `ssh`. */
  readonly sshProgram?: string;
}

/**
 * What the user's ssh configuration says about a destination. Where ssh is installed its own word is taken (`ssh -G`,
 * OpenSSH 6.8 and later), so that Include, Match, exec and CanonicalizeHostname mean exactly what they mean to ssh.
 * @throws DeployError 'usage' for a bad destination, 'config' when the configuration cannot be read, 'cancelled'.
 */
export async function resolveHost(
  destination: string,
  options: ResolveOptions,
  signal: AbortSignal,
): Promise<HostSettings> {
  throwIfCancelled(signal);
  const parsed = parseDestination(destination);
  if (options.sshConfigFile !== undefined) {
    await mustBeReadable(options.sshConfigFile);
  }
  const raw = (await askSsh(parsed, options, signal)) ?? (await readConfiguration(parsed, options.sshConfigFile));
  return settingsFrom(parsed, raw, options);
}

async function mustBeReadable(file: string): Promise<void> {
  try {
    await access(file, constants.R_OK);
  } catch (cause) {
    throw new DeployError('config', t('The ssh configuration {0} cannot be read.', file), {
      hint: t('Check the path in the setting that names this file.'),
      cause,
    });
  }
}

/** The answer of `ssh -G`, or undefined where there is no ssh program. */
async function askSsh(
  { host, user, port }: Destination,
  options: ResolveOptions,
  signal: AbortSignal,
): Promise<RawSettings | undefined> {
  const args = ['-G'];
  if (options.sshConfigFile !== undefined) {
    args.push('-F', options.sshConfigFile);
  }
  if (user !== undefined) {
    args.push('-l', user);
  }
  if (port !== undefined) {
    args.push('-p', String(port));
  }
  args.push('--', host);
  return new Promise((resolve, reject) => {
    execFile(
      options.sshProgram ?? 'ssh',
      args,
      { ...STARTED, signal, timeout: SSH_G_LIMIT_MS, maxBuffer: 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve(parseSshG(stdout));
        } else if (signal.aborted) {
          reject(cancelledError());
        } else if (error.code === 'ENOENT') {
          resolve(undefined);
        } else {
          reject(configurationError(stderr, error));
        }
      },
    );
  });
}

/** Reads the output of `ssh -G`: one `keyword value` a line, repeated keywords in order. */
export function parseSshG(output: string): RawSettings {
  const raw = new Map<string, string[]>();
  for (const line of output.split(/\r?\n/)) {
    const space = line.indexOf(' ');
    if (space > 0) {
      const keyword = line.slice(0, space).toLowerCase();
      const value = line.slice(space + 1);
      const values = keyword.endsWith('knownhostsfile') ? splitPaths(value) : [value];
      raw.set(keyword, [...(raw.get(keyword) ?? []), ...values]);
    }
  }
  return raw;
}

/** `ssh -G` prints several paths without quotes: what does not look like the start of a path continues the one before. */
function splitPaths(text: string): string[] {
  const paths: string[] = [];
  for (const word of text.split(' ')) {
    if (paths.length === 0 || /^([/~%$]|none$|__PROGRAMDATA__|[A-Za-z]:[/\\])/.test(word)) {
      paths.push(word);
    } else {
      paths.push(`${paths.pop() ?? ''} ${word}`);
    }
  }
  return paths;
}

function configurationError(stderr: string, cause: Error): DeployError {
  const words = stderr
    .split(/\r?\n/)
    .filter((line) => line !== '' && !line.startsWith('Pseudo-terminal'))
    .join('\n');
  const place = /^(.+?):? line (\d+):/m.exec(words);
  return new DeployError('config', t('ssh does not accept its configuration.'), {
    hint: t('Run ssh -G with this host in a terminal and correct what it complains about.'),
    detail: words === '' ? cause.message : words,
    ...(place?.[1] === undefined ? {} : { position: { file: place[1], line: Number(place[2]), column: 1 } }),
    cause,
  });
}

/**
 * The configuration as ssh-config's `compute` sees it, for machines without ssh: Include is handled here, `Match exec`
 * never matches, CanonicalizeHostname is left out.
 */
export async function readConfiguration(
  { host, user, port }: Destination,
  sshConfigFile: string | undefined,
): Promise<RawSettings> {
  const query = { Host: host, ...(user === undefined ? {} : { User: user }) };
  const compute = (text: string): Record<string, string | string[]> =>
    SSHConfig.parse(text).compute(query, { ignoreCase: true, matchExec: false });
  const applies = (section: string | undefined): boolean =>
    section === undefined || 'applies' in compute(`${section}\n  Applies yes\n`);
  const text: string[] = [];
  for (const source of configFiles(sshConfigFile)) {
    for await (const line of configLines(source, applies)) {
      if (line.keyword === 'hostname') {
        // `Match host` further down compares with the name after its tokens are replaced.
        text.push(line.text.replace(/%([h%])/g, (_, token) => (token === 'h' ? host : '%')));
      } else if (!line.keyword.startsWith('canonical')) {
        text.push(line.text);
      }
    }
    text.push('Host *');
  }
  const raw = new Map<string, string[]>();
  for (const [keyword, value] of Object.entries(compute(text.join('\n')))) {
    raw.set(keyword, Array.isArray(value) ? value : [value]);
  }
  if (port !== undefined) {
    raw.set('port', [String(port)]);
  }
  return raw;
}

function settingsFrom({ host, user, port }: Destination, raw: RawSettings, options: SshOptions): HostSettings {
  const one = (keyword: string): string | undefined => {
    const value = raw.get(keyword)?.[0];
    return value === undefined || value.toLowerCase() === 'none' ? undefined : value;
  };
  const isYes = (keyword: string, otherwise: boolean): boolean => {
    const value = raw.get(keyword)?.[0]?.toLowerCase();
    return value === undefined ? otherwise : value !== 'no' && value !== 'false';
  };
  // Durations may carry a unit (sshd_config(5), TIME FORMATS) when ssh did not normalise them.
  const ms = (keyword: string): number | undefined => {
    const value = one(keyword);
    return value === undefined ? undefined : durationMs(value);
  };
  if (isYes('proxyusefdpass', false)) {
    throw new DeployError('config', t('The host {0} uses ProxyUseFdpass, which this program cannot do.', host), {
      hint: t('Use a ProxyCommand that passes data through its input and output, or a ProxyJump.'),
    });
  }
  const hostKeyAlias = one('hostkeyalias');
  const jump = one('proxyjump');
  const values: TokenValues = {
    alias: host,
    hostname: one('hostname') ?? host,
    port: Number(one('port') ?? port ?? 22),
    user: one('user') ?? user ?? userInfo().username,
    hostKeyAlias,
    ...(jump === undefined ? {} : { proxyJump: jump }),
  };
  const paths = (keyword: string, defaults: readonly string[]): readonly string[] =>
    (raw.get(keyword) ?? defaults).filter((path) => path !== 'none').map((path) => expandPath(path, values));
  const command = one('proxycommand');
  // 0 is no limit of ssh's own; every wait of ours has one.
  const timeout = ms('connecttimeout');
  const interval = ms('serveraliveinterval');
  const preferred = one('preferredauthentications')?.toLowerCase().split(',');
  const mayUse = (method: string): boolean => preferred === undefined || preferred.includes(method);
  const family = one('addressfamily');
  const revoked = one('revokedhostkeys');
  return {
    ...values,
    ...identities(raw, options, (path) => expandPath(path, values)),
    hostKeyAlias,
    identitiesOnly: isYes('identitiesonly', false),
    agent: agentAddress(raw.get('identityagent')?.[0], values),
    proxyJump: jump === undefined ? [] : jump.split(',').map((hop) => hop.trim()),
    proxyCommand: command === undefined || jump !== undefined ? undefined : expandTokens(command, values),
    userKnownHostsFiles:
      options.knownHostsFile === undefined
        ? paths('userknownhostsfile', ['~/.ssh/known_hosts', '~/.ssh/known_hosts2'])
        : [options.knownHostsFile],
    globalKnownHostsFiles: paths('globalknownhostsfile', defaultGlobalKnownHosts()),
    hashKnownHosts: isYes('hashknownhosts', false),
    revokedHostKeysFile: revoked === undefined ? undefined : expandPath(revoked, values),
    unknownHostKey: unknownHostKey(one('stricthostkeychecking')),
    connectTimeoutMs: timeout === undefined || timeout === 0 ? DEFAULT_CONNECT_TIMEOUT_MS : timeout,
    serverAliveIntervalMs: interval === 0 ? undefined : interval,
    serverAliveCountMax: Number(one('serveralivecountmax') ?? 3),
    addressFamily: family === 'inet' ? 4 : family === 'inet6' ? 6 : 0,
    bindAddress: one('bindaddress'),
    publicKeyAllowed: isYes('pubkeyauthentication', true) && mayUse('publickey'),
    passwordAllowed: isYes('passwordauthentication', true) && mayUse('password') && !isYes('batchmode', false),
    keyboardInteractiveAllowed:
      isYes('kbdinteractiveauthentication', true) && mayUse('keyboard-interactive') && !isYes('batchmode', false),
    passwordPrompts: Number(one('numberofpasswordprompts') ?? 3),
  };
}

function identities(
  raw: RawSettings,
  options: SshOptions,
  expand: (path: string) => string,
): Pick<HostSettings, 'identityFiles' | 'identityFilesNamed'> {
  const folder = join(homedir(), '.ssh');
  const isDefault = (path: string): boolean =>
    ALL_DEFAULT_IDENTITIES.some((name) => normalize(path) === join(folder, name));
  const configured = raw.get('identityfile');
  const files = configured?.filter((path) => path !== 'none').map(expand);
  const named = files !== undefined && !(files.length > 1 && files.every(isDefault));
  const extra = options.identityFiles ?? [];
  if (named || extra.length > 0) {
    return { identityFiles: [...new Set([...extra, ...(named ? files : [])])], identityFilesNamed: true };
  }
  return { identityFiles: DEFAULT_IDENTITIES.map((name) => join(folder, name)), identityFilesNamed: false };
}

function agentAddress(
  configured: string | undefined,
  values: TokenValues,
  platform = process.platform,
): string | undefined {
  if (configured === 'none') {
    return undefined;
  }
  if (configured === undefined || configured === 'SSH_AUTH_SOCK') {
    const fromEnvironment = process.env.SSH_AUTH_SOCK;
    const standard = platform === 'win32' ? WINDOWS_AGENT : undefined;
    return fromEnvironment === undefined || fromEnvironment === '' ? standard : fromEnvironment;
  }
  if (/^\$\w+$/.test(configured)) {
    return process.env[configured.slice(1)];
  }
  return expandPath(configured, values);
}

/** `no` would trust whoever answers first, which a deployment tool must not: it counts as `ask`. */
function unknownHostKey(configured: string | undefined): HostSettings['unknownHostKey'] {
  switch (configured?.toLowerCase()) {
    case 'yes':
    case 'true':
      return 'refuse';
    case 'accept-new':
      return 'accept';
    default:
      return 'ask';
  }
}

function defaultGlobalKnownHosts(): readonly string[] {
  const folder = process.platform === 'win32' ? '__PROGRAMDATA__/ssh' : '/etc/ssh';
  return [`${folder}/ssh_known_hosts`, `${folder}/ssh_known_hosts2`];
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

function durationMs(text: string): number | undefined {
  if (!/^(\d+[smhdw]?)+$/i.test(text)) {
    return undefined;
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)([smhdw]?)/gi)) {
    total += Number(amount) * (UNIT_MS[(unit ?? '').toLowerCase()] ?? 1000);
  }
  return total;
}
