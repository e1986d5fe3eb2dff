/**
 * The frame of every run that changes a host: connection watched, lock held, stages timed, what was done taken back on
 * failure, and one result at the end that names the state the host is in.
 */
import { DockerError, sentence } from '../docker/errors';
import { liveSentence, LOCAL_HOST } from '../hostNames';
import { t } from '../l10n';
import {
  cancelledError,
  type DeployError,
  type DeployResult,
  type Emit,
  type ErrorCode,
  type ServiceConfig,
  type Stage,
  throwIfCancelled,
  toDeployError,
} from '../model';
import { Run } from './context';
import type { Host } from './host';
import { newDeploymentId } from './identity';
import { type OnLockNote, withLock } from './lock';
import { viewHost } from './observe';
import type { Patience } from './patience';
import { describeTraffic } from './traffic';

/** Limit for the last look at the host after a failure, in milliseconds. */
const LOOK_LIMIT_MS = 20_000;
/** Limit for taking back one step after a failure, in milliseconds: a switch takes long where it cannot be proven. */
const UNDO_LIMIT_MS = 120_000;

/** What a refusal of Docker's is in a stage that has no words of its own for it. */
const CODE_OF_STAGE: Readonly<Record<Stage, ErrorCode>> = {
  plan: 'docker-unreachable',
  build: 'build',
  transfer: 'transfer',
  proxy: 'proxy',
  start: 'start',
  probe: 'start',
  switch: 'nginx-refused',
  verify: 'proxy',
  drain: 'proxy',
  retire: 'docker-unreachable',
};

/** Runs `work` in the frame. It returns the name of the release that is live then. Never rejects. */
export async function conduct(
  subject: { service: ServiceConfig; host: Host; person: string; patience: Patience | undefined },
  emit: Emit,
  signal: AbortSignal,
  work: (run: Run) => Promise<string | undefined>,
): Promise<DeployResult> {
  const { service, host, person, patience } = subject;
  const deployment = newDeploymentId();
  const stop = new AbortController();
  const cancel = (): void => stop.abort(cancelledError());
  signal.addEventListener('abort', cancel, { once: true });
  const forget = host.transport?.onClose((error) => stop.abort(error ?? cancelledError()));
  const run = new Run(deployment, service, host, emit, stop.signal, patience);
  const bytesBefore = host.bytesSent;
  const finish = (release: string | undefined, summary: string, error?: DeployError): DeployResult => {
    const result: DeployResult = {
      ok: error === undefined,
      service: service.name,
      host: host.name,
      live: run.live,
      release,
      summary,
      bytesSent: host.bytesSent - bytesBefore,
      durations: run.durations,
      requests: run.traffic,
      ...(error !== undefined && { error: describeError(run, error) }),
    };
    run.emit({ type: 'result', result });
    return result;
  };
  try {
    throwIfCancelled(signal);
    const owner = { deployment, person };
    const note: OnLockNote = (text, what) => run.note(text, what === 'not-released' ? 'warning' : 'info');
    const outcome = await withLock(host.engine, service.name, owner, note, stop.signal, async (lock) => {
      lock.lost.addEventListener('abort', () => stop.abort(lock.lost.reason), { once: true });
      run.lock = lock;
      try {
        const release = await work(run);
        return () => finish(release, successSummary(run, release));
      } catch (error) {
        const cause = (await lockLoss(run)) ?? describedByStage(run, error);
        // Whoever took the lock over is at work already, and settles what this run left.
        const mayTakeBack = !isPastTheSwitch(run, cause) && cause.code !== 'lock-lost';
        const isWhole = !mayTakeBack || (await takeBack(run));
        await lookForLive(run);
        return () => finish(undefined, failureSummary(run, cause, isWhole), cause);
      }
    });
    return outcome();
  } catch (error) {
    const cause = toDeployError(error);
    await lookForLive(run);
    return finish(undefined, failureSummary(run, cause, true), cause);
  } finally {
    await run.endAside();
    signal.removeEventListener('abort', cancel);
    forget?.();
  }
}

/** After a sleep everything seems to have failed, and the one true reason is that somebody else took the lock over. */
async function lockLoss(run: Run): Promise<DeployError | undefined> {
  try {
    await run.mustHoldLock();
    return undefined;
  } catch (error) {
    const cause = toDeployError(error);
    return cause.code === 'lock-lost' ? cause : undefined;
  }
}

/** Says which slot is live after a failure by asking the host once more, unless it is out of reach. */
async function lookForLive(run: Run): Promise<void> {
  if (run.host.transport?.closed === true) {
    return;
  }
  try {
    const { services } = await viewHost(run.engine, AbortSignal.timeout(LOOK_LIMIT_MS), run.service.name);
    run.live = services[0]?.live;
  } catch (error) {
    run.note(t('Could not look which slot is live: {0}', toDeployError(error).message), 'warning');
  }
}

/** Once the new slot has proven itself, only failing requests are a reason to go back to the old one. */
function isPastTheSwitch(run: Run, cause: DeployError): boolean {
  return (run.stage === 'drain' || run.stage === 'retire') && cause.code !== 'verify';
}

/**
 * Takes back what was done, the last step first. The first step that cannot be taken back is the last one tried: what was
 * done before it may be in use, as a slot is that nginx was not brought back from. False then.
 */
async function takeBack(run: Run): Promise<boolean> {
  for (const undo of run.undo.splice(0).reverse()) {
    try {
      await undo.run(AbortSignal.timeout(UNDO_LIMIT_MS));
    } catch (error) {
      run.note(t('Could not take back {0}: {1}', undo.what, toDeployError(error).message), 'warning');
      return false;
    }
  }
  return true;
}

/** An error with the code of its stage where it has none: a refusal of Docker's. What nobody foresaw stays `internal`. */
function describedByStage({ stage }: Run, error: unknown): DeployError {
  return toDeployError(error, stage !== undefined && error instanceof DockerError ? CODE_OF_STAGE[stage] : 'internal');
}

function successSummary(run: Run, release: string | undefined): string {
  const what = release === undefined ? run.service.name : `${run.service.name} ${release}`;
  const slot = run.live ?? t('no slot');
  const live =
    run.host.name === LOCAL_HOST
      ? t('{0} is live on {1} on this machine.', what, slot)
      : t('{0} is live on {1} at {2}.', what, slot, run.host.name);
  return inOneLine(live, sentence(describeTraffic(run.traffic)));
}

function failureSummary(run: Run, error: DeployError, isWhole: boolean): string {
  const { name } = run.service;
  const where = run.host.name;
  const broken = run.host.transport?.closed === true;
  if (broken && run.stage === 'switch') {
    return t(
      'The connection to {0} broke during the switch. nginx finishes it or takes it back by itself. Look at the status.',
      where,
    );
  }
  const state = liveSentence(name, run.live, where);
  const rest =
    !isWhole ||
    error.code === 'lock-lost' ||
    (broken && run.stage !== undefined && run.stage !== 'plan' && run.stage !== 'build')
      ? t('Not everything could be cleaned up; the next deployment does.')
      : undefined;
  if (isPastTheSwitch(run, error)) {
    const unfinished = t('The old slot was not retired; the next deployment does.');
    return inOneLine(t('The deployment of {0} was not finished.', name), state, unfinished, rest);
  }
  const what =
    error.code === 'cancelled' ? t('The deployment of {0} was cancelled.', name) : t('{0} was not deployed.', name);
  return inOneLine(what, state, rest);
}

function inOneLine(...sentences: (string | undefined)[]): string {
  return sentences.filter((it) => it !== undefined).join(' ');
}

function describeError(run: Run, error: DeployError): NonNullable<DeployResult['error']> {
  const { code, message, hint, detail, position } = error;
  return { code, stage: run.stage, message, hint, detail, position };
}
