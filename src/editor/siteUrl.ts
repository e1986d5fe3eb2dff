/** Where a service can be visited. Pure. */
import { LOCAL_HOST } from '../hostNames';

/**
 * The address of a service: its first host name, or that of the machine. `destination` is the transport's description,
 * `user@host:port`; `ports` are those that the proxy publishes.
 */
export function siteUrl(from: {
  readonly host: string;
  readonly route: string;
  readonly ports: readonly number[];
  readonly destination: string | undefined;
}): string {
  const named = from.route.split(/\s+/).find((name) => name !== '' && !/[*~^_]/.test(name));
  const machine = from.host === LOCAL_HOST ? 'localhost' : machineOf(from.destination ?? from.host);
  const port = from.ports.includes(80) ? 80 : (from.ports[0] ?? 80);
  return `http://${named ?? machine}${port === 80 ? '' : `:${port}`}/`;
}

function machineOf(destination: string): string {
  const host = destination.slice(destination.lastIndexOf('@') + 1);
  const withPort = /^(\[[^\]]+\]|[^:]+):\d+$/.exec(host);
  const name = withPort?.[1] ?? host;
  return name.includes(':') && !name.startsWith('[') ? `[${name}]` : name;
}
