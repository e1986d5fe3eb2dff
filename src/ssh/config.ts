import { configFiles, configLines } from './includes';

/**
 * The concrete host names of the user's ssh configuration, for a list to choose from: no wildcards, no negations, each
 * once, in order of appearance, Includes followed. A file that cannot be read counts as empty.
 */
export async function listAliases(sshConfigFile?: string): Promise<string[]> {
  const aliases = new Set<string>();
  for (const source of configFiles(sshConfigFile)) {
    for await (const line of configLines(source, () => true)) {
      if (line.keyword === 'host') {
        for (const name of line.values.filter((value) => !/[*?!]/.test(value))) {
          aliases.add(name);
        }
      }
    }
  }
  return [...aliases];
}
