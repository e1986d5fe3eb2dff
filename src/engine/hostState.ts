/** The state of a host in the product's words, for the tree and for `status`: what is there, and what is unusual. */
import type { ContainerDetails } from '../docker/containers';
import { type HostState, LABEL, type ProxyState, type ServiceState, type SlotName, type SlotState } from '../model';
import { routeOf } from '../nginx/proxy';
import { findingsOnHost, findingsOnService } from './findings';
import type { Host } from './host';
import { examineHost, type HostExamination, type HostView, type ServiceView } from './observe';

export async function observeHost(host: Host, signal: AbortSignal): Promise<HostState> {
  return stateOf(host, await examineHost(host.engine, signal));
}

export function stateOf(host: Host, examination: HostExamination): HostState {
  const { info } = host.engine;
  const { view } = examination;
  return {
    host: host.name,
    engineVersion: info.version,
    imageStore: info.store,
    platform: info.platform,
    proxy: proxyState(view),
    services: view.services.map((service) => serviceState(service, examination)),
    findings: findingsOnHost(examination),
  };
}

function proxyState({ proxy, nginx }: HostView): ProxyState {
  return {
    state: proxy?.state ?? 'absent',
    image: proxy?.image,
    nginxVersion: nginx?.nginxVersion,
    ports: [...new Set((proxy?.ports ?? []).map((port) => port.hostPort))],
  };
}

function serviceState(service: ServiceView, examination: HostExamination): ServiceState {
  const { nginx } = examination.view;
  return {
    name: service.service,
    live: service.live,
    slots: Object.entries(service.slots).map(([name, container]) =>
      slotState(name as SlotName, container, service.live === name),
    ),
    route: nginx === undefined ? '*' : routeOf(nginx, service.service),
    findings: findingsOnService(service, examination),
  };
}

function slotState(name: SlotName, container: ContainerDetails, live: boolean): SlotState {
  return {
    name,
    container: container.name,
    containerId: container.id,
    state: container.state,
    health: container.health,
    image: container.image,
    imageId: container.imageId,
    release: container.labels[LABEL.release],
    commit: container.labels[LABEL.commit],
    person: container.labels[LABEL.person],
    deployment: container.labels[LABEL.deployment],
    createdAt: container.createdAt,
    live,
  };
}
