/**
 * The reboot drill: if this host restarts now, will every service come back? Answered from what Docker and nginx do at a
 * start, without touching anything.
 */
import type { ContainerDetails } from '../docker/containers';
import { GATEWAY_NETWORK, toDeployError } from '../model';
import { readConf, staticUpstreams } from '../nginx/conf';
import { confOf } from '../nginx/proxy';
import type { Host } from './host';
import { entries } from './findings';
import { examineHost, type HostExamination, type ServiceView } from './observe';

/** Limit for the question whether Docker starts with the machine, in milliseconds. */
const BOOT_LIMIT_MS = 10_000;

export interface DrillReport {
  readonly comesBack: boolean;
  /** Why no site at all would come back; empty when nothing stands in the way. */
  readonly reasons: readonly string[];
  readonly services: readonly {
    readonly name: string;
    readonly comesBack: boolean;
    readonly reasons: readonly string[];
  }[];
}

/** Looks at the host and predicts its next start. Touches nothing. */
export async function drillHost(host: Host, signal: AbortSignal): Promise<DrillReport> {
  const [examination, dockerStarts] = await Promise.all([
    examineHost(host.engine, signal),
    dockerStartsAtBoot(host, signal),
  ]);
  return drill(examination, dockerStarts);
}

/** `dockerStarts`: whether Docker starts with the machine; undefined where that cannot be told. */
export function drill(examination: HostExamination, dockerStarts: boolean | undefined): DrillReport {
  const reasons = hostReasons(examination, dockerStarts);
  const services = examination.view.services.map((service) => {
    const own = serviceReasons(service, examination);
    return { name: service.service, comesBack: reasons.length === 0 && own.length === 0, reasons: own };
  });
  return { comesBack: reasons.length === 0 && services.every(({ comesBack }) => comesBack), reasons, services };
}

function hostReasons({ view, proxy, gateways }: HostExamination, dockerStarts: boolean | undefined): string[] {
  if (view.services.length === 0) {
    return [];
  }
  const reasons: string[] = [];
  if (dockerStarts === false) {
    reasons.push('Docker does not start with the machine. Enable it: sudo systemctl enable docker.');
  }
  if (view.proxy === undefined) {
    return [...reasons, 'There is no proxy.'];
  }
  if (!comesBack(view.proxy)) {
    reasons.push(`The proxy does not come back: ${policyInWords(view.proxy)}.`);
  }
  if (view.nginx === undefined) {
    reasons.push(`The proxy is ${view.proxy.state}, so its files cannot be tested.`);
  }
  if (gateways === 0) {
    reasons.push(`The network ${GATEWAY_NETWORK} is gone.`);
  }
  if (proxy?.refusal !== undefined) {
    reasons.push(`nginx would not start. It says: ${proxy.refusal.replace(/\s+/g, ' ')}`);
  }
  return [...reasons, ...absentUpstreams(examinationContainers(view.services), view.nginx?.confs ?? [])];
}

/** nginx does not start while a host name that a file gives without a variable cannot be found. */
function absentUpstreams(
  containers: ReadonlyMap<string, ContainerDetails>,
  confs: readonly { readonly path: string; readonly text: string }[],
): string[] {
  return confs.flatMap(({ path, text }) =>
    staticUpstreams(text).flatMap((name) => {
      const container = containers.get(name);
      return container === undefined || comesBack(container)
        ? []
        : [
            `nginx would not start without ${name}, which ${path} names and which does not come back: ${policyInWords(container)}.`,
          ];
    }),
  );
}

function examinationContainers(services: readonly ServiceView[]): ReadonlyMap<string, ContainerDetails> {
  return new Map(services.flatMap(({ slots }) => entries(slots).map(([, container]) => [container.name, container])));
}

/** After its start nginx serves what the file on disk says, whatever its workers serve now. */
function serviceReasons(view: ServiceView, { view: host }: HostExamination): string[] {
  if (host.nginx === undefined) {
    return [];
  }
  const conf = confOf(host.nginx, view.service);
  const says = conf && readConf(conf.text).find((it) => it.service === view.service);
  if (says === undefined) {
    return ['No file of nginx names it.'];
  }
  const container = view.slots[says.slot];
  if (container === undefined) {
    return [`nginx would serve ${says.slot}, which was removed.`];
  }
  return comesBack(container) ? [] : [`${container.name} does not come back: ${policyInWords(container)}.`];
}

/**
 * What Docker starts with itself: "always", whatever state it was in, and "unless-stopped", unless it was stopped by
 * hand (Docker's documentation, "Start containers automatically").
 */
function comesBack({ restart, running }: ContainerDetails): boolean {
  return restart === 'always' || (restart === 'unless-stopped' && running);
}

function policyInWords({ restart, state }: ContainerDetails): string {
  return restart === 'unless-stopped'
    ? `it is ${state} now, and stays so`
    : `its restart policy is "${restart === '' ? 'no' : restart}"`;
}

/** Asks systemd where there is one and we may: through SSH, without any right but that to log in. */
async function dockerStartsAtBoot({ transport }: Host, signal: AbortSignal): Promise<boolean | undefined> {
  try {
    const answer = await transport?.exec('systemctl is-enabled docker.service', { signal, timeoutMs: BOOT_LIMIT_MS });
    const word = answer?.stdout.trim();
    return word === 'enabled' ? true : word === 'disabled' ? false : undefined;
  } catch (error) {
    if (toDeployError(error).code === 'cancelled') {
      throw error;
    }
    return undefined;
  }
}
