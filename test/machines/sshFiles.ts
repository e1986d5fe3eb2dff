import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One way to a machine of the lab. */
export interface SshAlias {
  readonly alias: string;
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  /** The alias of the machine to jump through. */
  readonly jump?: string;
  /** The machine's public host key, `TYPE BASE64`. */
  readonly hostKey: string;
}

/** The files in a lab's folder with which `ssh -F` reaches its machines, host keys checked strictly. */
export class SshFiles {
  readonly configFile: string;
  readonly knownHostsFile: string;
  private aliases: SshAlias[] = [];

  constructor(
    folder: string,
    readonly identityFile: string,
  ) {
    this.configFile = join(folder, 'ssh_config');
    this.knownHostsFile = join(folder, 'known_hosts');
    this.write();
  }

  add(alias: SshAlias): void {
    this.aliases.push(alias);
    this.write();
  }

  remove(...names: readonly string[]): void {
    this.aliases = this.aliases.filter(({ alias }) => !names.includes(alias));
    this.write();
  }

  private write(): void {
    writeFileSync(this.configFile, this.aliases.map((alias) => this.block(alias)).join('\n'));
    writeFileSync(this.knownHostsFile, [...new Set(this.aliases.map(knownHostsLine))].join(''));
  }

  private block({ alias, hostName, port, user, jump }: SshAlias): string {
    return `Host ${alias}
    HostName ${hostName}
    Port ${String(port)}
    User ${user}
    IdentityFile ${this.identityFile}
    IdentitiesOnly yes
    UserKnownHostsFile ${this.knownHostsFile}
    StrictHostKeyChecking yes
${jump === undefined ? '' : `    ProxyJump ${jump}\n`}`;
  }
}

function knownHostsLine({ hostName, port, hostKey }: SshAlias): string {
  return `${port === 22 ? hostName : `[${hostName}]:${String(port)}`} ${hostKey}\n`;
}
