import { createHash } from 'node:crypto';

/** A key's type as it names itself (`ssh-ed25519`), from the first field of its wire form (RFC 4253, 6.6). */
export function keyTypeOf(blob: Buffer): string {
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  return length > 0 && blob.length >= 4 + length ? blob.toString('latin1', 4, 4 + length) : '';
}

/** `SHA256:…` as ssh-keygen -l prints it. */
export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The type as ssh-keygen -l names it: ED25519, RSA, ECDSA. */
export function shortKeyType(type: string): string {
  const [, name] = /^(?:sk-)?(?:ssh-)?(ed25519|rsa|dss|ecdsa)/.exec(type) ?? [];
  return name === undefined ? type : name === 'dss' ? 'DSA' : name.toUpperCase();
}

/** Signature algorithms (RFC 8332) by which a server can prove that it holds a key of this type. */
export function algorithmsFor(keyType: string): readonly string[] {
  return keyType === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [keyType];
}
