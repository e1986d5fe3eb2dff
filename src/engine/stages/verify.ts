import { t } from '../../l10n';
import { DeployError, NO_TRAFFIC, type ServiceConfig } from '../../model';
import type { ReadyProxy, Run } from '../context';
import { isAccepted, requestHost } from '../probeClient';
import { startTraffic, type Traffic } from '../traffic';
import { pause } from '../wait';

/** Requests that have to be answered after the switch before the deployment goes on. */
const ENOUGH_REQUESTS = 20;
/** Limit for those, in milliseconds: a slow service is watched for this long, not longer. */
const WATCH_LIMIT_MS = 10_000;

/** Requests to the live slot that have to be answered before the switch: as many as there are kinds of connection. */
const FIRST_REQUESTS = 2;
/** Limit for those, in milliseconds: a slot that answers none of them does not work. */
const FIRST_LIMIT_MS = 3_000;

/**
 * Begins the traffic through nginx that the switch is proven by.
 * @param keepsConnections see `TrafficTarget`
 */
export function beginTraffic(run: Run, proxy: ReadyProxy, keepsConnections = true): Traffic {
  const { service, host } = run;
  const { health, route } = service;
  return startTraffic(
    {
      connect: () => host.openProxy(proxy.address, proxy.published),
      host: requestHost(route) ?? host.name.replace(/[^A-Za-z0-9.-]/g, '-'),
      method: health.method,
      path: publicPath(service),
      headers: health.headers,
      isGood: (status) => status < 500 || isAccepted(status, health.status),
      keepsConnections,
    },
    (count) => {
      run.traffic = count;
      run.emit({ type: 'traffic', traffic: count });
    },
  );
}

/**
 * Begins the traffic while the old slot is live. Undefined when that one does not work: its failures say nothing about
 * the slot that takes its place, which is perhaps there to mend them.
 * @param byHand whether the file that nginx serves by is not one of ours: its workers reset idle connections as they go.
 */
export async function trafficToLive(run: Run, proxy: ReadyProxy, byHand: boolean): Promise<Traffic | undefined> {
  if (byHand) {
    run.note(
      t(
        'nginx serves by a file that was written by hand. At this first switch it may reset connections that are idle.',
      ),
      'warning',
    );
  }
  const traffic = beginTraffic(run, proxy, !byHand);
  const until = performance.now() + FIRST_LIMIT_MS;
  try {
    while (traffic.count().sent < FIRST_REQUESTS && traffic.unavailable() === undefined && performance.now() < until) {
      await pause(10, run.signal);
    }
  } catch (error) {
    traffic.drop();
    throw error;
  }
  const { sent, failed } = traffic.count();
  if ((sent > 0 && failed === 0) || traffic.unavailable() !== undefined) {
    return traffic;
  }
  traffic.drop();
  run.traffic = NO_TRAFFIC;
  const why = traffic.failures()[0] ?? t('no answer in {0} s', FIRST_LIMIT_MS / 1000);
  run.note(t('The live slot does not work ({0}). Requests are counted from the switch on.', why), 'warning');
  return undefined;
}

/** Where the health check is reached through nginx: below the service's own path. */
function publicPath({ health, route }: ServiceConfig): string {
  if (route.path === '/') {
    return health.path;
  }
  if (route.stripPath) {
    return route.path + health.path;
  }
  const isBelow = health.path === route.path || health.path.startsWith(`${route.path}/`);
  return isBelow ? health.path : route.path;
}

/**
 * Watches the traffic after the switch. Throws `verify` when more requests fail than the setting allows, which takes the
 * switch back.
 */
export async function verifyStage(run: Run, traffic: Traffic): Promise<void> {
  const before = traffic.count().sent;
  const until = performance.now() + WATCH_LIMIT_MS;
  while (traffic.count().sent - before < ENOUGH_REQUESTS && performance.now() < until) {
    await pause(50, run.signal);
    mustBeServed(run, traffic);
    const why = traffic.unavailable();
    if (why !== undefined) {
      run.note(t('Requests cannot be sent through this connection ({0}), so none were counted.', why), 'warning');
      return;
    }
  }
}

/** Throws `verify` as soon as more requests have failed than are put up with. */
export function mustBeServed(run: Run, traffic: Traffic): void {
  const { failed, sent } = traffic.count();
  const allowed = run.service.verify.allowedFailures;
  if (failed > allowed) {
    throw new DeployError(
      'verify',
      t('{0} of {1} requests through nginx failed: {2}.', failed, sent, traffic.failures().join('; ')),
      {
        hint: t('Up to {0} are put up with ("verify.allowedFailures"). Look at the service\'s log.', allowed),
      },
    );
  }
}
