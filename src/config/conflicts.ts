import type { ServiceConfig } from '../model';
import { quoted } from './complaint';

/** Something that two services cannot both have. */
export interface Conflict {
  readonly severity: 'error' | 'warning';
  /** The later one of the two in the file. */
  readonly service: string;
  /** Where in that service. */
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint: string;
}

/**
 * Services that would claim the same requests, or that ask for different proxies on one host. Certain where both name
 * a common host; a warning where one leaves its hosts to `--host`.
 */
export function findConflicts(services: readonly ServiceConfig[]): Conflict[] {
  const conflicts: Conflict[] = [];
  for (const [index, service] of services.entries()) {
    for (const earlier of services.slice(0, index)) {
      const common = service.hosts.find((host) => earlier.hosts.includes(host));
      const open = service.hosts.length === 0 || earlier.hosts.length === 0;
      if (common === undefined && !open) {
        continue;
      }
      const severity = common === undefined ? 'warning' : 'error';
      const where = common === undefined ? 'when they run on one host' : `on host ${quoted(common)}`;
      const pair = `${quoted(earlier.name)} and ${quoted(service.name)}`;
      const add = (
        path: Conflict['path'],
        message: string,
        hint: string,
        as: Conflict['severity'] = severity,
      ): void => {
        conflicts.push({ severity: as, service: service.name, path, message, hint });
      };

      const isSamePath = service.route.path === earlier.route.path;
      const shared = service.route.hosts.find((host) => earlier.route.hosts.includes(host));
      if (shared !== undefined && isSamePath) {
        const path = service.route.path === '/' ? '' : service.route.path;
        add(['route'], `${pair} both answer for ${quoted(shared + path)} ${where}.`, 'Give it to one of them.');
      }
      if (service.route.hosts.length === 0 && earlier.route.hosts.length === 0 && isSamePath) {
        add(
          ['route'],
          `${pair} both answer every request ${where}.`,
          'Give at least one of them a "route", such as "example.com".',
        );
      }
      if (common !== undefined && service.proxy.publish !== earlier.proxy.publish) {
        add(
          ['proxy', 'publish'],
          `${pair} share the proxy of host ${quoted(common)}, but ask for the ports ${earlier.proxy.publish} and ${service.proxy.publish}.`,
          'Give both the same "publish".',
        );
      }
      if (common !== undefined && service.proxy.image !== earlier.proxy.image) {
        add(
          ['proxy', 'image'],
          `${pair} share the proxy of host ${quoted(common)}, but ask for different images of it.`,
          'The one that is deployed first decides. Give both the same "image".',
          'warning',
        );
      }
    }
  }
  return conflicts;
}
