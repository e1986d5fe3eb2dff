/** The result of the bench as text. */
import type { Stage } from '../../../src/model';
import type { ClientKind, TrafficReport } from '../../machines/traffic';
import type { OursReport, Times, ToLive } from './ours';

const KINDS: readonly (readonly [ClientKind, string])[] = [
  ['keepAlive', 'keep-alive'],
  ['fresh', 'a new connection each'],
  ['slow', '5-second answers'],
  ['slower', '30-second answers'],
  ['events', 'server-sent events'],
  ['upload', 'uploads over a second'],
  ['webSocket', 'WebSocket messages'],
];

/** Requests sent and failed by kind, ours beside the article's way, and the figures under it. */
export function describeBench(ours: OursReport, article: readonly TrafficReport[], articleDeployments: number): string {
  const rows = KINDS.map(([kind, name]) => [
    name,
    cell(ours.traffic.map(({ kinds }) => kinds[kind])),
    cell(article.map(({ kinds }) => kinds[kind])),
  ]);
  const total = ['**all**', cell(ours.traffic), cell(article)];
  return [
    `| clients | Blue-Green, ${ours.deployments} deployments | the article's way, ${articleDeployments} deployments |`,
    '| --- | --- | --- |',
    ...[...rows, total].map((row) => `| ${row.join(' | ')} |`),
    '',
    ...timesTexts(ours, ''),
    ...timesTexts(ours.beside, ' beside few clients'),
    `Host after 3 deployments: ${footprintText(ours.after3)}; after ${ours.deployments}: ${footprintText(ours.afterAll)}.`,
    ...ours.traffic.flatMap(({ kinds }) =>
      Object.entries(kinds).flatMap(([kind, { reasons }]) => reasonLines(kind, reasons)),
    ),
  ].join('\n');
}

/**
 * Milliseconds that half of the deployments may take from the image on the host to live, and half of the rollbacks from
 * their beginning, less the app's own warm-up. Beside few clients nearly all have to keep to it.
 */
const LIVE_WITHIN_MS = 2_000;
const NEARLY_ALL = 95;

/** What is not as it has to be, a sentence each. */
export function shortcomings({
  traffic,
  live,
  rollbacks,
  beside,
  after3,
  afterAll,
}: Omit<OursReport, 'deployments' | 'traffic'> & { readonly traffic: readonly { failed: number }[] }): string[] {
  const failed = traffic.reduce((sum, report) => sum + report.failed, 0);
  const late = [
    tooLate('of the deployments', live, 50),
    tooLate('of the rollbacks', rollbacks, 50),
    tooLate('of the deployments beside few clients', beside.live, NEARLY_ALL),
    tooLate('of the rollbacks beside few clients', beside.rollbacks, NEARLY_ALL),
  ];
  // (Megabytes are rounded.)
  const isLarger =
    afterAll.containers > after3.containers ||
    afterAll.images > after3.images ||
    afterAll.networks > after3.networks ||
    afterAll.megabytes > after3.megabytes + 1;
  return [
    ...(failed > 0 ? [`${failed} requests failed.`] : []),
    ...late.filter((sentence) => sentence !== undefined),
    ...(isLarger ? [`The host has grown: ${footprintText(after3)}, then ${footprintText(afterAll)}.`] : []),
  ];
}

/** The sentence when less than so many of a hundred kept to what they may take. */
function tooLate(what: string, times: readonly ToLive[], percent: number): string | undefined {
  const ms = percentile(times.map(own), percent);
  return ms > LIVE_WITHIN_MS
    ? `More than ${100 - percent} of 100 ${what} took more than ${LIVE_WITHIN_MS} ms: ${ms} ms.`
    : undefined;
}

/** What a deployment took less the app's own warm-up. */
function own({ ms, warmUpMs }: ToLive): number {
  return ms - warmUpMs;
}

function cell(counts: readonly { readonly sent: number; readonly failed: number }[]): string {
  const sum = (pick: 'sent' | 'failed'): number => counts.reduce((total, count) => total + count[pick], 0);
  return sum('sent') === 0
    ? 'not sent'
    : `${sum('failed').toLocaleString('en-US')} of ${sum('sent').toLocaleString('en-US')} failed`;
}

function reasonLines(kind: string, reasons: TrafficReport['kinds'][ClientKind]['reasons']): string[] {
  return Object.entries(reasons).map(
    ([reason, seen]) => `failed ${kind}: ${seen.count} × ${reason}, at ${seen.firstMs} ms`,
  );
}

function footprintText({ containers, images, networks, megabytes }: OursReport['after3']): string {
  return `${containers} containers, ${images} images, ${networks} networks, ${megabytes} MB`;
}

function timesTexts({ live, rollbacks }: Times, where: string): string[] {
  return [
    `Image on the host to live${where}: ${timesText(live, ['proxy', 'start', 'probe', 'switch'])}`,
    `Rollback, from its beginning to live${where}: ${timesText(rollbacks, ['plan', 'proxy', 'start', 'probe', 'switch'])}`,
  ];
}

function timesText(times: readonly ToLive[], counted: readonly Stage[]): string {
  const stages = counted.map(
    (stage) =>
      `${stage} ${percentile(
        times.map((it) => it.stages[stage] ?? Number.NaN),
        50,
      )} ms`,
  );
  const kept = times.filter((it) => own(it) <= LIVE_WITHIN_MS).length;
  return `less the app's own warm-up ${spread(times.map(own))}, ${kept} of ${times.length} within ${LIVE_WITHIN_MS} ms; the warm-up ${spread(times.map(({ warmUpMs }) => warmUpMs))}. Medians by stage, warm-up included: ${stages.join(', ')}.`;
}

function spread(values: readonly number[]): string {
  const [half, most, all] = [50, 95, 100].map((percent) => `${percentile(values, percent)} ms`);
  return `median ${half}, 95th percentile ${most}, longest ${all}`;
}

/** Of whole milliseconds; 100 is the largest. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}
