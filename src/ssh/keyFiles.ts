import { readFile, stat } from 'node:fs/promises';
import { utils, type ParsedKey } from 'ssh2';
import { shortKeyType } from './hostKeys';
import { t } from '../l10n';

/** What is known about a private key file before anybody is asked for its passphrase. */
export type KeyFile =
  | { readonly kind: 'private'; readonly path: string; readonly key: ParsedKey }
  /** Its public half is known where the file or a `.pub` beside it gives it away. */
  | { readonly kind: 'locked'; readonly path: string; readonly publicKey: ParsedKey | undefined; readonly text: string }
  /** Only good for choosing a key of the agent. */
  | { readonly kind: 'public'; readonly path: string; readonly key: ParsedKey }
  | { readonly kind: 'unusable'; readonly path: string; readonly reason: string }
  | { readonly kind: 'absent'; readonly path: string };

/** Looks at a key file as IdentityFile names it: the private key, or a public key whose private half an agent holds. */
export async function loadKeyFile(path: string): Promise<KeyFile> {
  let text: string;
  try {
    const unsafe = await tooOpen(path);
    text = await readFile(path, 'utf8');
    if (unsafe && text.includes('PRIVATE KEY')) {
      return { kind: 'unusable', path, reason: t('others can read it (chmod 600 {0} makes it usable)', path) };
    }
  } catch (error) {
    const publicKey = await publicHalf(path);
    if (publicKey !== undefined) {
      return { kind: 'public', path, key: publicKey };
    }
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? { kind: 'absent', path } : { kind: 'unusable', path, reason: t('it cannot be read') };
  }
  const key = parse(text);
  if (!(key instanceof Error)) {
    return { kind: key.isPrivateKey() ? 'private' : 'public', path, key };
  }
  if (isPassphraseMissing(key)) {
    return { kind: 'locked', path, publicKey: publicKeyInside(text) ?? (await publicHalf(path)), text };
  }
  return {
    kind: 'unusable',
    path,
    reason: t('its format is not supported (ssh-keygen -p -f {0} rewrites most)', path),
  };
}

/** Opens an encrypted key; undefined when the passphrase is wrong. */
export function unlock(text: string, passphrase: string): ParsedKey | undefined {
  const key = parse(text, passphrase);
  return key instanceof Error || !key.isPrivateKey() ? undefined : key;
}

/** A few words for a list of what was tried. */
export function describeKey(key: ParsedKey): string {
  const type = shortKeyType(key.type);
  return key.comment === '' ? type : `${type} ${key.comment}`;
}

/** ssh ignores a private key that others can read; Windows has no such bits. */
async function tooOpen(path: string): Promise<boolean> {
  const { mode, uid } = await stat(path);
  return process.platform !== 'win32' && uid === process.getuid?.() && (mode & 0o077) !== 0;
}

async function publicHalf(path: string): Promise<ParsedKey | undefined> {
  const text = await readFile(`${path}.pub`, 'utf8').catch(() => undefined);
  const key = text === undefined ? undefined : parse(text);
  return key instanceof Error ? undefined : key;
}

function parse(text: string, passphrase?: string): ParsedKey | Error {
  // ssh2's types leave out that the formats which can hold several keys come as a list.
  const parsed = utils.parseKey(text, passphrase) as ParsedKey | readonly ParsedKey[] | Error;
  return isList(parsed) ? (parsed[0] ?? new Error(t('The file holds no key'))) : parsed;
}

function isList(parsed: ParsedKey | readonly ParsedKey[] | Error): parsed is readonly ParsedKey[] {
  return Array.isArray(parsed);
}

/** ssh2 1.17 says "Encrypted private OpenSSH key detected, but no passphrase given", or PPK/PEM in its place. */
function isPassphraseMissing(error: Error): boolean {
  return /encrypted .*no passphrase/i.test(error.message);
}

/** An encrypted key in OpenSSH's own format (PROTOCOL.key) still names its public key in the clear. */
function publicKeyInside(text: string): ParsedKey | undefined {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+?)-----END/.exec(text)?.[1];
  if (body === undefined) {
    return undefined;
  }
  const data = Buffer.from(body, 'base64');
  // After the magic word come cipher, kdf and kdf options as strings, the number of keys, and the public key.
  let offset = 'openssh-key-v1\0'.length;
  const next = (): Buffer | undefined => {
    if (offset + 4 > data.length) {
      return undefined;
    }
    const start = offset + 4;
    offset = start + data.readUInt32BE(offset);
    return offset <= data.length ? data.subarray(start, offset) : undefined;
  };
  if (next() === undefined || next() === undefined || next() === undefined) {
    return undefined;
  }
  offset += 4;
  const blob = next();
  const key = blob === undefined ? undefined : utils.parseKey(blob);
  return key === undefined || key instanceof Error || Array.isArray(key) ? undefined : key;
}
