/** The rows of the Slots view, made of what was seen on the hosts. Pure: the tree only turns them into tree items. */
import type { DeployError, Finding, HostState, ProxyState, ServiceState, SlotName, SlotState } from '../model';
import { PROXY_CONTAINER } from '../model';
import { LOCAL_HOST } from '../hostNames';
import { t } from '../l10n';
import { formatAge, formatDate } from './times';

/** What is known of a host. */
export type KnownHost =
  | { readonly kind: 'unseen' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'seen'; readonly state: HostState }
  | { readonly kind: 'offline'; readonly error: DeployError };

/** A run that is under way, as its service's row tells of it. */
export interface RunningHere {
  readonly service: string;
  /** `Deploying: probe` */
  readonly text: string;
}

export type RowIcon = { readonly id: string; readonly color?: string };

interface RowBase {
  /** Unique in the tree and stable across refreshes: VS Code keeps a row's expansion and selection by it. */
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly tooltip: string;
  /** What a screen reader says instead of label and description. */
  readonly spoken: string;
  readonly icon: RowIcon;
  /** The manifest's menus match on it. */
  readonly context: string;
  readonly children: 'none' | 'collapsed' | 'expanded';
}

export type Row = RowBase &
  (
    | { readonly kind: 'host'; readonly host: string }
    | { readonly kind: 'proxy'; readonly host: string }
    | { readonly kind: 'service'; readonly host: string; readonly service: string }
    | { readonly kind: 'coming'; readonly host: string; readonly service: string }
    | { readonly kind: 'slot'; readonly host: string; readonly service: string; readonly slot: SlotName }
    | { readonly kind: 'message'; readonly host: string }
  );

export function hostRow(host: string, view: KnownHost, running: readonly RunningHere[] = []): Row {
  const row = quietHostRow(host, view);
  if (running.length === 0) {
    return row;
  }
  // Also a row that is closed tells that something goes on below it.
  const text = t('working on {0}', running.map((run) => run.service).join(', '));
  return { ...row, description: text, spoken: `${row.spoken}. ${text}`, icon: { id: 'loading~spin' } };
}

function quietHostRow(host: string, view: KnownHost): Row {
  const label = host === LOCAL_HOST ? t('This machine') : host;
  const base = { kind: 'host', host, id: `host:${host}`, label } as const;
  switch (view.kind) {
    case 'unseen':
      return {
        ...base,
        description: '',
        tooltip: t('{0}\nExpand to connect.', label),
        spoken: t('Host {0}, not connected yet', label),
        icon: { id: hostIcon(host) },
        context: 'host',
        children: 'collapsed',
      };
    case 'connecting':
      return {
        ...base,
        description: t('connecting…'),
        tooltip: label,
        spoken: t('Host {0}, connecting', label),
        icon: { id: 'loading~spin' },
        context: 'host',
        children: 'collapsed',
      };
    case 'offline':
      return {
        ...base,
        description: t('offline'),
        tooltip: sentences(label, view.error.message, view.error.hint),
        spoken: t('Host {0}, offline. {1}', label, view.error.message),
        icon: { id: 'debug-disconnect', color: 'list.warningForeground' },
        context: 'host.offline',
        children: 'collapsed',
      };
    case 'seen': {
      const { state } = view;
      const services = countServices(state.services.length);
      return {
        ...base,
        description: services,
        tooltip: sentences(
          label,
          t('Docker {0}, {1}', state.engineVersion, state.platform),
          t('Image store: {0}', state.imageStore),
        ),
        spoken: t('Host {0}, {1}', label, services),
        icon: { id: hostIcon(host) },
        context: isRepairable(state.findings) ? 'host.seen.repairable' : 'host.seen',
        children: 'collapsed',
      };
    }
  }
}

function countServices(count: number): string {
  switch (count) {
    case 0:
      return t('no services');
    case 1:
      return t('1 service');
    default:
      return t('{0} services', count);
  }
}

function hostIcon(host: string): string {
  return host === LOCAL_HOST ? 'device-desktop' : 'server';
}

/** The rows below a host. */
export function rowsOfHost(host: string, view: KnownHost, running: readonly RunningHere[]): Row[] {
  if (view.kind === 'offline') {
    const { error } = view;
    const rows = [messageRow(host, 'reason', error.message, 'warning', error.detail)];
    return error.hint === undefined ? rows : [...rows, messageRow(host, 'hint', error.hint, 'lightbulb')];
  }
  if (view.kind !== 'seen') {
    return [];
  }
  const { services, proxy } = view.state;
  const known = services.map((service) =>
    serviceRow(
      host,
      service,
      running.find((run) => run.service === service.name),
    ),
  );
  const coming = running
    .filter((run) => !services.some((service) => service.name === run.service))
    .map((run) => comingRow(host, run));
  const rows = [...known, ...coming];
  const findings = view.state.findings.map(({ code, text }) => messageRow(host, code, text, 'warning'));
  return [...(rows.length === 0 ? [emptyRow(host)] : rows), proxyRow(host, proxy), ...findings];
}

function emptyRow(host: string): Row {
  return { ...messageRow(host, 'empty', t('Nothing is deployed here yet.'), 'info'), context: 'message.empty' };
}

function messageRow(host: string, name: string, text: string, icon: string, detail?: string): Row {
  return {
    kind: 'message',
    host,
    id: `message:${host}:${name}`,
    label: text,
    description: '',
    tooltip: sentences(text, detail),
    spoken: text,
    icon: { id: icon },
    context: 'message',
    children: 'none',
  };
}

function proxyRow(host: string, proxy: ProxyState): Row {
  const absent = proxy.state === 'absent';
  const running = proxy.state === 'running';
  const ports = proxy.ports.length === 0 ? undefined : t('port {0}', proxy.ports.join(', '));
  const version = proxy.nginxVersion === undefined ? undefined : `nginx ${proxy.nginxVersion}`;
  const description = absent
    ? t('not set up yet')
    : [running ? undefined : proxy.state, version, ports].filter((part) => part !== undefined).join(' · ');
  return {
    kind: 'proxy',
    host,
    id: `proxy:${host}`,
    label: t('Proxy'),
    description,
    tooltip: absent
      ? t('The first deployment sets up the proxy, container {0}.', PROXY_CONTAINER)
      : sentences(t('Container {0}: {1}', PROXY_CONTAINER, proxy.state), proxy.image),
    spoken: t('Proxy, {0}', description),
    icon: running || absent ? { id: 'arrow-swap' } : { id: 'warning', color: 'list.warningForeground' },
    context: absent ? 'proxy.absent' : running ? 'proxy.present.running' : 'proxy.present',
    children: 'none',
  };
}

function serviceRow(host: string, service: ServiceState, running: RunningHere | undefined): Row {
  const live = service.slots.find((slot) => slot.live);
  const idle = service.slots.some((slot) => !slot.live);
  const status = running?.text ?? (live === undefined ? t('not live') : t('{0} is live', live.name));
  const hosts = service.route === '*' ? '' : service.route;
  const findings = findingsShown(service, running !== undefined);
  const notes = findings.map(({ text }) => text);
  const isTroubled = findings.some(({ remedy }) => remedy !== 'nobody');
  return {
    kind: 'service',
    host,
    service: service.name,
    id: `service:${host}:${service.name}`,
    label: service.name,
    description: [status, hosts].filter((part) => part !== '').join(' · '),
    tooltip: sentences(
      service.name,
      live?.release === undefined ? undefined : t('Release {0}', live.release),
      hosts === '' ? t('Answers every request that no other service claims.') : t('Answers for {0}.', hosts),
      ...notes,
    ),
    spoken: [t('Service {0}, {1}', service.name, status), ...notes].join('. '),
    icon:
      running !== undefined
        ? { id: 'loading~spin' }
        : isTroubled || live === undefined
          ? { id: 'warning', color: 'list.warningForeground' }
          : { id: 'package' },
    context: contextOf('service', {
      live: live !== undefined,
      previous: live !== undefined && idle,
      repairable: isRepairable(findings),
      busy: running !== undefined,
    }),
    children: 'expanded',
  };
}

/** What the menus match on: the kind of row, then what is true of it. */
function contextOf(kind: string, facts: Readonly<Record<string, boolean>>): string {
  return [kind, ...Object.keys(facts).filter((name) => facts[name] === true)].join('.');
}

/** Whether a repair ends something of it. What only a person can end it does not. */
function isRepairable(findings: readonly Finding[]): boolean {
  return findings.some(({ remedy }) => remedy === 'repair');
}

/** A service on its first deployment to a host: no container of it exists yet. */
function comingRow(host: string, run: RunningHere): Row {
  return {
    kind: 'coming',
    host,
    service: run.service,
    id: `coming:${host}:${run.service}`,
    label: run.service,
    description: run.text,
    tooltip: sentences(run.service, run.text),
    spoken: `${run.service}, ${run.text}`,
    icon: { id: 'loading~spin' },
    context: contextOf('coming', { busy: true }),
    children: 'none',
  };
}

/** Whether a run works on what the row stands for. */
export function isBusy({ context }: Row): boolean {
  return context.split('.').includes('busy');
}

/** While a run of this window works on a service, its lock and its half-done steps are no news: the row says what goes on. */
function findingsShown(service: ServiceState, isWorkedOn: boolean): readonly Finding[] {
  return isWorkedOn ? [] : service.findings;
}

/** The slots of a service: BLUE first, then GREEN, as they are named everywhere. `now` is for their age. */
export function rowsOfService(host: string, service: ServiceState, now: number, isWorkedOn = false): Row[] {
  const notes = findingsShown(service, isWorkedOn).map(({ code, text }, index) =>
    messageRow(host, `${service.name}:${code}:${index}`, text, 'info'),
  );
  return [...service.slots.map((slot) => slotRow(host, service, slot, now, isWorkedOn)), ...notes];
}

function slotRow(host: string, service: ServiceState, slot: SlotState, now: number, isWorkedOn: boolean): Row {
  const state = slotStateText(slot);
  const age = formatAge(slot.createdAt, now);
  const facts = [state, age, slot.commit ?? slot.release, slot.person].filter((part) => part !== undefined);
  return {
    kind: 'slot',
    host,
    service: service.name,
    slot: slot.name,
    id: `slot:${host}:${slot.container}`,
    label: slot.name,
    description: facts.join(' · '),
    tooltip: sentences(
      t('{0}: {1}', slot.container, state),
      slot.release === undefined ? undefined : t('Release {0}', slot.release),
      slot.commit === undefined ? undefined : t('Commit {0}', slot.commit),
      slot.person === undefined ? undefined : t('Deployed by {0}', slot.person),
      t('Created {0}', formatDate(slot.createdAt)),
      t('Image {0}', slot.image),
    ),
    spoken: t('Slot {0}, {1}', slot.name, facts.join(', ')),
    icon: slotIcon(slot),
    context: contextOf('slot', {
      live: slot.live,
      idle: !slot.live,
      running: slot.state === 'running',
      commit: slot.commit !== undefined,
      busy: isWorkedOn,
    }),
    children: 'none',
  };
}

/** Live or not is told by the shape, which slot by the colour; what is wrong stands before both. */
function slotIcon(slot: SlotState): RowIcon {
  const isWell = slot.health !== 'unhealthy' && (slot.state === 'running' || isStopped(slot));
  if (!isWell) {
    return { id: 'warning', color: 'list.warningForeground' };
  }
  return {
    id: slot.live ? 'circle-filled' : 'circle-outline',
    color: slot.name === 'BLUE' ? 'charts.blue' : 'charts.green',
  };
}

function isStopped({ state }: SlotState): boolean {
  return state === 'exited' || state === 'created';
}

function slotStateText(slot: SlotState): string {
  if (slot.state !== 'running') {
    return slot.live ? [t('live'), slot.state].join(', ') : isStopped(slot) ? t('kept for rollback') : slot.state;
  }
  const health =
    slot.health === undefined
      ? undefined
      : { healthy: t('healthy'), unhealthy: t('unhealthy'), starting: t('not yet healthy') }[slot.health];
  return [slot.live ? t('live') : t('idle, running'), health].filter((part) => part !== undefined).join(', ');
}

function sentences(...lines: (string | undefined)[]): string {
  return lines.filter((line) => line !== undefined && line !== '').join('\n');
}
