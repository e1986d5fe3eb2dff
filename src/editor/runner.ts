import * as vscode from 'vscode';
import type { DeployRequest } from '../engine/deploy';
import type { Host } from '../engine/host';
import type { Patience } from '../engine/patience';
import { personHere } from '../engine/person';
import {
  cancelledError,
  type DeployError,
  type DeployResult,
  type Emit,
  NO_TRAFFIC,
  type Plan,
  type ServiceConfig,
  type SlotName,
  toDeployError,
} from '../model';
import { loadEngine } from './engineLoader';
import type { RunKind } from './history';
import type { HostList } from './hostList';
import type { HostStore } from './hostStore';
import { liveSentence, LOCAL_HOST } from '../hostNames';
import { t } from '../l10n';
import type { Panels } from './panels';
import type { Problems } from './problems';
import { type EndAction, endMessage, joinSentences, kindText, progressText, runTitle } from './runText';
import { phaseOf, type RunRecord, type RunStore, type RunSubject } from './runs';
import { readSetting } from './settings';
import { reloadTarget, type Target } from './target';

/** What a run needs of the rest of the editor. */
export interface RunnerParts {
  readonly runs: RunStore;
  readonly hosts: HostStore;
  readonly hostList: HostList;
  readonly panels: Panels;
  readonly problems: Problems;
  readonly perform: (run: RunRecord, action: EndAction) => void;
}

/** A run as the work in it sees it. */
interface Work {
  readonly id: string;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  readonly patience: Patience;
}

/** How a run ended; undefined for a plan that was made, and when a run of that service was under way already. */
type Outcome = DeployResult | undefined;

/** Carries out deployments, rollbacks and plans: progress, cancel, and one message at the end. */
export class Runner {
  /** The runs under way, each settled when its run has ended. */
  private readonly ends = new Set<Promise<void>>();
  /** Runs whose plan the person has read and declined. */
  private readonly declined = new Set<string>();

  constructor(private readonly parts: RunnerParts) {}

  /**
   * Deploys. What is done is what the person has read, in the plan given here or in the one made first: where that has
   * changed meanwhile, they read the new one. `true` for who does not want to read any.
   */
  deploy(target: Target, host: string, approved: Plan | boolean = !readSetting('planFirst', true)): Promise<Outcome> {
    const { service, origin } = target;
    return this.carryOut({ kind: 'deploy', service: service.name, host, origin }, async (work) => {
      let now = target;
      let read = typeof approved === 'boolean' ? undefined : approved;
      let toRead = approved === false;
      do {
        if (toRead) {
          read = await this.readPlan(work, now, host, read);
          // Reading takes its time, and whoever reads may edit meanwhile what the plan was made of.
          now = await reloadTarget(origin, service.name);
        }
        toRead = !(await this.deployAsRead(work, now, host, read));
      } while (toRead);
    });
  }

  /** Waits until the person has read the plan and approves of it. `read`: the one that they have read before. */
  private async readPlan(work: Work, target: Target, host: string, read: Plan | undefined): Promise<Plan> {
    const { id } = work;
    const plan = await this.withProgress(id, 'plan', () => this.preview(work, target, host, read));
    const approved = this.parts.runs.ask(id);
    const run = this.parts.runs.get(id);
    if (run?.answer !== undefined && !this.parts.panels.ask(run)) {
      this.sayItRuns(run);
    }
    if (!(await approved)) {
      this.declined.add(id);
      throw cancelledError();
    }
    return plan;
  }

  /** Deploys. False when that would not be what was read any more: then nothing was touched. */
  private async deployAsRead(
    { id, emit, signal, patience }: Work,
    { service }: Target,
    host: string,
    read: Plan | undefined,
  ): Promise<boolean> {
    let isAsRead = true;
    const emitUnlessChanged: Emit = (event) => {
      if (event.type === 'result' && event.result.error?.code === 'plan-changed') {
        isAsRead = false;
      } else {
        emit(event);
      }
    };
    await this.withProgress(id, 'deploy', async () => {
      const { deploy } = await loadEngine();
      await this.withEngines(service, host, signal, (onHost, build) =>
        deploy({ ...requestOf(service, onHost, build), patience, ...(read && { read }) }, emitUnlessChanged, signal),
      );
    });
    return isAsRead;
  }

  /** Goes back to the kept slot. `target` matters only for a slot that another tool made. */
  rollback(host: string, service: string, target: Target | undefined): Promise<Outcome> {
    const subject = { kind: 'rollback', service, host, origin: target?.origin } as const;
    return this.carryOut(subject, ({ id, emit, signal, patience }) =>
      this.withProgress(id, 'rollback', async () => {
        const { rollback } = await loadEngine();
        await this.onHost(host, signal, (onHost) =>
          rollback(
            { service, host: onHost, person: personHere(), patience, ...(target && { config: target.service }) },
            emit,
            signal,
          ),
        );
      }),
    );
  }

  /** Makes the named slot live, as a rollback does. */
  switchTo(host: string, service: string, slot: SlotName): Promise<Outcome> {
    const subject = { kind: 'switch', service, host, origin: undefined, to: slot } as const;
    return this.carryOut(subject, ({ id, emit, signal, patience }) =>
      this.withProgress(id, 'switch', async () => {
        const { switchSlot } = await loadEngine();
        await this.onHost(host, signal, (onHost) =>
          switchSlot({ service, host: onHost, to: slot, person: personHere(), patience }, emit, signal),
        );
      }),
    );
  }

  /** Finds out what a deployment would do and shows it. Nothing on the host is touched. */
  plan(target: Target, host: string): Promise<Outcome> {
    const { service, origin } = target;
    return this.carryOut({ kind: 'plan', service: service.name, host, origin }, async (work) => {
      await this.withProgress(work.id, 'plan', () => this.preview(work, target, host));
    });
  }

  private async preview({ emit, signal }: Work, { service }: Target, host: string, read?: Plan): Promise<Plan> {
    const { previewDeployment } = await loadEngine();
    return this.withEngines(service, host, signal, (onHost, build) =>
      previewDeployment({ ...requestOf(service, onHost, build), ...(read && { read }) }, emit, signal),
    );
  }

  /** Cancels what runs and waits until it has been taken back, at most `limitMs`. */
  async stopAll(limitMs: number): Promise<void> {
    for (const run of this.parts.runs.active()) {
      this.parts.runs.cancel(run.id);
    }
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([Promise.all(this.ends), limit]);
    clearTimeout(timer);
  }

  private withEngines<T>(
    service: ServiceConfig,
    host: string,
    signal: AbortSignal,
    work: (onHost: Host, build: Host) => Promise<T>,
  ): Promise<T> {
    return this.onHost(host, signal, async (onHost) => {
      const { buildsOnHost } = await loadEngine();
      return buildsOnHost(service, onHost)
        ? work(onHost, onHost)
        : this.parts.hosts.use(LOCAL_HOST, signal, (build) => work(onHost, build));
    });
  }

  /** Works on a host, which is on the list from its first answer on: one whose name was mistyped never is. */
  private onHost<T>(host: string, signal: AbortSignal, work: (onHost: Host) => Promise<T>): Promise<T> {
    const { hosts, hostList } = this.parts;
    return hosts.use(host, signal, async (onHost) => {
      await hostList.touch(host);
      return work(onHost);
    });
  }

  /** The frame of every run. Settles when the run has ended; the message at the end does not hold it up. */
  private async carryOut(subject: RunSubject, work: (run: Work) => Promise<void>): Promise<Outcome> {
    const { kind, service, host } = subject;
    const { runs, problems } = this.parts;
    const other = runs.activeOn(service, host);
    if (other !== undefined) {
      this.sayItRuns(other);
      return undefined;
    }
    const run = runs.begin(subject);
    const { id, abort, patience } = run;
    const signal = (abort ?? new AbortController()).signal;
    const emit: Emit = (event) => runs.fold(id, event);
    const begin = async (): Promise<void> => {
      problems.clearFailure(service);
      if (kind === 'plan' || readSetting('openPanel', true)) {
        this.parts.panels.show(run, true);
      }
      await work({ id, emit, signal, patience });
    };
    const end = begin()
      .catch((error: unknown) => {
        const { deployment = '', plan } = runs.get(id)?.snapshot ?? {};
        const result = failedBefore(service, host, toDeployError(error), plan?.live);
        emit({ type: 'result', at: Date.now(), deployment, result });
      })
      .finally(() => runs.end(id));
    this.ends.add(end);
    await end;
    this.ends.delete(end);
    const ended = runs.get(id);
    if (ended !== undefined) {
      void this.sayHowItEnded(ended);
    }
    return ended?.snapshot?.result;
  }

  private withProgress<T>(id: string, kind: RunKind, work: () => Promise<T>): Promise<T> {
    const { runs } = this.parts;
    const run = runs.get(id);
    const title = run === undefined ? '' : `${kindText(kind)} ${runTitle(run)}`;
    return Promise.resolve(
      vscode.window.withProgress(
        { location: vscode.ProgressLocation.Notification, title, cancellable: true },
        async (progress, token) => {
          let shown = '';
          const report = (changed: RunRecord): void => {
            const message = changed.abort?.signal.aborted === true ? t('Cancelling…') : progressText(changed);
            if (changed.id === id && message !== shown) {
              shown = message;
              progress.report({ message });
            }
          };
          const changes = runs.onDidChange(report);
          const cancel = token.onCancellationRequested(() => runs.cancel(id));
          if (run !== undefined) {
            report(run);
          }
          try {
            return await work();
          } finally {
            changes.dispose();
            cancel.dispose();
          }
        },
      ),
    );
  }

  private sayItRuns(run: RunRecord): void {
    const isAsking = phaseOf(run) === 'asking';
    const show = isAsking ? t('Show Plan') : t('Show Deployment');
    const text = isAsking
      ? t('The plan of {0} waits for your answer.', runTitle(run))
      : t('{0} is under way already: {1}.', runTitle(run), progressText(run));
    void vscode.window.showInformationMessage(text, show).then((choice) => {
      if (choice === show) {
        this.parts.panels.show(run, false);
      }
    });
  }

  private async sayHowItEnded(run: RunRecord): Promise<void> {
    const result = run.snapshot?.result;
    // Who has just declined a plan need not be told so.
    if (result === undefined || this.declined.delete(run.id)) {
      return;
    }
    if (result.error !== undefined) {
      this.parts.problems.showFailure(run.service, result.error);
    }
    const { severity, text, actions } = endMessage(result);
    const labels = actions.map((action) => actionLabel(action));
    const choice =
      severity === 'error'
        ? await vscode.window.showErrorMessage(text, ...labels)
        : await vscode.window.showInformationMessage(text, ...labels);
    const action = choice === undefined ? undefined : actions[labels.indexOf(choice)];
    if (action !== undefined) {
      this.parts.perform(run, action);
    }
  }
}

function actionLabel(action: EndAction): string {
  switch (action) {
    case 'openSite':
      return t('Open Site');
    case 'showPanel':
      return t('Show Details');
    case 'showProbes':
      return t('Show Probe Log');
    case 'lastLines':
      return t("Show Container's Last Lines");
    case 'showLog':
      return t('Show Log');
    case 'openSource':
      return t('Open the File');
  }
}

function requestOf(service: ServiceConfig, host: Host, build: Host): DeployRequest {
  return { service, host, build: build.engine, person: personHere() };
}

/** The result of a run that ended before the engine could give one: no connection, no Docker here, a plan declined. */
function failedBefore(service: string, host: string, error: DeployError, live: SlotName | undefined): DeployResult {
  const { code, message, hint, detail, position } = error;
  const untouched =
    code === cancelledError().code ? t('Cancelled before anything was touched.') : t('Nothing was touched.');
  return {
    ok: false,
    service,
    host,
    live,
    release: undefined,
    summary: live === undefined ? untouched : joinSentences(untouched, liveSentence(service, live, host)),
    bytesSent: 0,
    durations: {},
    requests: NO_TRAFFIC,
    error: { code, stage: undefined, message, hint, detail, position },
  };
}
