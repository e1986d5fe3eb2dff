/** A deployment's events as lines of text. No input, no output, no clock: the same events give the same lines. */
import { type DeploymentSnapshot, msLeft } from '../engine/snapshot';
import type {
  ConfChange,
  DeployError,
  DeployEvent,
  DeployResult,
  Plan,
  ProbeAttempt,
  Stage,
  StageStatus,
} from '../model';
import { STAGES } from '../model';
import type { Style } from './style';
import { plainLine, plainLines } from './style';
import { count, formatBytes, formatMs } from './units';

/** Where no live line shows that something goes on, a line says so after this many milliseconds of silence. */
const SILENCE_MS = 10_000;
const STAGE_WIDTH = Math.max(...STAGES.map((stage) => stage.length));

/** What the lines so far have said. */
export interface RenderState {
  /** With a live line, stages that begin and amounts that grow are not lines of their own. */
  readonly live: boolean;
  readonly lastLineAt: number;
  readonly lastProbe: string | undefined;
  readonly sameProbes: number;
}

export function newRenderState(live: boolean): RenderState {
  return { live, lastLineAt: 0, lastProbe: undefined, sameProbes: 0 };
}

/** The lines for the next event. The result is not among them: it has its own form, {@link renderResult}. */
export function renderEvent(
  state: RenderState,
  event: DeployEvent,
  style: Style,
): { readonly state: RenderState; readonly lines: readonly string[] } {
  const next = { ...state };
  let lines: string[] = [];
  switch (event.type) {
    case 'plan':
      lines = planLines(event.plan, style);
      break;
    case 'stage':
      lines = [...sameProbeLines(state, style), ...stageLines(event, state.live, style)];
      next.lastProbe = undefined;
      next.sameProbes = 0;
      break;
    case 'log':
      lines = plainLines(event.text).map((line) => logLine(event, line, style));
      break;
    case 'probe': {
      const text = probeText(event.probe);
      const isSame = text === state.lastProbe && !event.probe.ok;
      next.sameProbes = isSame ? state.sameProbes + 1 : 0;
      next.lastProbe = text;
      if (!isSame) {
        const paint = event.probe.ok ? style.green : style.yellow;
        const line = `  probe ${event.probe.attempt} of ${event.slot}: ${text} (${formatMs(event.probe.ms)})`;
        lines = [...sameProbeLines(state, style), paint(line)];
      }
      break;
    }
    case 'progress':
      lines = silenceLines(state, event.at, `${event.stage}: ${amountText(event)}`, style);
      break;
    case 'drain':
      lines = silenceLines(state, event.at, `drain: ${drainText(event)}`, style);
      break;
    case 'traffic':
    case 'conf':
    case 'wait':
    case 'result':
      break;
  }
  if (lines.length > 0) {
    next.lastLineAt = event.at;
  }
  return { state: next, lines };
}

/** The live line: the stage that runs, how far it is, and for how long. `now` in milliseconds since the epoch. */
export function liveText(snapshot: DeploymentSnapshot | undefined, now: number): string {
  const stage = snapshot?.stages.find((one) => one.stage === snapshot.current);
  if (snapshot === undefined || stage?.startedAt === undefined) {
    return '… connecting';
  }
  if (stage.status === 'failed' || stage.status === 'cancelled') {
    return '… taking back what was done';
  }
  const parts = [
    stage.progress === undefined ? undefined : amountText(stage.progress),
    stage.stage === 'transfer' ? stage.message : undefined,
    stage.stage === 'probe' ? snapshot.probes.at(-1) && `try ${snapshot.probes.at(-1)?.attempt ?? 0}` : undefined,
    stage.stage === 'verify' && snapshot.traffic !== undefined
      ? `${count(snapshot.traffic.sent, 'request')}, ${snapshot.traffic.failed} failed`
      : undefined,
    stage.stage === 'drain' && snapshot.drain !== undefined ? drainText(snapshot.drain) : undefined,
    formatMs(Math.max(0, Math.floor((now - stage.startedAt) / 100) * 100)),
  ];
  return `… ${stage.stage.padEnd(STAGE_WIDTH)}  ${parts.filter((part) => part !== undefined).join(', ')}`;
}

/** What is said at the end: the sentence with the state, and on success the amounts. Errors come after it. */
export function renderResult(result: DeployResult, style: Style): string[] {
  const { requests, bytesSent, durations } = result;
  const ran = STAGES.filter((stage) => durations[stage] !== undefined);
  const total = ran.reduce((sum, stage) => sum + (durations[stage] ?? 0), 0);
  const stages = ran.map((stage) => `${stage} ${formatMs(durations[stage] ?? 0)}`).join(', ');
  const longest = requests.sent === 0 ? '' : `, longest ${formatMs(requests.longestMs)}`;
  const lines = [style.bold(plainLine(result.summary))];
  if (requests.sent > 0 || result.ok) {
    lines.push(
      `Requests: ${requests.sent.toLocaleString('en-US')} sent, ${requests.failed.toLocaleString('en-US')} failed${longest}.`,
    );
  }
  lines.push(`Sent: ${formatBytes(bytesSent)}.`);
  if (ran.length > 0) {
    lines.push(`Time: ${formatMs(total)} (${stages}).`);
  }
  return lines;
}

/** An error with its place, the raw words behind it, and what to do. */
export function renderError(
  error: Pick<DeployError, 'message' | 'hint' | 'detail' | 'position'>,
  style: Style,
): string[] {
  const { message, hint, detail, position } = error;
  const place = position === undefined ? '' : `${position.file}:${position.line}:${position.column}: `;
  return [
    `${style.red('error:')} ${place}${plainLine(message)}`,
    ...(detail === undefined ? [] : plainLines(detail).map((line) => style.dim(`  | ${line}`))),
    ...(hint === undefined ? [] : [`  ${plainLine(hint)}`]),
  ];
}

/** A plan in brief. */
export function planLines(plan: Plan, style: Style): string[] {
  const live = plan.live === undefined ? 'Nothing is live yet' : `${plan.live} is live`;
  const proxy = { create: 'will be created', start: 'will be started', use: 'runs' }[plan.proxy];
  return [
    style.bold(plainLine(`${plan.service} ${plan.release} to ${plan.slot} at ${plan.host}. ${live}.`)),
    plainLine(`  Built from ${plan.dockerfile}`),
    `  The proxy ${proxy}, on port ${plan.publish}.`,
    ...envLines(plan.env),
    `  ${plan.host} runs ${plan.platform}${plan.freeDiskBytes === undefined ? '' : ` and has ${formatBytes(plan.freeDiskBytes)} of disk left for images`}.`,
  ];
}

function envLines(env: Plan['env']): string[] {
  if (env === undefined) {
    return ['  Environment of the live slot: not known.'];
  }
  return (['added', 'changed', 'removed'] as const)
    .filter((kind) => env[kind].length > 0)
    .map((kind) => plainLine(`  Environment, ${kind}: ${env[kind].join(', ')}`));
}

/** What becomes of a file of nginx: its unified diff with the lines coloured. */
export function changeLines({ path, before, after }: ConfChange, diff: string, style: Style): string[] {
  const what = before === '' ? 'is new' : after === '' ? 'is taken away' : 'changes';
  const lines = plainLines(diff).map((line) => {
    const paint = { '+': style.green, '-': style.red, '@': style.cyan }[line.charAt(0)];
    return `  ${paint === undefined ? line : paint(line)}`;
  });
  return [plainLine(`  ${path} ${what}:`), ...lines];
}

function stageLines(
  event: { readonly stage: Stage; readonly status: StageStatus; readonly ms?: number; readonly message?: string },
  live: boolean,
  style: Style,
): string[] {
  const { stage, status, ms, message } = event;
  if (status === 'running') {
    return live ? [] : [style.dim(`… ${stage}`)];
  }
  const mark = {
    done: style.green('✓'),
    skipped: style.dim('-'),
    failed: style.red('✗'),
    cancelled: style.yellow('✗'),
  }[status];
  const took = status === 'skipped' ? 'skipped' : ms === undefined ? '' : formatMs(ms);
  const tail = status === 'cancelled' ? 'cancelled' : plainLine(message ?? '');
  return [`${mark} ${stage.padEnd(STAGE_WIDTH)}  ${took.padStart(8)}  ${tail}`.trimEnd()];
}

function logLine(event: Extract<DeployEvent, { type: 'log' }>, line: string, style: Style): string {
  const paint = { info: style.dim, warning: style.yellow, error: style.red }[event.level];
  const source = event.source === 'engine' ? (event.level === 'warning' ? 'warning: ' : '') : '| ';
  return paint(`  ${source}${line}`);
}

function probeText(probe: ProbeAttempt): string {
  const answer = probe.status === undefined ? 'no answer' : `status ${probe.status}`;
  return `${answer}${probe.ok ? ', healthy' : ''}${probe.reason === undefined ? '' : `. ${plainLine(probe.reason)}`}`;
}

function sameProbeLines(state: RenderState, style: Style): string[] {
  return state.sameProbes === 0 ? [] : [style.dim(`  ${count(state.sameProbes, 'more probe')} like it`)];
}

function silenceLines(state: RenderState, at: number, text: string, style: Style): string[] {
  return state.live || at - state.lastLineAt < SILENCE_MS ? [] : [style.dim(`  ${text}`)];
}

/** As `pv` says it: how much of how much, how fast, and how long it will take still. */
function amountText(progress: {
  readonly done: number;
  readonly total?: number | undefined;
  readonly unit: 'bytes' | 'steps';
  readonly rate?: number | undefined;
}): string {
  const { done, total, unit, rate } = progress;
  const left = msLeft({ done, total, rate });
  if (unit === 'steps') {
    return total === undefined ? `step ${done}` : `step ${done} of ${total}`;
  }
  const amount = total === undefined ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`;
  const speed = rate === undefined || rate <= 0 ? undefined : `${formatBytes(rate)}/s`;
  const rest = left === undefined ? undefined : `${formatMs(Math.ceil(left / 1000) * 1000)} left`;
  return [amount, speed, rest].filter((part) => part !== undefined).join(', ');
}

function drainText(drain: { readonly connections: number; readonly oldWorkers: number }): string {
  return `${count(drain.connections, 'connection')} to the old slot, ${count(drain.oldWorkers, 'old worker')}`;
}
