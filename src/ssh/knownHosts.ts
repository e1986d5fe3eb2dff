import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { keyTypeOf } from './hostKeys';

/** One usable line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
export interface KnownHostEntry {
  readonly file: string;
  /** Counts from 1. */
  readonly line: number;
  readonly marker: 'revoked' | 'cert-authority' | undefined;
  /** The host field as written: patterns, or one hash. */
  readonly hosts: string;
  /** The key in its wire form. */
  readonly key: Buffer;
}

/** How a server is called in known_hosts. */
export interface HostIdentity {
  /** The name, address or HostKeyAlias. */
  readonly name: string;
  /** undefined for a HostKeyAlias, which carries no port. */
  readonly port: number | undefined;
}

export type Verdict =
  | { readonly kind: 'known'; readonly entry: KnownHostEntry }
  | { readonly kind: 'unknown' }
  /** The host is known by another key. */
  | { readonly kind: 'changed'; readonly entry: KnownHostEntry }
  | { readonly kind: 'revoked'; readonly entry: KnownHostEntry }
  /** The host is known only by the authority that signs its certificates. */
  | { readonly kind: 'authority'; readonly entry: KnownHostEntry };

/** `host`, or `[host]:port` for a port other than 22; in lower case, as ssh writes and looks it up. */
export function knownHostsName({ name, port }: HostIdentity): string {
  const lower = name.toLowerCase();
  return port === undefined || port === 22 ? lower : `[${lower}]:${port}`;
}

/** Reads files in order; one that is missing or cannot be read is empty, as for ssh (its hosts are then unknown). */
export async function readKnownHosts(files: readonly string[]): Promise<readonly KnownHostEntry[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return texts.flatMap((text, index) => parseKnownHosts(text, files[index] ?? ''));
}

/** Entries of one file's text. Lines that are no entry (comments, SSH 1 keys, broken ones) are left out. */
export function parseKnownHosts(text: string, file: string): readonly KnownHostEntry[] {
  return text.split('\n').flatMap((content, index) => parseLine(content, file, index + 1) ?? []);
}

function parseLine(content: string, file: string, line: number): KnownHostEntry | undefined {
  const fields = content.trim().split(/[ \t]+/);
  const first = fields[0] ?? '';
  if (first === '' || first.startsWith('#')) {
    return undefined;
  }
  let marker: KnownHostEntry['marker'];
  if (first.startsWith('@')) {
    if (first !== '@revoked' && first !== '@cert-authority') {
      return undefined;
    }
    marker = first === '@revoked' ? 'revoked' : 'cert-authority';
    fields.shift();
  }
  const [hosts, type, base64] = fields;
  if (hosts === undefined || type === undefined || base64 === undefined) {
    return undefined;
  }
  const key = Buffer.from(base64, 'base64');
  return keyTypeOf(key) === type ? { file, line, marker, hosts, key } : undefined;
}

/**
 * Judges the key a server shows. A revoked key is refused wherever else it is listed. A host that is known only by
 * other keys counts as changed even when they are of another type: who stands between could simply offer another type.
 */
export function judgeHostKey(entries: readonly KnownHostEntry[], host: HostIdentity, key: Buffer): Verdict {
  const name = knownHostsName(host);
  const matching = entries.filter((entry) => hostsMatch(entry.hosts, name));
  const same = (entry: KnownHostEntry): boolean => entry.key.equals(key);
  const revoked = matching.find((entry) => entry.marker === 'revoked' && same(entry));
  if (revoked !== undefined) {
    return { kind: 'revoked', entry: revoked };
  }
  const plain = matching.filter((entry) => entry.marker === undefined);
  const known = plain.find(same);
  if (known !== undefined) {
    return { kind: 'known', entry: known };
  }
  const type = keyTypeOf(key);
  const other = plain.find((entry) => keyTypeOf(entry.key) === type) ?? plain[0];
  if (other !== undefined) {
    return { kind: 'changed', entry: other };
  }
  const authority = matching.find((entry) => entry.marker === 'cert-authority');
  if (authority !== undefined) {
    return { kind: 'authority', entry: authority };
  }
  if (host.port !== undefined && host.port !== 22) {
    // As ssh does: an entry without the port vouches for the same key on another port, but accuses no other key.
    const verdict = judgeHostKey(entries, { name: host.name, port: 22 }, key);
    if (verdict.kind === 'known' || verdict.kind === 'revoked') {
      return verdict;
    }
  }
  return { kind: 'unknown' };
}

/** Types of the keys that are known for a host, the first one listed first. */
export function knownKeyTypes(entries: readonly KnownHostEntry[], host: HostIdentity): readonly string[] {
  const typesOf = (name: string): string[] =>
    entries
      .filter((entry) => entry.marker === undefined && hostsMatch(entry.hosts, name))
      .map((entry) => keyTypeOf(entry.key));
  const exact = typesOf(knownHostsName(host));
  return [...new Set(exact.length > 0 ? exact : typesOf(host.name.toLowerCase()))];
}

/** Whether a host field (patterns with `*`, `?` and `!`, or a `|1|salt|hash`) stands for a name. */
export function hostsMatch(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) {
    const [, version, salt, hash] = hosts.split('|');
    if (version !== '1' || salt === undefined || hash === undefined) {
      return false;
    }
    const expected = Buffer.from(hash, 'base64');
    const actual = hashName(name, Buffer.from(salt, 'base64'));
    return expected.length === actual.length && timingSafeEqual(expected, actual);
  }
  let matched = false;
  for (const pattern of hosts.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (wildcardMatches(negated ? pattern.slice(1) : pattern, name)) {
      if (negated) {
        return false;
      }
      matched = true;
    }
  }
  return matched;
}

function wildcardMatches(pattern: string, name: string): boolean {
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, (c) => (c === '*' ? '.*' : c === '?' ? '.' : `\\${c}`));
  return new RegExp(`^${source}$`, 's').test(name);
}

function hashName(name: string, salt: Buffer): Buffer {
  return createHmac('sha1', salt).update(name).digest();
}

/** The line ssh itself would add for a host, without a line break. */
export function formatEntry(host: HostIdentity, key: Buffer, hashed: boolean, salt = randomBytes(20)): string {
  const name = knownHostsName(host);
  const field = hashed ? `|1|${salt.toString('base64')}|${hashName(name, salt).toString('base64')}` : name;
  return `${field} ${keyTypeOf(key)} ${key.toString('base64')}`;
}

/**
 * Remembers a key the person trusts: one append of one whole line, after closing an unfinished last line. Folder and
 * file are made for the user alone (0700, 0600).
 */
export async function appendKnownHost(file: string, line: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const handle = await open(file, 'a+', 0o600);
  try {
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    if (size > 0) {
      await handle.read(last, 0, 1, size - 1);
    }
    await handle.appendFile(`${size > 0 && last.toString() !== '\n' ? '\n' : ''}${line}\n`);
  } finally {
    await handle.close();
  }
}
