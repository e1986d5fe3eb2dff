import { type ContainerDetails, inspectContainer, lastLinesIfAny } from '../../docker/containers';
import { t } from '../../l10n';
import { DeployError, type HealthConfig, type ProbeAttempt } from '../../model';
import { proxyGone } from '../../nginx/proxy';
import type { FilledSlot, ReadyProxy, Run } from '../context';
import { type Answer, askSlot, isAccepted } from '../probeClient';
import { pause } from '../wait';
import { explainEnd, explainUnhealthy } from './explain';

/** After a healthy answer the next try follows at once: only a slot that is still starting is worth waiting for. */
const CONFIRM_AFTER_MS = 100;
/** The shortest wait for a slot on whose port nothing listens yet. */
const LISTEN_AGAIN_MS = 100;
/** Such a slot is asked again after this part of the time since its start: what is wasted is never more of it. */
const LISTEN_AGAIN_PART = 0.25;
/** Milliseconds between two looks whether the container still runs, while the next try is waited for. */
const LOOK_EVERY_MS = 500;
/** Lines of the container's log that go with a failure. */
const LAST_LINES = 20;

/** Tries that count, and how many of them there may be. */
interface Tries {
  counted: number;
  most: number;
}

/** The last try: how the wait for a healthy slot ended. */
interface LastTry {
  readonly healthy: boolean;
  readonly answer: Answer;
  readonly probe: ProbeAttempt;
}

/**
 * Probes the slot from where nginx stands, until it has answered well `health.successes` times in a row. Every try is
 * an event. Returns how many there were. Throws `start` when the container ends, `unhealthy` when the tries are used
 * up and nobody has the patience for more; those that fail within `health.startPeriod` are free, and those that come
 * sooner than `health.interval` after the last one that was not.
 */
export async function probeStage(run: Run, proxy: ReadyProxy, filled: FilledSlot): Promise<number> {
  const { attempts } = run.service.health;
  const tries: Tries = { counted: 0, most: attempts };
  const tell = (): void => {
    run.emit({ type: 'wait', stage: 'probe', left: tries.most - tries.counted, given: attempts });
  };
  const { healthy, answer, probe } = await run.patience.during(
    () => {
      tries.most += attempts;
      run.note(t('The slot is waited for as asked: up to {0} tries.', tries.most));
      tell();
    },
    () => probeUntilHealthy(run, proxy, filled, tries, tell),
  );
  if (!healthy) {
    throw await unhealthy(run, proxy, filled, tries.counted, answer, probe);
  }
  return probe.attempt;
}

async function probeUntilHealthy(
  run: Run,
  proxy: ReadyProxy,
  filled: FilledSlot,
  tries: Tries,
  tell: () => void,
): Promise<LastTry> {
  const { health } = run.service;
  const begin = performance.now();
  let countFrom = begin + health.startPeriodMs;
  let inARow = 0;
  for (let attempt = 1; ; attempt += 1) {
    const container = await mustBeAlive(run, filled);
    const answer = await askSlot(run, proxy, filled);
    const probe = judge(attempt, answer, health, container);
    run.emit({ type: 'probe', slot: filled.slot, probe });
    inARow = probe.ok ? inARow + 1 : 0;
    const now = performance.now();
    if (probe.ok || now >= countFrom) {
      tries.counted += 1;
      countFrom = now + health.intervalMs;
      tell();
    }
    if (inARow >= health.successes || tries.counted >= tries.most) {
      return { healthy: inARow >= health.successes, answer, probe };
    }
    const soon = Math.max(LISTEN_AGAIN_MS, (now - begin) * LISTEN_AGAIN_PART);
    const isSilent = answer.status === undefined;
    const waitMs = probe.ok ? CONFIRM_AFTER_MS : isSilent ? Math.min(soon, health.intervalMs) : health.intervalMs;
    await pauseWhileAlive(run, filled, waitMs);
  }
}

async function unhealthy(
  run: Run,
  proxy: ReadyProxy,
  filled: FilledSlot,
  counted: number,
  answer: Answer,
  { reason }: ProbeAttempt,
): Promise<DeployError> {
  const container = await mustBeAlive(run, filled);
  if (answer.failure?.code === 'no-proxy') {
    return proxyGone(run.engine, answer.failure.text);
  }
  const tries = counted === 1 ? t('1 try') : t('{0} tries', counted);
  const why = reason ?? t('it was not healthy often enough.');
  return new DeployError(
    'unhealthy',
    t('{0} did not become healthy in {1}: {2}', `${run.service.name} ${filled.slot}`, tries, why),
    {
      hint: await explainUnhealthy(run, proxy, filled, container, answer),
      detail: await tail(run, container.id),
    },
  );
}

function judge(attempt: number, answer: Answer, health: HealthConfig, container: ContainerDetails): ProbeAttempt {
  const { status, ms, headers } = answer;
  return { attempt, status, ms, headers, ...verdictOn(answer, health, container) };
}

/** The first thing that is wrong with an answer, in a sentence. */
function verdictOn(
  { status, body, failure }: Answer,
  health: HealthConfig,
  container: ContainerDetails,
): Pick<ProbeAttempt, 'ok' | 'reason'> {
  const no = (reason: string): { ok: false; reason: string } => ({ ok: false, reason });
  if (status === undefined) {
    return no(failure?.text ?? t('No answer.'));
  }
  if (!isAccepted(status, health.status)) {
    return no(t('Answered {0}, accepted is {1}.', status, health.status.join(', ')));
  }
  if (health.body !== undefined && !body.includes(health.body)) {
    return no(t('Answered {0}, but its body lacks {1}.', status, JSON.stringify(health.body)));
  }
  if (container.health !== undefined && container.health !== 'healthy') {
    return no(t("Answered {0}, but the image's own HEALTHCHECK says {1}.", status, container.health));
  }
  return { ok: true, reason: undefined };
}

async function pauseWhileAlive(run: Run, filled: FilledSlot, ms: number): Promise<void> {
  const until = performance.now() + ms;
  for (let left = ms; left > 0; left = until - performance.now()) {
    await pause(Math.min(left, LOOK_EVERY_MS), run.signal);
    if (left > LOOK_EVERY_MS) {
      await mustBeAlive(run, filled);
    }
  }
}

/** A container that has ended, or that the engine restarts again and again, need not be probed any longer. */
async function mustBeAlive(run: Run, filled: FilledSlot): Promise<ContainerDetails> {
  const { id } = filled.container;
  const now = await inspectContainer(run.engine, id, run.signal);
  if (now === undefined) {
    throw new DeployError(
      'start',
      t('The container of {0} {1} was removed by somebody else.', run.service.name, filled.slot),
    );
  }
  if (now.running && now.restartCount === filled.container.restartCount && now.state === 'running') {
    return now;
  }
  const slot = `${run.service.name} ${filled.slot}`;
  const { message, hint } = explainEnd(slot, now, run.service.run.memoryBytes);
  throw new DeployError('start', message, {
    hint,
    detail: await tail(run, id),
  });
}

async function tail(run: Run, id: string): Promise<string> {
  const lines = await lastLinesIfAny(run.engine, id, LAST_LINES);
  for (const text of lines) {
    run.emit({ type: 'log', stage: 'probe', source: 'container', level: 'info', text });
  }
  return lines.join('\n');
}
