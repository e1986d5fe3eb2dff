/** Everything ssh's configuration says about one destination, ready to use: no tokens, no `~`, units in the names. */
export interface HostSettings {
  /** The host as the person wrote it (an alias, a name, an address), without user and port. */
  readonly alias: string;
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
  /** Private key files in the order to try. */
  readonly identityFiles: readonly string[];
  /** False when nobody named a key file and `identityFiles` holds ssh's default names. */
  readonly identityFilesNamed: boolean;
  readonly identitiesOnly: boolean;
  /** Socket or pipe of the agent; undefined = none. */
  readonly agent: string | undefined;
  /** Destinations to jump through, the first one dialled first. */
  readonly proxyJump: readonly string[];
  readonly proxyCommand: string | undefined;
  readonly hostKeyAlias: string | undefined;
  /** The first one receives hosts that the person trusts. */
  readonly userKnownHostsFiles: readonly string[];
  readonly globalKnownHostsFiles: readonly string[];
  readonly hashKnownHosts: boolean;
  readonly revokedHostKeysFile: string | undefined;
  /** What becomes of an unknown host key. `no` in a configuration counts as `ask`. */
  readonly unknownHostKey: 'ask' | 'accept' | 'refuse';
  readonly connectTimeoutMs: number;
  /** Milliseconds; undefined = not configured. */
  readonly serverAliveIntervalMs: number | undefined;
  readonly serverAliveCountMax: number;
  readonly addressFamily: 0 | 4 | 6;
  readonly bindAddress: string | undefined;
  readonly publicKeyAllowed: boolean;
  readonly passwordAllowed: boolean;
  readonly keyboardInteractiveAllowed: boolean;
  readonly passwordPrompts: number;
}

/** What the caller adds to the user's ssh configuration. */
export interface SshOptions {
  /** Read instead of the user's and the system's ssh configuration, as `ssh -F` does. */
  readonly sshConfigFile?: string;
  /** Used instead of the configured UserKnownHostsFile. */
  readonly knownHostsFile?: string;
  /** Tried before the configured IdentityFiles, as `ssh -i` does. */
  readonly identityFiles?: readonly string[];
}

/** One configuration keyword in lower case, with its values in order. A command is one value. */
export type RawSettings = ReadonlyMap<string, readonly string[]>;
