import { readFile } from 'node:fs/promises';
import { mustRun } from './command';

/** A key pair in OpenSSH's format. */
export interface KeyPair {
  /** File of the private key; the public one lies beside it as `.pub`. */
  readonly file: string;
  readonly privateKey: string;
  /** `TYPE BASE64`, without the comment: what authorized_keys and known_hosts hold. */
  readonly publicKey: string;
}

/** Generates a key pair with OpenSSH's own tool into `file`. */
export async function generateKey(
  file: string,
  type: 'ed25519' | 'ecdsa' = 'ed25519',
  passphrase = '',
): Promise<KeyPair> {
  await mustRun('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', 'blue-green-lab', '-f', file]);
  const [kind = '', base64 = ''] = (await readFile(`${file}.pub`, 'utf8')).split(' ');
  return { file, privateKey: await readFile(file, 'utf8'), publicKey: `${kind} ${base64}` };
}
