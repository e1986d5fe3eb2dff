/**
 * What is on a host now. Nothing is touched, nothing is remembered between two looks: containers, their labels and what
 * nginx's workers say are the only truth.
 */
import { type ContainerDetails, type ContainerSummary, inspectContainer, listContainers } from '../docker/containers';
import type { DockerEngine } from '../docker/engine';
import { listImageSummaries } from '../docker/images';
import { countNetworks } from '../docker/networks';
import { INCOMING } from '../docker/parts';
import { GATEWAY_NETWORK, LABEL, PROXY_CONTAINER, SLOT_NAMES, type SlotName, slotContainer } from '../model';
import { type ConfSummary, readConf } from '../nginx/conf';
import { examineProxy, lookAtProxy, type ProxyExamination, type ProxyView, servedSlot } from '../nginx/proxy';
import { LOCK_IMAGE, lockContainer, lookAtLock, type LockView } from './lock';

/** The container that held a slot before; it stands aside while a deployment fills that slot. */
export function asideContainer(service: string, slot: SlotName): string {
  return `${slotContainer(service, slot)}_ASIDE`;
}

/** The container that looks at a slot's sockets from beside it, for a moment. */
export function lookContainer(service: string): string {
  return `${service}_LOOK`;
}

export type Slots = Readonly<Partial<Record<SlotName, ContainerDetails>>>;

/** One service as the stages need it: its containers, and what nginx serves for it. */
export interface ServiceView {
  readonly service: string;
  readonly slots: Slots;
  /** The previous content of a slot, put aside by a deployment that has not ended well. */
  readonly aside: Slots;
  /** What the workers serve, whether or not its container runs. */
  readonly served: ConfSummary | undefined;
  /** The slot that serves: nginx sends requests there and its container runs. */
  readonly live: SlotName | undefined;
}

export interface HostView {
  readonly proxy: ContainerDetails | undefined;
  /** What the proxy says of itself; undefined while it does not run. */
  readonly nginx: ProxyView | undefined;
  readonly services: readonly ServiceView[];
}

/**
 * True for a slot whose container a deployment started and that never became live: it gets its restart policy only when
 * it has proven itself, and it is newer than what nginx serves.
 */
export function isCandidate(view: ServiceView, slot: SlotName): boolean {
  const container = view.slots[slot];
  const served = view.served && view.slots[view.served.slot];
  return (
    container !== undefined &&
    slot !== view.served?.slot &&
    container.labels[LABEL.deployment] !== undefined &&
    container.restart === 'no' &&
    container.createdAt >= (served?.createdAt ?? 0)
  );
}

/** Looks at all services of a host, or at one. */
export async function viewHost(engine: DockerEngine, signal: AbortSignal, only?: string): Promise<HostView> {
  return viewContainers(engine, await listContainers(engine, {}, signal), signal, only);
}

async function viewContainers(
  engine: DockerEngine,
  containers: readonly ContainerSummary[],
  signal: AbortSignal,
  only?: string,
): Promise<HostView> {
  const names = containers.map((container) => container.name);
  const ofContainers = names.flatMap((name) => /^(.+)_(?:BLUE|GREEN)(?:_ASIDE)?$/.exec(name)?.[1] ?? []);
  const asked = only === undefined ? [...new Set(ofContainers)] : [only];
  const { proxy, nginx } = await viewProxy(engine, asked, signal);
  const ofConfs = (nginx?.confs ?? []).flatMap((conf) => readConf(conf.text).map((it) => it.service));
  const services = only === undefined ? [...new Set([...ofContainers, ...ofConfs])].sort() : [only];
  return {
    proxy,
    nginx,
    services: await Promise.all(services.map((service) => viewService(engine, service, names, nginx, signal))),
  };
}

async function viewProxy(
  engine: DockerEngine,
  services: readonly string[],
  signal: AbortSignal,
): Promise<Pick<HostView, 'proxy' | 'nginx'>> {
  const proxy = await inspectContainer(engine, PROXY_CONTAINER, signal);
  if (!isUp(proxy)) {
    return { proxy, nginx: undefined };
  }
  const nginx = await whileItRuns(engine, proxy, lookAtProxy(engine, proxy.id, services, signal), signal);
  if (nginx !== undefined) {
    return { proxy, nginx };
  }
  const now = await inspectContainer(engine, PROXY_CONTAINER, signal);
  return { proxy: isUp(now) ? { ...now, state: 'restarting' } : now, nginx };
}

/**
 * The answer of a proxy, or undefined when it ended in the middle of it: one that nginx's configuration ends again and
 * again runs for a moment each time.
 */
async function whileItRuns<T>(
  engine: DockerEngine,
  proxy: ContainerDetails,
  answer: Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const now = await inspectContainer(engine, PROXY_CONTAINER, signal);
    if (isUp(now) && now.id === proxy.id && now.startedAt === proxy.startedAt) {
      throw error;
    }
    return undefined;
  }
}

/** Docker says "running" of a container that it restarts again and again, and of a paused one, as well. */
function isUp(container: ContainerDetails | undefined): container is ContainerDetails {
  return container?.running === true && container.state === 'running';
}

async function viewService(
  engine: DockerEngine,
  service: string,
  names: readonly string[],
  nginx: ProxyView | undefined,
  signal: AbortSignal,
): Promise<ServiceView> {
  const { slots, aside } = await inspectSlots(engine, service, names, signal);
  const served = nginx === undefined ? undefined : servedSlot(nginx, service);
  const live = served !== undefined && slots[served.slot]?.running === true ? served.slot : undefined;
  return { service, slots, aside, served, live };
}

/** One service behind a proxy that was looked at just now. */
export async function viewBehind(
  engine: DockerEngine,
  nginx: ProxyView,
  service: string,
  signal: AbortSignal,
): Promise<ServiceView> {
  return viewService(engine, service, await containerNames(engine, signal), nginx, signal);
}

/** A service's containers alone: nginx is not asked. */
export async function viewSlots(
  engine: DockerEngine,
  service: string,
  signal: AbortSignal,
): Promise<Pick<ServiceView, 'slots' | 'aside'>> {
  return inspectSlots(engine, service, await containerNames(engine, signal), signal);
}

async function containerNames(engine: DockerEngine, signal: AbortSignal): Promise<string[]> {
  return (await listContainers(engine, {}, signal)).map(({ name }) => name);
}

/** `names` are those of all containers on the host. */
async function inspectSlots(
  engine: DockerEngine,
  service: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Pick<ServiceView, 'slots' | 'aside'>> {
  const details = async (nameOf: (slot: SlotName) => string): Promise<Slots> => {
    const found = await Promise.all(
      SLOT_NAMES.map(async (slot) => {
        const name = nameOf(slot);
        return [slot, names.includes(name) ? await inspectContainer(engine, name, signal) : undefined] as const;
      }),
    );
    return Object.fromEntries(found.filter(([, container]) => container !== undefined));
  };
  const [slots, aside] = await Promise.all([
    details((slot) => slotContainer(service, slot)),
    details((slot) => asideContainer(service, slot)),
  ]);
  return { slots, aside };
}

/** All that is known of a host when somebody asks for its status: enough to name every state that it can be in. */
export interface HostExamination {
  readonly view: HostView;
  /** More of the proxy, while it runs. */
  readonly proxy: ProxyExamination | undefined;
  /** Networks with the gateway's name: one, unless something went wrong. */
  readonly gateways: number;
  /** By service. */
  readonly locks: ReadonlyMap<string, LockView>;
  /** Names of images that a transfer uses while it lasts, of transfers that no longer run. */
  readonly temporaryImages: readonly string[];
}

/** Takes longer than a view, and asks more. */
export async function examineHost(engine: DockerEngine, signal: AbortSignal): Promise<HostExamination> {
  const containers = await listContainers(engine, {}, signal);
  const view = await viewContainers(engine, containers, signal);
  const locked = containers.filter(({ name, labels }) => name === lockContainer(labels[LABEL.service] ?? ''));
  const [proxy, gateways, locks, temporaryImages] = await Promise.all([
    view.nginx === undefined || view.proxy === undefined
      ? undefined
      : whileItRuns(engine, view.proxy, examineProxy(engine, view.proxy.id, signal), signal),
    countNetworks(engine, GATEWAY_NETWORK, signal),
    Promise.all(
      locked.map(async ({ labels }) => {
        const service = labels[LABEL.service] ?? '';
        return [service, await lookAtLock(engine, service, signal)] as const;
      }),
    ),
    findTemporaryImages(engine, signal),
  ]);
  const held = locks.flatMap(([service, lock]) => (lock === undefined ? [] : [[service, lock] as const]));
  return {
    view,
    proxy,
    gateways,
    locks: new Map(held),
    temporaryImages,
  };
}

/**
 * Tags of ours that last as long as a transfer or a lock, and whose deployment holds no lock any more. `own` is the
 * caller's deployment, when it holds one itself and transfers nothing now.
 */
export async function findTemporaryImages(engine: DockerEngine, signal: AbortSignal, own?: string): Promise<string[]> {
  const [images, locks] = await Promise.all([
    listImageSummaries(engine, {}, signal),
    listContainers(engine, { labels: [`${LABEL.role}=lock`] }, signal),
  ]);
  const underWay = locks.map(({ labels }) => labels[LABEL.deployment]).filter((it) => it !== own);
  return images
    .flatMap(({ tags }) => tags)
    .filter((tag) => {
      if (!tag.startsWith(`${INCOMING}:`)) {
        return tag === LOCK_IMAGE && locks.length === 0;
      }
      const deployment = /^[0-9a-f]+/.exec(tag.slice(INCOMING.length + 1))?.[0];
      // A probe does not say whose it is: nobody's, when nobody is at work.
      return deployment === undefined ? underWay.length === 0 : !underWay.includes(deployment);
    });
}
