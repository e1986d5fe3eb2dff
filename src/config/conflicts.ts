import type { ServiceConfig } from '../model';
import { t } from '../l10n';
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
      const first = quoted(earlier.name);
      const second = quoted(service.name);
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
        const site = quoted(shared + (service.route.path === '/' ? '' : service.route.path));
        add(
          ['route'],
          common === undefined
            ? t('{0} and {1} both answer for {2} when they run on one host.', first, second, site)
            : t('{0} and {1} both answer for {2} on host {3}.', first, second, site, quoted(common)),
          t('Give it to one of them.'),
        );
      }
      if (service.route.hosts.length === 0 && earlier.route.hosts.length === 0 && isSamePath) {
        add(
          ['route'],
          common === undefined
            ? t('{0} and {1} both answer every request when they run on one host.', first, second)
            : t('{0} and {1} both answer every request on host {2}.', first, second, quoted(common)),
          t('Give at least one of them a "route", such as "example.com".'),
        );
      }
      if (common !== undefined && service.proxy.publish !== earlier.proxy.publish) {
        add(
          ['proxy', 'publish'],
          t(
            '{0} and {1} share the proxy of host {2}, but ask for the ports {3} and {4}.',
            first,
            second,
            quoted(common),
            earlier.proxy.publish,
            service.proxy.publish,
          ),
          t('Give both the same "publish".'),
        );
      }
      if (common !== undefined && service.proxy.image !== earlier.proxy.image) {
        add(
          ['proxy', 'image'],
          t(
            '{0} and {1} share the proxy of host {2}, but ask for different images of it.',
            first,
            second,
            quoted(common),
          ),
          t('The one that is deployed first decides. Give both the same "image".'),
          'warning',
        );
      }
    }
  }
  return conflicts;
}
