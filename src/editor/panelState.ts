/** A run as the panel shows it. Pure: every word and number of the panel is made here. */
import type { DeploymentSnapshot, LogEntry, StageSnapshot } from '../engine/snapshot';
import { unifiedDiff } from '../nginx/diff';
import {
  PANEL_SECTIONS,
  type ActionButton,
  type DiffLine,
  type DiffView,
  type Fact,
  type Heading,
  type LogRow,
  type Metric,
  type PanelAction,
  type PanelSection,
  type PanelState,
  type PanelWords,
  type ProbeRow,
  type ProgressView,
  type StageRow,
  type Tone,
  type TrafficView,
} from '../protocol';
import { type ConfChange, type DeployResult, type Plan, STAGES } from '../model';
import type { KeptRun, RunPhase } from './history';
import { hostLabel } from '../hostNames';
import { formatNumber, t } from '../l10n';
import { formatTime } from './times';
import { plainText } from './plainText';
import { amountText, joinSentences, runTitle } from './runText';
import { stageActivity, stageLabel, statusText } from './stageWords';
import { formatBytes, formatDuration, formatSeconds } from './units';

/** Bars in the chart of requests at most, and the least time that one stands for, in milliseconds. */
const MOST_BARS = 48;
const BAR_MS = 300;

export function panelState(run: KeptRun, phase: RunPhase): PanelState {
  const { snapshot } = run;
  return {
    title: runTitle(run),
    heading: heading(run, phase),
    stages: stageRows(run, phase),
    metrics: snapshot === undefined ? [] : metrics(snapshot),
    plan: snapshot?.plan === undefined ? [] : planFacts(snapshot.plan, snapshot.result !== undefined),
    warnings: snapshot?.plan?.warnings ?? [],
    probes: (snapshot?.probes ?? []).map(probeRow),
    traffic: snapshot === undefined ? undefined : trafficView(snapshot),
    diffs: confChanges(snapshot).map(diffView),
    actions: actions(run, phase),
    asks: phase === 'asking',
    sections: sections(run, phase),
    focus: focus(run, phase),
  };
}

export function panelWords(): PanelWords {
  return {
    stages: t('Stages'),
    sections: { log: t('Log'), probes: t('Probes'), nginx: t('nginx'), plan: t('Plan') },
    details: t('Details'),
    headers: t('Headers'),
    traffic: t('Requests through nginx'),
    warnings: t('Worth knowing'),
    probeColumns: [t('Try'), t('Time'), t('Status'), t('Took'), t('Verdict')],
    noProbes: t('There are no tries to show.'),
    noDiff: t('The nginx configuration is not known yet.'),
    noPlan: t('The host has not been looked at yet.'),
    noLog: t('Nothing has been logged.'),
    openDiff: t('Open in Diff Editor'),
    follow: t('Follow'),
    droppedLines: t('Earlier lines are no longer kept: {0}', '{0}'),
    ok: t('healthy'),
    failed: t('not healthy'),
  };
}

export function logRow(entry: LogEntry): LogRow {
  return {
    time: formatTime(entry.at),
    source: entry.source === 'engine' ? '' : entry.source,
    level: entry.level,
    text: plainText(entry.text),
  };
}

function heading(run: KeptRun, phase: RunPhase): Heading {
  const result = run.snapshot?.result;
  if (result !== undefined) {
    const { error } = result;
    if (error === undefined) {
      return { tone: 'good', text: result.summary, hint: undefined, detail: undefined };
    }
    const cancelled = error.code === 'cancelled';
    return {
      tone: cancelled ? 'neutral' : 'bad',
      text: cancelled ? result.summary : joinSentences(error.message, result.summary),
      hint: cancelled ? undefined : error.hint,
      detail: error.detail === undefined ? undefined : plainText(error.detail),
    };
  }
  if (phase === 'asking') {
    return {
      tone: 'neutral',
      text: t('Read the plan, then deploy or cancel. Nothing on the host has been touched.'),
      hint: undefined,
      detail: undefined,
    };
  }
  if (phase === 'running') {
    const { snapshot } = run;
    const text =
      snapshot?.current === undefined
        ? t('Connecting to {0}…', hostLabel(run.host))
        : t('{0}…', stageActivity(snapshot.current));
    return { tone: 'running', text, hint: waitHint(snapshot), detail: undefined };
  }
  if (run.kind === 'plan' && run.snapshot?.plan !== undefined) {
    return {
      tone: 'neutral',
      text:
        phase === 'earlier'
          ? t('This is what a deployment would have done then. Plan again to see what it would do now.')
          : t('This is what a deployment would do. Nothing on the host has been touched.'),
      hint: undefined,
      detail: undefined,
    };
  }
  return {
    tone: 'neutral',
    text: t('VS Code was closed or reloaded before this ended.'),
    hint: t('Look at the Slots view for what the host serves now. The next deployment cleans up what was left.'),
    detail: undefined,
  };
}

/** What is left of the wait that is under way; undefined as long as that is more than half of what it is given. */
function waitHint(snapshot: DeploymentSnapshot | undefined): string | undefined {
  const wait = snapshot?.wait;
  if (wait === undefined || snapshot?.current !== wait.stage || wait.left > wait.given / 2) {
    return undefined;
  }
  const isOver = snapshot.stages.some(({ stage, status }) => stage === wait.stage && status !== 'running');
  if (isOver || (wait.stage === 'drain' && snapshot.drain?.connections === 0)) {
    return undefined;
  }
  return wait.stage === 'probe'
    ? t('Tries left before giving up: {0}.', formatNumber(wait.left))
    : t('The wait for open connections ends in {0}.', formatSeconds(Math.ceil(wait.left / 1000) * 1000));
}

function stageRows(run: KeptRun, phase: RunPhase): StageRow[] {
  const { snapshot } = run;
  if (run.kind === 'plan') {
    return [];
  }
  if (snapshot === undefined) {
    return STAGES.map((stage) => waitingRow(stage));
  }
  return snapshot.stages.map((stage) => stageRow(stage, snapshot, phase));
}

function waitingRow(stage: StageSnapshot['stage']): StageRow {
  return {
    stage,
    label: stageLabel(stage),
    status: 'waiting',
    statusText: statusText('waiting'),
    message: undefined,
    took: undefined,
    startedAt: undefined,
    progress: undefined,
  };
}

function stageRow(stage: StageSnapshot, snapshot: DeploymentSnapshot, phase: RunPhase): StageRow {
  // A run that was cut off has a stage that will never end.
  const status = stage.status === 'running' && phase !== 'running' ? 'cancelled' : stage.status;
  const running = status === 'running';
  return {
    stage: stage.stage,
    label: stageLabel(stage.stage),
    status,
    statusText: statusText(status),
    message: running ? (stage.message ?? runningMessage(stage, snapshot)) : endedMessage(stage, snapshot),
    took: stage.ms === undefined ? undefined : formatDuration(stage.ms),
    startedAt: running ? stage.startedAt : undefined,
    progress: running && stage.progress !== undefined ? progressView(stage.progress) : undefined,
  };
}

function progressView(progress: NonNullable<StageSnapshot['progress']>): ProgressView {
  const { done, total } = progress;
  return {
    fraction: total === undefined || total <= 0 ? undefined : Math.min(1, done / total),
    text: amountText(progress),
  };
}

/** How a stage went; for a transfer with the amount that was sent. What the heading says already is not repeated. */
function endedMessage(stage: StageSnapshot, snapshot: DeploymentSnapshot): string | undefined {
  if (stage.message !== undefined && stage.message === snapshot.result?.error?.message) {
    return undefined;
  }
  if (stage.progress?.unit !== 'bytes') {
    return stage.message;
  }
  const amount = formatBytes(stage.progress.done);
  return stage.message === undefined ? t('{0} sent', amount) : `${stage.message} · ${amount}`;
}

function runningMessage(stage: StageSnapshot, snapshot: DeploymentSnapshot): string {
  const last = snapshot.probes.at(-1);
  return stage.stage === 'probe' && last?.reason !== undefined ? last.reason : stageActivity(stage.stage);
}

function metrics(snapshot: DeploymentSnapshot): Metric[] {
  const { traffic, drain, result } = snapshot;
  const took = Object.values(result?.durations ?? {}).reduce((sum, ms) => sum + ms, 0);
  const list: (Metric | undefined)[] = [
    slotMetric(snapshot),
    traffic && metric(t('Requests'), formatNumber(traffic.sent)),
    traffic && metric(t('Failed'), formatNumber(traffic.failed), traffic.failed > 0 ? 'bad' : 'good'),
    traffic && traffic.sent > 0 ? metric(t('Longest'), formatDuration(traffic.longestMs)) : undefined,
    drain && metric(t('Open connections'), formatNumber(drain.connections)),
    result && result.bytesSent > 0 ? metric(t('Sent'), formatBytes(result.bytesSent)) : undefined,
    took > 0 ? metric(t('Took'), formatDuration(took)) : undefined,
  ];
  return list.filter((it) => it !== undefined);
}

/** Where the run leads while nothing is decided, and what serves once it is. */
function slotMetric({ plan, result }: DeploymentSnapshot): Metric | undefined {
  if (plan !== undefined && result?.ok !== false) {
    return metric(t('Slot'), plan.live === undefined ? plan.slot : `${plan.live} → ${plan.slot}`);
  }
  return result?.live === undefined ? undefined : metric(t('Live'), result.live);
}

function metric(label: string, value: string, tone: Tone = 'neutral'): Metric {
  return { label, value, tone };
}

/** @param isOver Whether the run has ended: what was live then need not be so any more. */
function planFacts(plan: Plan, isOver: boolean): Fact[] {
  const proxy = {
    create: t('will be set up, on port {0}', plan.publish),
    start: t('will be started, on port {0}', plan.publish),
    use: t('is used as it runs'),
  }[plan.proxy];
  const facts: (Fact | undefined)[] = [
    { label: t('Service'), value: plan.service },
    { label: t('Host'), value: hostLabel(plan.host) },
    { label: isOver ? t('Live before') : t('Live now'), value: plan.live ?? t('no slot') },
    { label: t('Slot to fill'), value: plan.slot },
    { label: t('Release'), value: plan.release },
    plan.commit === undefined ? undefined : { label: t('Commit'), value: plan.commit },
    { label: t('Person'), value: plan.person },
    { label: t('Dockerfile'), value: plan.dockerfile },
    { label: t('Build context'), value: plan.context },
    plan.toSend === undefined ? undefined : { label: t('To send'), value: toSendText(plan.toSend) },
    { label: t('Proxy'), value: proxy },
    { label: t('Environment'), value: envText(plan.env) },
  ];
  return facts.filter((it) => it !== undefined);
}

function toSendText({ bytes, layers, present }: NonNullable<Plan['toSend']>): string {
  if (layers === 0) {
    return t('nothing, the host has the whole image');
  }
  return t('about {0} in layers: {1}; there already: {2}', formatBytes(bytes), layers, present);
}

/** Names only: a value may be a secret. */
function envText(env: Plan['env']): string {
  if (env === undefined) {
    return t('not known: the live slot was not deployed by Blue-Green');
  }
  const { added, changed, removed } = env;
  const parts = [
    added.length === 0 ? undefined : t('added: {0}', added.join(', ')),
    changed.length === 0 ? undefined : t('changed: {0}', changed.join(', ')),
    removed.length === 0 ? undefined : t('removed: {0}', removed.join(', ')),
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? t('unchanged') : parts.join('; ');
}

function probeRow(probe: DeploymentSnapshot['probes'][number]): ProbeRow {
  return {
    attempt: probe.attempt,
    time: formatTime(probe.at),
    ok: probe.ok,
    status: probe.status === undefined ? '–' : String(probe.status),
    took: formatDuration(probe.ms),
    reason: probe.reason ?? '',
    headers: Object.entries(probe.headers).map(([label, value]) => ({ label, value: plainText(value) })),
  };
}

/** Undefined until there is enough to draw. */
function trafficView({ trafficCourse: course, traffic }: DeploymentSnapshot): TrafficView | undefined {
  const [first] = course;
  const last = course.at(-1);
  if (first === undefined || last === undefined || traffic === undefined || course.length < 2) {
    return undefined;
  }
  const count = Math.max(1, Math.min(MOST_BARS, Math.floor((last.at - first.at) / BAR_MS)));
  const length = (last.at - first.at) / count || 1;
  const bars = Array.from({ length: count }, () => ({ sent: 0, failed: 0 }));
  for (const [index, point] of course.entries()) {
    const before = course[index - 1] ?? { sent: 0, failed: 0 };
    const bar = bars[Math.min(count - 1, Math.floor((point.at - first.at) / length))];
    if (bar !== undefined) {
      bar.sent += point.sent - before.sent;
      bar.failed += point.failed - before.failed;
    }
  }
  const { sent, failed, longestMs } = traffic;
  return {
    bars,
    text: t(
      '{0} requests, {1} failed, the longest took {2}',
      formatNumber(sent),
      formatNumber(failed),
      formatDuration(longestMs),
    ),
  };
}

/** The files of nginx before and after, as far as they are known: decided in the plan, or really changed. */
export function confChanges(snapshot: DeploymentSnapshot | undefined): readonly ConfChange[] {
  const { confs = [], plan } = snapshot ?? {};
  return confs.length > 0 ? confs : (plan?.files ?? []);
}

function diffView({ path, before, after }: ConfChange): DiffView {
  const lines = unifiedDiff(before, after)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('\\'))
    .map(diffLine);
  return {
    path,
    note: before === '' ? t('new') : after === '' ? t('taken away') : undefined,
    lines,
    added: lines.filter((line) => line.kind === 'added').length,
    removed: lines.filter((line) => line.kind === 'removed').length,
  };
}

function diffLine(line: string): DiffLine {
  switch (line[0]) {
    case '+':
      return { kind: 'added', text: line.slice(1) };
    case '-':
      return { kind: 'removed', text: line.slice(1) };
    case '@':
      return { kind: 'hunk', text: line };
    default:
      return { kind: 'same', text: line.slice(1) };
  }
}

function actions(run: KeptRun, phase: RunPhase): ActionButton[] {
  if (phase === 'asking') {
    return [button('approve', t('Deploy'), true), button('decline', t('Cancel'))];
  }
  if (phase === 'running') {
    const isWaiting = waitHint(run.snapshot) !== undefined;
    return [...(isWaiting ? [button('keepWaiting', t('Keep Waiting'), true)] : []), button('cancel', t('Cancel'))];
  }
  const { plan, result } = run.snapshot ?? {};
  const again = repeatLabel(run);
  if (run.kind === 'plan' && result === undefined) {
    if (again === undefined) {
      return [];
    }
    return [phase === 'earlier' ? button('repeat', again, true) : button('deploy', t('Deploy'), true)];
  }
  // Also a deployment that was not finished may have made its slot live.
  const isNewLive = run.kind === 'deploy' && result !== undefined && result.live === plan?.slot;
  const back = isNewLive && plan?.live !== undefined ? [button('rollback', t('Roll Back'))] : [];
  if (result?.ok === true) {
    return [
      button('openSite', t('Open Site'), true),
      ...back,
      ...(run.kind === 'deploy' && again !== undefined ? [button('repeat', again)] : []),
      button('containerLogs', t('Show Container Logs')),
    ];
  }
  return [
    ...(again === undefined ? [] : [button('repeat', again, true)]),
    ...back,
    ...(result?.error?.position === undefined ? [] : [button('openSource', t('Open the File'))]),
    ...(hasLastLines(result) ? [button('lastLines', t("Show Container's Last Lines"))] : []),
    button('showLog', t('Show Log')),
  ];
}

/** What the same once more is called; undefined where it is not known any more what that would be. */
function repeatLabel({ kind, origin, to }: KeptRun): string | undefined {
  switch (kind) {
    case 'deploy':
      return origin && t('Deploy Again');
    case 'plan':
      return origin && t('Plan Again');
    case 'rollback':
      return t('Roll Back Again');
    case 'switch':
      return to && t('Switch Again');
  }
}

/** False for what was pressed while the page showed another run, or is no longer on offer. */
export function isOffered(pressed: { run: string; action: PanelAction }, run: KeptRun, phase: RunPhase): boolean {
  return pressed.run === run.id && actions(run, phase).some(({ action }) => action === pressed.action);
}

/** Failures whose detail is what the container wrote last. */
export function hasLastLines(result: DeployResult | undefined): boolean {
  const { code, detail } = result?.error ?? {};
  return (code === 'unhealthy' || code === 'start') && detail !== undefined && detail !== '';
}

function button(action: PanelAction, label: string, primary = false): ActionButton {
  return { action, label, primary };
}

/** A plan that is not made yet, or never was, has nothing but its log; of one that is made, the log is no news. */
function sections(run: KeptRun, phase: RunPhase): readonly PanelSection[] {
  if (run.kind !== 'plan') {
    return PANEL_SECTIONS;
  }
  const { plan, result } = run.snapshot ?? {};
  if (plan === undefined) {
    return ['log'];
  }
  return phase === 'running' || result?.error !== undefined ? ['log', 'nginx', 'plan'] : ['nginx', 'plan'];
}

function focus(run: KeptRun, phase: RunPhase): PanelSection {
  const { snapshot } = run;
  if (phase === 'asking') {
    return 'plan';
  }
  if (run.kind === 'plan') {
    return sections(run, phase).includes('log') ? 'log' : 'plan';
  }
  const error = snapshot?.result?.error;
  if (error?.code === 'unhealthy') {
    return 'probes';
  }
  // Refused by the plan, there is nothing to compare.
  if (error?.code === 'nginx-refused' && (snapshot?.confs ?? []).length > 0) {
    return 'nginx';
  }
  // A rollback builds nothing and so logs little.
  return snapshot?.log.length === 0 && snapshot.probes.length > 0 ? 'probes' : 'log';
}
