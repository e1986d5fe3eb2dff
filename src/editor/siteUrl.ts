/** Where a service can be visited. Pure. */

/** A name that one host can have; nginx also takes `*.example.org`, `.example.org`, `_` and regular expressions. */
const HOST_NAME = /^(?!_$)[\w-]+(\.[\w-]+)*$/;

/**
 * The address of a service: its first host name, or that of the machine, and its path. `route` is the service's, such as
 * `shop.example/api www.shop.example/api`, `/api` or `*`; `address` is the host's, as `Host.address` has it; `ports` are
 * those that the proxy publishes.
 */
export function siteUrl(from: {
  readonly route: string;
  readonly ports: readonly number[];
  readonly address: string;
}): string {
  const routes = from.route.split(/\s+/).map((route) => {
    const end = route.includes('/') ? route.indexOf('/') : route.length;
    return { name: route.slice(0, end), path: route.slice(end) };
  });
  const named = routes.find(({ name }) => HOST_NAME.test(name));
  const path = (named ?? routes[0])?.path ?? '';
  const machine = machineOf(from.address);
  const port = from.ports.includes(80) ? 80 : (from.ports[0] ?? 80);
  return `http://${named?.name ?? machine}${port === 80 ? '' : `:${port}`}${path === '' ? '/' : path}`;
}

function machineOf(address: string): string {
  const host = address.slice(address.lastIndexOf('@') + 1);
  const withPort = /^(\[[^\]]+\]|[^:]+):\d+$/.exec(host);
  const name = withPort?.[1] ?? host;
  return name === '127.0.0.1' ? 'localhost' : name.includes(':') && !name.startsWith('[') ? `[${name}]` : name;
}
