/** One run in sentences: for the progress notification, the message at the end, the tree and the log. */
import { msLeft, type StageSnapshot } from '../engine/snapshot';
import type { DeployEvent, DeployResult, ServiceState } from '../model';
import { STAGES } from '../model';
import type { KeptRun, RunKind, RunPhase } from './history';
import { hostLabel, liveSentence } from '../hostNames';
import { t } from '../l10n';
import { stageName } from '../stageNames';
import { plainText } from './plainText';
import { stageActivity, stageLabel, statusText } from './stageWords';
import { formatDate } from './times';
import { countConnections, formatBytes, formatDuration, formatSeconds } from './units';

/** `uptimer → prod` */
export function runTitle(run: { readonly service: string; readonly host: string }): string {
  return `${run.service} → ${hostLabel(run.host)}`;
}

/** What a run is called while it is under way. */
export function kindText(kind: RunKind): string {
  switch (kind) {
    case 'deploy':
      return t('Deploying');
    case 'rollback':
      return t('Rolling back');
    case 'switch':
      return t('Switching');
    case 'plan':
      return t('Planning');
  }
}

/** What a run is called when it is over. */
function kindName(kind: RunKind): string {
  switch (kind) {
    case 'deploy':
      return t('Deployment');
    case 'rollback':
      return t('Rollback');
    case 'switch':
      return t('Slot switch');
    case 'plan':
      return t('Plan');
  }
}

/** What tells a run from others of the same service: `Deployment · failed · Nov 22, 2026, 8:45 PM`. */
export function runDescription(run: KeptRun, phase: RunPhase): string {
  const isUnderWay = phase === 'running' || phase === 'asking';
  const what = isUnderWay ? [runningText(run, phase)] : [kindName(run.kind), outcomeText(run)];
  return [...what, formatDate(run.startedAt)].join(' · ');
}

function outcomeText({ snapshot, over }: KeptRun): string {
  if (!over) {
    return t('interrupted');
  }
  const error = snapshot?.result?.error;
  return statusText(error === undefined ? 'done' : error.code === 'cancelled' ? 'cancelled' : 'failed');
}

/** The line below the progress bar: stage, and how far it is. */
export function progressText(run: KeptRun): string {
  const stage = currentStage(run);
  if (stage === undefined) {
    return t('Connecting to {0}…', hostLabel(run.host));
  }
  const position = t('{0} of {1}', STAGES.indexOf(stage.stage) + 1, STAGES.length);
  const detail = stageDetail(run, stage);
  const activity = detail === '' ? stageActivity(stage.stage) : `${stageActivity(stage.stage)}: ${detail}`;
  return `${position} · ${activity}`;
}

/** The tree's short form: `Deploying: probe`. */
export function runningText(run: KeptRun, phase: RunPhase): string {
  if (phase === 'asking') {
    return t('Waiting for your answer');
  }
  const stage = currentStage(run);
  const what = stage === undefined ? t('Connecting') : stageLabel(stage.stage);
  return `${kindText(run.kind)}: ${what}`;
}

/**
 * What is known of a service from a look at its host after its last run. `unknown`: there was none; `offline`: the host
 * did not answer; `absent`: it is no longer there.
 */
export type SeenSince = 'unknown' | 'offline' | 'absent' | Pick<ServiceState, 'live'>;

/** What the status bar says of a service: what is done with it, else what is live. */
export function statusBarText(run: KeptRun, phase: RunPhase, seen: SeenSince): { text: string; spoken: string } {
  const { service, host, snapshot } = run;
  const icon = (id: string, words: string, spoken = words): { text: string; spoken: string } => ({
    text: `$(${id}) ${words}`,
    spoken,
  });
  if (phase === 'running' || phase === 'asking') {
    return icon('loading~spin', `${service}: ${runningText(run, phase)}`);
  }
  if (seen === 'absent') {
    return icon('circle-slash', t('{0}: removed', service));
  }
  if (seen === 'offline') {
    return icon('debug-disconnect', t('{0}: host offline', service));
  }
  // The window was closed while it was under way: how it ended is not known.
  if (seen === 'unknown' && snapshot?.result === undefined) {
    return icon('warning', t('{0}: interrupted', service));
  }
  const live = seen === 'unknown' ? snapshot?.result?.live : seen.live;
  return live === undefined
    ? icon('warning', t('{0}: not live', service))
    : icon('circle-filled', `${service}: ${live}`, `${service}: ${liveSentence(service, live, host)}`);
}

function currentStage(run: KeptRun): StageSnapshot | undefined {
  const { snapshot } = run;
  return snapshot?.stages.find((stage) => stage.stage === snapshot.current);
}

function stageDetail(run: KeptRun, stage: StageSnapshot): string {
  const snapshot = run.snapshot;
  if (stage.stage === 'probe') {
    const last = snapshot?.probes.at(-1);
    return last === undefined ? '' : t('try {0}, {1}', last.attempt, last.reason?.replace(/\.$/, '') ?? t('healthy'));
  }
  if (stage.stage === 'drain' && snapshot?.drain !== undefined) {
    return t('{0} open', countConnections(snapshot.drain.connections));
  }
  if (stage.progress === undefined) {
    return '';
  }
  const amount = amountText(stage.progress);
  // Of a transfer it is said besides how many layers are sent, and how many were there.
  return stage.progress.unit === 'bytes' && stage.message !== undefined ? `${amount}, ${stage.message}` : amount;
}

/** `12.4 MB of 84.3 MB, 10.2 MB/s, 7 s left` or `3 of 9 steps` */
export function amountText(progress: NonNullable<StageSnapshot['progress']>): string {
  const { done, total, unit, rate } = progress;
  if (unit === 'steps') {
    return total === undefined ? t('step {0}', done) : t('step {0} of {1}', done, total);
  }
  const amount = total === undefined ? formatBytes(done) : t('{0} of {1}', formatBytes(done), formatBytes(total));
  const left = msLeft(progress);
  const parts = [
    amount,
    ...(rate === undefined || rate <= 0 ? [] : [t('{0}/s', formatBytes(rate))]),
    ...(left === undefined ? [] : [t('{0} left', formatSeconds(Math.ceil(left / 1000) * 1000))]),
  ];
  return parts.join(', ');
}

/** What the message at the end of a run offers. */
export type EndAction = 'openSite' | 'showPanel' | 'showProbes' | 'lastLines' | 'showLog' | 'openSource';

export interface EndMessage {
  readonly severity: 'info' | 'warning' | 'error';
  readonly text: string;
  readonly actions: readonly EndAction[];
}

/**
 * The message at the end of a deployment or a rollback: why it failed, in one sentence; the rest is in the panel.
 * Cancelling is no error, but what is live is said.
 */
export function endMessage(result: DeployResult): EndMessage {
  const { error } = result;
  if (error === undefined) {
    return { severity: 'info', text: result.summary, actions: ['openSite', 'showPanel'] };
  }
  if (error.code === 'cancelled') {
    return { severity: 'info', text: result.summary, actions: ['showPanel'] };
  }
  return { severity: 'error', text: t('{0}: {1}', runTitle(result), error.message), actions: failureActions(error) };
}

/** The two things that help most. */
function failureActions(error: NonNullable<DeployResult['error']>): EndAction[] {
  if (error.position !== undefined) {
    return ['openSource', 'showPanel'];
  }
  const lastLines = error.detail !== undefined && error.detail !== '';
  switch (error.code) {
    case 'unhealthy':
      return ['showProbes', lastLines ? 'lastLines' : 'showLog'];
    case 'start':
      return lastLines ? ['lastLines', 'showPanel'] : ['showPanel', 'showLog'];
    default:
      return ['showPanel', 'showLog'];
  }
}

/** Sentences side by side, without saying one twice. */
export function joinSentences(...sentences: (string | undefined)[]): string {
  return [...new Set(sentences.filter((it) => it !== undefined && it !== ''))].join(' ');
}

/** `build: done (2.1 s), shop:20260101` */
function stageLine({ stage, status, ms, message }: DeployEvent & { readonly type: 'stage' }): string {
  const outcome = ms === undefined ? statusText(status) : `${statusText(status)} (${formatDuration(ms)})`;
  return t('{0}: {1}', stageName(stage), [outcome, message].filter((it) => it !== undefined).join(', '));
}

/** One line of the log channel for an event; undefined for those that would only repeat each other. */
export function logLine(event: DeployEvent): { level: 'info' | 'warning' | 'error'; text: string } | undefined {
  switch (event.type) {
    case 'plan': {
      const { plan } = event;
      const release = `${plan.service} ${plan.release}`;
      const live = plan.live ?? t('no slot');
      return {
        level: 'info',
        text: t('plan: {0} to slot {1} of {2}, live is {3}', release, plan.slot, hostLabel(plan.host), live),
      };
    }
    case 'stage':
      return { level: event.status === 'failed' ? 'error' : 'info', text: stageLine(event) };
    case 'log':
      return { level: event.level, text: [stageName(event.stage), plainText(event.text)].join(' | ') };
    case 'probe': {
      const { attempt, status, ms, ok, reason } = event.probe;
      const verdict = reason ?? (ok ? t('healthy') : t('not healthy'));
      const answer = status === undefined ? formatDuration(ms) : `${status}, ${formatDuration(ms)}`;
      return { level: 'info', text: t('probe of {0}, try {1}: {2} ({3})', event.slot, attempt, verdict, answer) };
    }
    case 'conf':
      return { level: 'info', text: t('nginx configuration {0} is changed', event.path) };
    case 'result': {
      const { summary, error } = event.result;
      const text = joinSentences(error?.message, summary, error?.hint);
      return {
        level: error === undefined || error.code === 'cancelled' ? 'info' : 'error',
        text: error?.detail === undefined ? text : `${text}\n${plainText(error.detail)}`,
      };
    }
    case 'progress':
    case 'traffic':
    case 'drain':
    case 'wait':
      return undefined;
  }
}
