/** Hosts as they might be seen, for tests of what is concluded from them. */
import type { ContainerDetails } from '../../../src/docker/containers';
import type { HostExamination, ServiceView } from '../../../src/engine/observe';
import { describeService, bareService } from '../../../src/engine/release';
import { GATEWAY_NETWORK, LABEL, PROXY_CONTAINER } from '../../../src/model';
import { type ConfFile, renderConf, renderRoute } from '../../../src/nginx/conf';

export const service = { ...bareService('shop'), port: 8080 };

export function container(name: string, change: Partial<ContainerDetails> = {}): ContainerDetails {
  const running = change.running ?? true;
  return {
    id: `id-${name}`,
    name,
    state: running ? 'running' : 'exited',
    running,
    image: 'shop:r1',
    imageId: 'sha256:1',
    labels: {
      [LABEL.service]: 'shop',
      [LABEL.deployment]: 'd1',
      [LABEL.config]: JSON.stringify(describeService(service, 8080)),
    },
    createdAt: 1_000,
    exitCode: 0,
    oomKilled: false,
    error: '',
    startedAt: 1_000,
    health: undefined,
    healthOutput: undefined,
    restart: 'unless-stopped',
    restartCount: 0,
    ports: [],
    networks: { [GATEWAY_NETWORK]: { ipAddress: '172.18.0.3' } },
    exposedPorts: [8080],
    env: [],
    mounts: [],
    ...change,
  };
}

const served = {
  service: 'shop',
  slot: 'BLUE',
  deployment: 'd1',
  port: 8080,
  route: service.route,
  nginxVersion: '1.30.0',
} as const;
export const conf = renderConf(served);
const files = renderRoute(served);
const isSite = ({ path }: ConfFile): boolean => path.endsWith('.conf');

/** BLUE is live, GREEN is stopped and kept, and nothing is unusual. */
export const wellService: ServiceView = {
  service: 'shop',
  slots: {
    BLUE: container('shop_BLUE', { createdAt: 2_000 }),
    GREEN: container('shop_GREEN', { running: false }),
  },
  aside: {},
  served: { service: 'shop', slot: 'BLUE', deployment: 'd1' },
  live: 'BLUE',
};

export function examination(
  services: readonly ServiceView[] = [wellService],
  change: Partial<HostExamination> = {},
  text = conf,
): HostExamination {
  return {
    view: {
      proxy: container(PROXY_CONTAINER, { restart: 'always' }),
      nginx: {
        nginxVersion: '1.30.0',
        client: 'curl',
        activeWorkers: 2,
        leavingWorkers: 0,
        confs: [{ path: '/etc/nginx/conf.d/shop.conf', text }, ...files.filter(isSite)],
        routes: files.filter((file) => !isSite(file)),
        roomForNames: false,
        answers: new Map(),
      },
      services,
    },
    proxy: { refusal: undefined, leftFiles: [], freeBytes: 10e9 },
    gateways: 1,
    locks: new Map(),
    temporaryImages: [],
    ...change,
  };
}
