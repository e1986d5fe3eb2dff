/**
 * The reboot drill: if this host restarts now, will every service come back? Answered from what Docker and nginx do at a
 * start, without touching anything.
 */
import type { ContainerDetails } from '../docker/containers';
import { t } from '../l10n';
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
    reasons.push(t('Docker does not start with the machine. Enable it: sudo systemctl enable docker.'));
  }
  if (view.proxy === undefined) {
    return [...reasons, t('There is no proxy.')];
  }
  if (!comesBack(view.proxy)) {
    reasons.push(t('The proxy does not come back: {0}.', policyInWords(view.proxy)));
  }
  if (view.nginx === undefined) {
    reasons.push(t('The proxy is {0}, so its files cannot be tested.', view.proxy.state));
  }
  if (gateways === 0) {
    reasons.push(t('The network {0} is gone.', GATEWAY_NETWORK));
  }
  if (proxy?.refusal !== undefined) {
    reasons.push(t('nginx would not start. It says: {0}', proxy.refusal.replace(/\s+/g, ' ')));
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
            t(
              'nginx would not start without {0}, which {1} names and which does not come back: {2}.',
              name,
              path,
              policyInWords(container),
            ),
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
    return [t('No file of nginx names it.')];
  }
  const container = view.slots[says.slot];
  if (container === undefined) {
    return [t('nginx would serve {0}, which was removed.', says.slot)];
  }
  return comesBack(container) ? [] : [t('{0} does not come back: {1}.', container.name, policyInWords(container))];
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
    ? t('it is {0} now, and stays so', state)
    : t('its restart policy is "{0}"', restart === '' ? 'no' : restart);
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
