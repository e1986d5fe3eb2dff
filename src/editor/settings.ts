import { homedir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import type { SshOptions } from '../ssh/settings';

/** The settings by name and type; package.json declares the same ones with their defaults. */
interface Settings {
  hosts: string[];
  openPanel: boolean;
  planFirst: boolean;
  sshConfigFile: string;
  knownHostsFile: string;
  identityFiles: string[];
}

const SECTION = 'blueGreen';

export function readSetting<K extends keyof Settings>(name: K, fallback: Settings[K]): Settings[K] {
  return vscode.workspace.getConfiguration(SECTION).get<Settings[K]>(name, fallback);
}

/** A setting that lists something. What VS Code lets a person write in its place, underlined, lists nothing. */
export function readList(name: 'hosts' | 'identityFiles'): string[] {
  const value: unknown = readSetting(name, []);
  const entries: unknown[] = Array.isArray(value) ? value : [];
  return entries.filter((it): it is string => typeof it === 'string' && it.trim() !== '');
}

export async function writeHosts(hosts: readonly string[]): Promise<void> {
  await vscode.workspace.getConfiguration(SECTION).update('hosts' satisfies keyof Settings, hosts, true);
}

export function changesSetting(event: vscode.ConfigurationChangeEvent, ...names: (keyof Settings)[]): boolean {
  return names.some((name) => event.affectsConfiguration(`${SECTION}.${name}`));
}

/** How ssh is to be spoken. Files named in settings may begin with `~`. */
export function hostOptions(): SshOptions {
  const sshConfigFile = expandHome(readSetting('sshConfigFile', ''));
  const knownHostsFile = expandHome(readSetting('knownHostsFile', ''));
  const identityFiles = readList('identityFiles').map(expandHome);
  return {
    ...(sshConfigFile !== '' && { sshConfigFile }),
    ...(knownHostsFile !== '' && { knownHostsFile }),
    ...(identityFiles.length > 0 && { identityFiles }),
  };
}

function expandHome(file: string): string {
  return file === '~' || /^~[/\\]/.test(file) ? path.join(homedir(), file.slice(1)) : file;
}
