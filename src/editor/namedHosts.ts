import { loadEngine } from './engineLoader';
import { hostOptions } from './settings';

/** Hosts that this machine has names for: aliases of the ssh configuration, then Docker contexts. */
export async function namedHosts(): Promise<string[]> {
  const { CONTEXT_PREFIX, listAliases, listContexts } = await loadEngine();
  const [aliases, contexts] = await Promise.all([listAliases(hostOptions().sshConfigFile), listContexts()]);
  return [...aliases, ...contexts.map((name) => `${CONTEXT_PREFIX}${name}`)];
}
