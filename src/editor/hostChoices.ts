/** Which hosts are offered, and in which order. Pure. */
import { LOCAL_HOST } from '../hostNames';

export interface HostChoice {
  readonly host: string;
  readonly group: 'last' | 'configured' | 'known' | 'aliases' | 'local';
}

/** Each host once, in the group where a person looks for it first. */
export function hostChoices(from: {
  readonly last: string | undefined;
  readonly configured: readonly string[];
  readonly known: readonly string[];
  readonly aliases: readonly string[];
}): HostChoice[] {
  const groups: readonly (readonly [HostChoice['group'], readonly string[]])[] = [
    ['last', from.last === undefined ? [] : [from.last]],
    ['configured', from.configured],
    ['known', from.known.filter((host) => host !== LOCAL_HOST)],
    ['aliases', from.aliases],
    ['local', [LOCAL_HOST]],
  ];
  const seen = new Set<string>();
  return groups.flatMap(([group, hosts]) =>
    hosts.flatMap((host) => {
      if (seen.has(host)) {
        return [];
      }
      seen.add(host);
      return [{ host, group }];
    }),
  );
}
