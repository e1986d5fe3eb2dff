import { readFile } from 'node:fs/promises';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { t } from '../l10n';
import { DeployError, throwIfCancelled, type Questions } from '../model';
import { capital, type Place } from './errors';
import { algorithmsFor, fingerprintOf, keyTypeOf, shortKeyType } from './hostKeys';
import {
  appendKnownHost,
  formatEntry,
  judgeHostKey,
  knownHostsName,
  knownKeyTypes,
  readKnownHosts,
  type HostIdentity,
  type KnownHostEntry,
  type Verdict,
} from './knownHosts';
import { shellQuote } from './quote';
import type { HostSettings } from './settings';

/** ssh2's own order of preference, without ssh-dss. */
const ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
  'ssh-rsa',
];

/** Decides whether the server at the other end is the host it should be. Nothing is asked while a connection is open. */
export class HostTrust {
  readonly #settings: HostSettings;
  readonly #place: Place;
  readonly #host: HostIdentity;
  readonly #entries: readonly KnownHostEntry[];
  readonly #revoked: readonly Buffer[];
  #trusted: Buffer | undefined;

  private constructor(
    settings: HostSettings,
    place: Place,
    entries: readonly KnownHostEntry[],
    revoked: readonly Buffer[],
  ) {
    this.#settings = settings;
    this.#place = place;
    this.#entries = entries;
    this.#revoked = revoked;
    this.#host =
      settings.hostKeyAlias === undefined
        ? { name: settings.hostname, port: settings.port }
        : { name: settings.hostKeyAlias, port: undefined };
  }

  static async load(settings: HostSettings, place: Place): Promise<HostTrust> {
    const files = [...settings.userKnownHostsFiles, ...settings.globalKnownHostsFiles];
    const revoked = await readRevokedKeys(settings.revokedHostKeysFile);
    return new HostTrust(settings, place, await readKnownHosts(files), revoked);
  }

  /** Asks the server first for the kinds of key that are known, so that it does not show another one. */
  algorithms(): ServerHostKeyAlgorithm[] {
    const known = knownKeyTypes(this.#entries, this.#host).flatMap(algorithmsFor);
    const wanted = ALGORITHMS.filter((name) => known.includes(name));
    return [...wanted, ...ALGORITHMS.filter((name) => !wanted.includes(name))];
  }

  /** True only for a key that known_hosts lists for this host, or that the person has just trusted. */
  isTrusted(key: Buffer): boolean {
    return !this.#isRevoked(key) && (this.#verdict(key).kind === 'known' || this.#trusted?.equals(key) === true);
  }

  /**
   * What to do about a key that is not trusted: an unknown one is asked about and remembered, every other one refused.
   * @throws DeployError 'host-untrusted' unless the person trusts the key; 'cancelled'.
   */
  async resolve(key: Buffer, questions: Questions, signal: AbortSignal): Promise<void> {
    const verdict = this.#verdict(key);
    if (verdict.kind !== 'unknown' || this.#isRevoked(key)) {
      throw this.#refusal(verdict, key);
    }
    const type = shortKeyType(keyTypeOf(key));
    const fingerprint = fingerprintOf(key);
    const { unknownHostKey, hostname, port } = this.#settings;
    const trusted =
      unknownHostKey === 'accept' ||
      (unknownHostKey === 'ask' &&
        (await questions.trustHostKey({ host: hostname, port, keyType: type, fingerprint }, signal)));
    throwIfCancelled(signal);
    if (!trusted) {
      throw this.#unknown(type, fingerprint);
    }
    this.#trusted = key;
    const file = this.#settings.userKnownHostsFiles[0];
    if (file !== undefined) {
      const line = formatEntry(this.#host, key, this.#settings.hashKnownHosts);
      // As with ssh, a file that cannot be written costs a question the next time, not this connection.
      await appendKnownHost(file, line).catch(() => undefined);
    }
  }

  #verdict(key: Buffer): Verdict {
    return judgeHostKey(this.#entries, this.#host, key);
  }

  #isRevoked(key: Buffer): boolean {
    return this.#revoked.some((revoked) => revoked.equals(key));
  }

  #unknown(type: string, fingerprint: string): DeployError {
    const { alias, port, user } = this.#settings;
    const portOption = port === 22 ? '' : ` -p ${port}`;
    const command = `ssh${portOption} ${shellQuote(`${user}@${alias}`)}`;
    return new DeployError(
      'host-untrusted',
      t('The {0} key of {1} is unknown and was not trusted: {2}.', type, this.#place.label, fingerprint),
      {
        hint: t(
          "Compare the fingerprint with the one the host's owner gives you, then connect once with: {0}",
          command,
        ),
      },
    );
  }

  #refusal(verdict: Verdict, key: Buffer): DeployError {
    const shown = `${shortKeyType(keyTypeOf(key))} ${fingerprintOf(key)}`;
    const { label } = this.#place;
    if (verdict.kind === 'changed') {
      const { file, line, key: old } = verdict.entry;
      const known = `${shortKeyType(keyTypeOf(old))} ${fingerprintOf(old)}`;
      const command = `ssh-keygen -R ${shellQuote(knownHostsName(this.#host))} -f ${shellQuote(file)}`;
      return new DeployError(
        'host-untrusted',
        t('{0} shows another key than the one that is known. Somebody may be listening in.', capital(label)),
        {
          hint: t('Find out whether the host was set up anew. Only then forget its old key with: {0}', command),
          detail: t('known: {0} ({1})\nshown: {2}', known, `${file}:${line}`, shown),
          position: { file, line, column: 1 },
        },
      );
    }
    if (verdict.kind === 'authority') {
      const { file, line } = verdict.entry;
      return new DeployError(
        'host-untrusted',
        t(
          '{0} is known only by a certificate authority, and this program cannot check host certificates.',
          capital(label),
        ),
        {
          hint: t("Add the host's own key to known_hosts as well, after comparing its fingerprint: {0}", shown),
          detail: t('authority: {0}', `${file}:${line}`),
          position: { file, line, column: 1 },
        },
      );
    }
    const entry = verdict.kind === 'revoked' ? verdict.entry : undefined;
    return new DeployError('host-untrusted', t('The key of {0} has been revoked: {1}.', label, shown), {
      hint: t('Do not connect. Ask the owner of the host for its new key.'),
      detail: t(
        'revoked in {0}',
        entry === undefined ? (this.#settings.revokedHostKeysFile ?? '') : `${entry.file}:${entry.line}`,
      ),
      ...(entry === undefined ? {} : { position: { file: entry.file, line: entry.line, column: 1 } }),
    });
  }
}

/**
 * Keys of a RevokedHostKeys file in text form, one public key a line.
 * @throws DeployError 'host-untrusted' when the file cannot be read or is a binary revocation list: ssh refuses every
 * host then, and so does this.
 */
async function readRevokedKeys(file: string | undefined): Promise<readonly Buffer[]> {
  if (file === undefined) {
    return [];
  }
  const content = await readFile(file).catch(() => undefined);
  if (content === undefined || content.toString('latin1', 0, 6) === 'SSHKRL') {
    throw new DeployError('host-untrusted', t('The list of revoked host keys {0} cannot be read.', file), {
      hint: t(
        'RevokedHostKeys in your ssh configuration names it. This program reads lists of public keys, not binary ones.',
      ),
    });
  }
  return content
    .toString()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([type, base64]) => {
      const key = Buffer.from(base64 ?? '', 'base64');
      return type !== undefined && keyTypeOf(key) === type ? [key] : [];
    });
}
