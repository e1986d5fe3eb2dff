import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Engine } from './engine';

/** Creates a bridge network on a /24 that nobody here uses, and returns its first three numbers, as in `10.200.7`. */
export async function createNetwork(engine: Engine, name: string, labels: Record<string, string>): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const subnet = `10.${String(180 + random(70))}.${String(random(256))}`;
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    if (addresses.some(({ address }) => address.startsWith(`${subnet}.`))) continue;
    try {
      await engine.docker.createNetwork({
        Name: name,
        Driver: 'bridge',
        Labels: labels,
        IPAM: { Config: [{ Subnet: `${subnet}.0/24` }] },
      });
      return subnet;
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}

/** A TCP port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}
