/**
 * What a slot's container says of the service it was started for, in its label: enough to probe it, route to it and
 * draw nginx's file again without the project that it came from. Names of environment variables only, never values.
 */
import { checkRouteHost, checkRoutePath } from '../config/names';
import { checkNginxSize } from '../config/units';
import { zeroService } from '../config/zero';
import type { ContainerDetails } from '../docker/containers';
import {
  type DrainConfig,
  type HealthConfig,
  LABEL,
  type RetireConfig,
  ROUTE_PROTOCOLS,
  type RouteConfig,
  type ServiceConfig,
  type VerifyConfig,
} from '../model';

export interface ServiceDescription {
  readonly port: number;
  readonly health: HealthConfig;
  readonly route: RouteConfig;
  readonly verify: VerifyConfig;
  readonly drain: DrainConfig;
  readonly retire: RetireConfig;
  readonly publish: number;
  readonly envNames: readonly string[];
}

export function describeService(service: ServiceConfig, port: number): ServiceDescription {
  const { health, route, verify, drain, retire } = service;
  return {
    port,
    health,
    route,
    verify,
    drain,
    retire,
    publish: service.proxy.publish,
    envNames: Object.keys(service.run.env),
  };
}

/** The service as far as a container's label tells it; undefined for a container that is not ours. */
export function serviceFromContainer(
  name: string,
  container: ContainerDetails,
): { service: ServiceConfig; port: number; envNames: readonly string[] } | undefined {
  const described = parseDescription(container.labels[LABEL.config]);
  if (described === undefined) {
    return undefined;
  }
  const { port, health, route, verify, drain, retire, publish } = described;
  const bare = bareService(name);
  const envNames = described.envNames.filter((it) => typeof it === 'string');
  // What a setting is that did not exist yet when the container was made.
  return {
    port,
    envNames,
    service: {
      ...bare,
      port,
      health: { ...bare.health, ...health },
      route: { ...bare.route, ...route },
      proxy: { ...bare.proxy, publish },
      verify: { ...bare.verify, ...verify },
      drain: { ...bare.drain, ...drain },
      retire: { ...bare.retire, ...retire },
    },
  };
}

/** The port that a slot listens on: its own label's, or that of the service for one that is not ours. */
export function portOf(service: ServiceConfig, container: ContainerDetails): number {
  return serviceFromContainer(service.name, container)?.port ?? service.port ?? container.exposedPorts[0] ?? 80;
}

/** A service of which only the name is known, with the defaults for the rest: for slots that another tool made. */
export function bareService(name: string): ServiceConfig {
  return zeroService('Dockerfile', '.', name);
}

/** Labels can be written by anybody who may use the engine: only a text of our own shape is taken. */
function parseDescription(text: string | undefined): ServiceDescription | undefined {
  if (text === undefined) {
    return undefined;
  }
  try {
    const value = JSON.parse(text) as Partial<ServiceDescription> | null;
    const complete =
      typeof value?.port === 'number' &&
      typeof value.publish === 'number' &&
      typeof value.health?.path === 'string' &&
      Array.isArray(value.health.status) &&
      isRoute(value.route) &&
      typeof value.verify?.allowedFailures === 'number' &&
      typeof value.drain?.timeoutMs === 'number' &&
      typeof value.retire?.graceSeconds === 'number' &&
      Array.isArray(value.envNames);
    return complete ? (value as ServiceDescription) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What ends up in nginx's files is checked as if it came from bluegreen.json. `path` and `protocol` are younger than some
 * containers.
 */
function isRoute(route: Partial<RouteConfig> | undefined): boolean {
  return (
    Array.isArray(route?.hosts) &&
    route.hosts.every((host) => typeof host === 'string' && checkRouteHost(host) === host) &&
    (route.path === undefined || checkRoutePath(route.path) === route.path) &&
    (route.protocol === undefined || ROUTE_PROTOCOLS.includes(route.protocol)) &&
    typeof route.maxBody === 'string' &&
    checkNginxSize(route.maxBody) === route.maxBody
  );
}
