/**
 * Names what is unusual on a host, from what was seen there and from nothing else: each state that a crash, a restart or
 * a person can leave is a value with a code and a sentence.
 */
import { t } from '../l10n';
import type { Finding, FindingCode, ServiceConfig, SlotName } from '../model';
import { GATEWAY_NETWORK, PROXY_CONTAINER, SLOT_NAMES, slotContainer } from '../model';
import { namesFileOf, readConf } from '../nginx/conf';
import {
  confOf,
  editedFiles,
  missingFile,
  namedBeside,
  type ProxyView,
  sharedByHand,
  tlsInTheWay,
} from '../nginx/proxy';
import { inWords, lockInWords } from './lock';
import { stageName } from '../stageNames';
import { asideContainer, type HostExamination, isCandidate, type ServiceView, type Slots } from './observe';
import { serviceFromContainer } from './release';

/** Free bytes below which a deployment is likely to fail for want of space. */
const DISK_LOW_BYTES = 200 * 1024 * 1024;

const repaired = (code: FindingCode, text: string): Finding => ({ code, text, remedy: 'repair' });
const forPerson = (code: FindingCode, text: string): Finding => ({ code, text, remedy: 'person' });
const harmless = (code: FindingCode, text: string): Finding => ({ code, text, remedy: 'nobody' });

/** What is unusual about the host itself. A host without any service has no proxy, and that is as it should be. */
export function findingsOnHost({ view, proxy, gateways, temporaryImages }: HostExamination): Finding[] {
  const findings: Finding[] = [];
  if (view.services.length > 0) {
    findings.push(...findingsOnProxy(view.proxy, gateways));
  }
  if (gateways > 1) {
    findings.push(repaired('network-doubled', t('There are {0} networks named {1}.', gateways, GATEWAY_NETWORK)));
  }
  if (proxy?.refusal !== undefined) {
    findings.push(confRefused(proxy.refusal, view.services));
  }
  if (proxy?.freeBytes !== undefined && proxy.freeBytes < DISK_LOW_BYTES) {
    const megabytes = Math.floor(proxy.freeBytes / 1024 / 1024);
    findings.push(
      forPerson('disk-low', t('The disk of Docker has {0} MB left. Make room, or deployments will fail.', megabytes)),
    );
  }
  const { nginx } = view;
  const left = (proxy?.leftFiles ?? []).filter(
    (file) => nginx === undefined || !view.services.some((service) => isFileOf(service, nginx, file)),
  );
  if (left.length > 0) {
    findings.push(switchFiles(left));
  }
  if (temporaryImages.length > 0) {
    findings.push(repaired('temporary-images', t('Left by a transfer that was cut: {0}.', temporaryImages.join(', '))));
  }
  return findings;
}

function findingsOnProxy(proxy: HostExamination['view']['proxy'], gateways: number): Finding[] {
  if (proxy === undefined) {
    return [repaired('proxy-missing', t('There is no proxy: the container {0} was removed.', PROXY_CONTAINER))];
  }
  if (proxy.state === 'restarting') {
    return [
      repaired('proxy-failing', t('The proxy ends again and again: nginx refuses its configuration. No site is up.')),
    ];
  }
  if (!proxy.running || proxy.state !== 'running') {
    return [repaired('proxy-stopped', t('The proxy is {0}. No site is up.', proxy.state))];
  }
  if (gateways === 0) {
    return [repaired('network-missing', t('The network {0} was removed.', GATEWAY_NETWORK))];
  }
  if (proxy.networks[GATEWAY_NETWORK] === undefined) {
    return [repaired('proxy-off-network', t('The proxy is not on the network {0}. No site is up.', GATEWAY_NETWORK))];
  }
  return [];
}

function confRefused(refusal: string, services: readonly ServiceView[]): Finding {
  const text = t(
    'nginx refuses its files as they are on disk. It serves the previous ones until it restarts; then no site would be up. It says: {0}',
    refusal.replace(/\s+/g, ' '),
  );
  // A file of ours can be written again from the slot's labels. Another one is its author's affair.
  const ours = services.some(({ service }) => namesFileOf(service, refusal));
  return ours ? repaired('conf-refused', text) : forPerson('conf-refused', text);
}

/** What is unusual about one service. */
export function findingsOnService(view: ServiceView, examination: HostExamination): Finding[] {
  return [
    ...findingsOnLock(view, examination),
    ...findingsOnLive(view, examination),
    ...findingsOnConf(view, examination),
    ...findingsOnLeftovers(view),
  ];
}

function findingsOnLock({ service }: ServiceView, { locks }: HostExamination): Finding[] {
  const lock = locks.get(service);
  if (lock === undefined) {
    return [];
  }
  return [
    lock.dead
      ? repaired(
          'lock-dead',
          t(
            'A deployment by {0} no longer runs and left its lock (stage {1}, last sign of life {2} ago).',
            lock.person,
            lock.stage === undefined ? t('unknown') : stageName(lock.stage),
            inWords(lock.silentMs),
          ),
        )
      : harmless('locked', t('Being deployed: {0}.', lockInWords(lock))),
  ];
}

function findingsOnLive(view: ServiceView, { view: host }: HostExamination): Finding[] {
  // Without a running nginx nobody knows which slot it serves; that it does not run is a finding on the host.
  if (host.nginx === undefined) {
    return [];
  }
  const { served, slots } = view;
  if (served === undefined) {
    return [repaired('unserved', t('nginx serves none of its slots.'))];
  }
  const container = slots[served.slot];
  if (container === undefined) {
    return [repaired('live-down', t('nginx sends requests to {0}, which was removed.', served.slot))];
  }
  if (!container.running || container.state !== 'running') {
    return [repaired('live-down', t('nginx sends requests to {0}, which is {1}.', served.slot, container.state))];
  }
  return container.restart === 'no' || container.restart === ''
    ? [
        repaired(
          'live-not-restarting',
          t('{0} is live and would not come back after a restart of the host.', served.slot),
        ),
      ]
    : [];
}

function findingsOnConf(view: ServiceView, { view: host, proxy }: HostExamination): Finding[] {
  const { nginx } = host;
  if (nginx === undefined || view.served === undefined) {
    return [];
  }
  const { service, served } = view;
  const findings: Finding[] = [];
  const conf = confOf(nginx, service);
  const onDisk = conf && readConf(conf.text).find((it) => it.service === service);
  const tls = tlsInTheWay(nginx, service);
  if (tls !== undefined) {
    findings.push(
      forPerson(
        'tls-by-hand',
        t(
          '{0} serves TLS (line {1}) and was written by hand. Deployments are refused until that server stands in a file of its own: CONFIGURATION.md, "TLS of your own".',
          tls.path,
          tls.line,
        ),
      ),
    );
  }
  const shared = sharedByHand(nginx, service);
  if (shared !== undefined) {
    findings.push(
      forPerson(
        'shared-by-hand',
        t(
          '{0} was written by hand and leads to {1} as well. Deployments are refused until each service has a file of its own.',
          shared.path,
          shared.others.join(', '),
        ),
      ),
    );
  }
  const beside = namedBeside(nginx, service);
  if (beside !== undefined && beside.path !== tls?.path) {
    findings.push(
      forPerson(
        'slot-by-hand',
        t(
          '{0} leads to {1} as well. A switch away from it is refused until that file names no slot.',
          beside.path,
          slotContainer(service, beside.slot),
        ),
      ),
    );
  }
  for (const { path } of editedFiles(nginx, service).filter((file) => file.path !== tls?.path)) {
    findings.push(
      forPerson(
        'conf-edited',
        t(
          '{0} was edited by hand after the last deployment. The next one replaces it, shows the difference and keeps a copy.',
          path,
        ),
      ),
    );
  }
  if (onDisk === undefined) {
    findings.push(
      repaired('conf-unloaded', t('nginx serves {0}, but no file says so. After a restart it would not.', served.slot)),
    );
  } else if (onDisk.slot !== served.slot || onDisk.deployment !== served.deployment) {
    findings.push(
      repaired(
        'conf-unloaded',
        t(
          '{0} names {1} of another deployment than the one nginx serves, {2}. It was never loaded.',
          conf?.path ?? '',
          onDisk.slot,
          served.slot,
        ),
      ),
    );
  }
  const missing = missingFile(nginx, service);
  if (missing !== undefined) {
    findings.push(
      repaired('unrouted', t('nginx has no file {0}, without which requests do not reach the service.', missing)),
    );
  }
  const left = (proxy?.leftFiles ?? []).filter((file) => isFileOf(view, nginx, file));
  if (left.length > 0) {
    findings.push(switchFiles(left));
  }
  if (served.deployment === undefined && tls === undefined && shared === undefined) {
    findings.push(harmless('adopted', t('Set up by another tool; the next deployment adopts it.')));
  }
  return findings;
}

function switchFiles(left: readonly string[]): Finding {
  return repaired('switch-files', t('A switch was cut and left {0}.', left.join(', ')));
}

/** Whether a file of a switch belongs to one service: others belong to the servers that services share. */
function isFileOf({ service }: ServiceView, nginx: ProxyView, file: string): boolean {
  const own = confOf(nginx, service)?.path;
  return namesFileOf(service, file) || (own !== undefined && file.startsWith(`${own}.`));
}

function findingsOnLeftovers(view: ServiceView): Finding[] {
  const findings: Finding[] = [];
  for (const [slot, container] of entries(view.slots).filter(([name]) => name !== view.served?.slot)) {
    if (isCandidate(view, slot)) {
      findings.push(
        repaired(
          'interrupted',
          t('A deployment was interrupted before {0} went live. Its container is of no use.', slot),
        ),
      );
    } else if (container.running && view.live !== undefined && !isKeptRunning(view)) {
      findings.push(
        isLeftOpen(view)
          ? harmless(
              'both-up',
              t(
                '{0} runs as well, without new requests: it was left to connections that were still open, or a deployment was interrupted. The next deployment stops it.',
                slot,
              ),
            )
          : repaired(
              'both-up',
              t('{0} runs as well, without traffic. A deployment was interrupted before it was retired.', slot),
            ),
      );
    }
  }
  for (const [slot] of entries(view.aside)) {
    findings.push(
      repaired(
        'interrupted',
        view.served?.slot === slot
          ? t(
              'A deployment was interrupted after {0} went live. {1} is no longer needed.',
              slot,
              asideContainer(view.service, slot),
            )
          : t(
              'A deployment was interrupted. What {0} held before stands aside as {1}.',
              slot,
              asideContainer(view.service, slot),
            ),
      ),
    );
  }
  return findings;
}

/** True when the service's setting leaves the old slot running. */
export function isKeptRunning(view: ServiceView): boolean {
  return liveService(view)?.retire.old === 'keep';
}

/** True when the service's setting leaves the old slot to connections that are open after the drain. */
export function isLeftOpen(view: ServiceView): boolean {
  return liveService(view)?.drain.atTimeout === 'leave';
}

function liveService(view: ServiceView): ServiceConfig | undefined {
  const live = view.live === undefined ? undefined : view.slots[view.live];
  return live && serviceFromContainer(view.service, live)?.service;
}

/** The slots that are there, BLUE first. */
export function entries(slots: Slots): [SlotName, NonNullable<Slots[SlotName]>][] {
  return SLOT_NAMES.flatMap((slot) => {
    const container = slots[slot];
    return container === undefined ? [] : [[slot, container] as [SlotName, typeof container]];
  });
}
