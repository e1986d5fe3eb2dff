import type { DrillReport } from '../engine/drill';
import type { Finding, HostState, ServiceState, SlotState } from '../model';
import type { Style } from './style';
import { plainLine } from './style';
import { formatAge } from './units';

const HEADER = ['SERVICE', 'ROUTE', 'SLOT', 'STATE', 'RELEASE', 'COMMIT', 'AGE', 'BY'];
const SLOT_COLUMN = HEADER.indexOf('SLOT');

/** A host as a person reads it. `now` in milliseconds since the epoch. */
export function statusLines(state: HostState, now: number, style: Style): string[] {
  const { host, engineVersion, imageStore, platform, proxy, services } = state;
  const nginx = proxy.nginxVersion === undefined ? '' : `, nginx ${proxy.nginxVersion}`;
  const image = proxy.image === undefined ? '' : ` (${proxy.image})`;
  const ports = proxy.ports.length === 0 ? '' : `, port ${proxy.ports.join(', ')}`;
  const head = [
    `${style.bold(plainLine(host))}  Docker ${plainLine(engineVersion)}, ${plainLine(platform)}, image store ${plainLine(imageStore)}`,
    `proxy ${plainLine(`${proxy.state}${nginx}${image}${ports}`)}`,
    ...findingLines(state.findings, style),
    '',
  ];
  if (services.length === 0) {
    return [...head, 'No services.'];
  }
  const groups = services.map((service) => ({ service, rows: serviceRows(service, now) }));
  const widths = HEADER.map((title, column) =>
    Math.max(title.length, ...groups.flatMap(({ rows }) => rows.map(({ cells }) => cells[column]?.length ?? 0))),
  );
  const format = (cells: readonly string[]): string[] => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0));
  const line = (cells: readonly string[]): string => cells.join('  ').trimEnd();
  const lines = [...head, style.bold(line(format(HEADER)))];
  for (const { service, rows } of groups) {
    for (const { cells, live } of rows) {
      const padded = format(cells);
      lines.push(line(padded.map((cell, column) => (live && column === SLOT_COLUMN ? style.green(cell) : cell))));
    }
    lines.push(...findingLines(service.findings, style));
  }
  return lines;
}

/** The answer to "if this host restarts now, will every service come back?" */
export function drillLines({ comesBack, reasons, services }: DrillReport, style: Style): string[] {
  const own = services.flatMap((service) => service.reasons.map((reason) => `  ${service.name}: ${reason}`));
  const back = services.filter((service) => service.comesBack).map(({ name }) => name);
  return [
    '',
    comesBack
      ? style.green('If this host restarts now, every service comes back.')
      : style.yellow(`If this host restarts now, not every service comes back (${back.join(', ') || 'none'} would).`),
    ...[...reasons.map((reason) => `  ${reason}`), ...own].map((line) => style.yellow(plainLine(line))),
  ];
}

/** What is unusual, and who ends it. */
function findingLines(findings: readonly Finding[], style: Style): string[] {
  return findings.map(({ text, remedy, code }) => {
    const how = remedy === 'repair' ? ' Repair: blue-green repair.' : '';
    const line = `  ${code}: ${plainLine(text)}${how}`;
    return remedy === 'nobody' ? style.dim(line) : style.yellow(line);
  });
}

function serviceRows(service: ServiceState, now: number): { readonly cells: string[]; readonly live: boolean }[] {
  const lead = (index: number): string[] =>
    index === 0 ? [plainLine(service.name), plainLine(service.route)] : ['', ''];
  if (service.slots.length === 0) {
    return [{ cells: [...lead(0), 'none'], live: false }];
  }
  return service.slots.map((slot, index) => ({ cells: [...lead(index), ...slotCells(slot, now)], live: slot.live }));
}

function slotCells(slot: SlotState, now: number): string[] {
  return [
    slot.live ? `${slot.name} (live)` : slot.name,
    slot.health === undefined ? slot.state : `${slot.state}, ${slot.health}`,
    slot.release ?? slot.image,
    slot.commit ?? '-',
    formatAge(now - slot.createdAt),
    slot.person ?? '-',
  ].map(plainLine);
}
