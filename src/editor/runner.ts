import { hostname, userInfo } from 'node:os';
import * as vscode from 'vscode';
import type { Patience } from '../engine/patience';
import {
  cancelledError,
  type DeployError,
  type DeployResult,
  type Emit,
  type ServiceConfig,
  type SlotName,
  toDeployError,
} from '../model';
import { loadEngine } from './engineLoader';
import type { Origin, RunKind } from './history';
import type { HostList } from './hostList';
import type { HostStore } from './hostStore';
import { liveSentence, LOCAL_HOST } from '../hostNames';
import { t } from '../l10n';
import type { Panels } from './panels';
import { openPosition, type Problems } from './problems';
import { type EndAction, endMessage, joinSentences, kindText, progressText, runTitle } from './runText';
import type { RunRecord, RunStore } from './runs';
import { readSetting } from './settings';
import type { Target } from './target';

/** What a run needs of the rest of the editor. */
export interface RunnerParts {
  readonly runs: RunStore;
  readonly hosts: HostStore;
  readonly hostList: HostList;
  readonly panels: Panels;
  readonly problems: Problems;
  readonly showLog: () => void;
  readonly openSite: (host: string, service: string) => Promise<void>;
  readonly showLastLines: (run: RunRecord) => Promise<void>;
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

  /** Deploys, after the person has read the plan unless they have already or do not want to. */
  deploy(target: Target, host: string, approved = !readSetting('planFirst', true)): Promise<Outcome> {
    const { service, origin } = target;
    return this.carryOut('deploy', service.name, host, origin, async ({ id, emit, signal, patience }) => {
      if (!approved) {
        await this.withProgress(id, 'plan', () => this.preview(target, host, emit, signal));
        this.show(id, false);
        if (!(await this.parts.runs.ask(id))) {
          this.declined.add(id);
          throw cancelledError();
        }
      }
      await this.withProgress(id, 'deploy', async () => {
        const { deploy } = await loadEngine();
        await this.withEngines(service, host, signal, (onHost, build) =>
          deploy({ service, host: onHost, build: build.engine, person: personHere(), patience }, emit, signal),
        );
      });
    });
  }

  /** Goes back to the kept slot. `target` matters only for a slot that another tool made. */
  rollback(host: string, service: string, target: Target | undefined): Promise<Outcome> {
    return this.carryOut('rollback', service, host, target?.origin, ({ id, emit, signal, patience }) =>
      this.withProgress(id, 'rollback', async () => {
        const { rollback } = await loadEngine();
        await this.parts.hosts.use(host, signal, (onHost) =>
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
    return this.carryOut('switch', service, host, undefined, ({ id, emit, signal, patience }) =>
      this.withProgress(id, 'switch', async () => {
        const { switchSlot } = await loadEngine();
        await this.parts.hosts.use(host, signal, (onHost) =>
          switchSlot({ service, host: onHost, to: slot, person: personHere(), patience }, emit, signal),
        );
      }),
    );
  }

  /** Finds out what a deployment would do and shows it. Nothing on the host is touched. */
  plan(target: Target, host: string): Promise<Outcome> {
    return this.carryOut('plan', target.service.name, host, target.origin, ({ id, emit, signal }) =>
      this.withProgress(id, 'plan', () => this.preview(target, host, emit, signal)),
    );
  }

  private async preview({ service }: Target, host: string, emit: Emit, signal: AbortSignal): Promise<void> {
    const { previewDeployment } = await loadEngine();
    await this.withEngines(service, host, signal, (onHost, build) =>
      previewDeployment({ service, host: onHost, build: build.engine, person: personHere() }, emit, signal),
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
    work: (onHost: Parameters<Parameters<HostStore['use']>[2]>[0], build: typeof onHost) => Promise<T>,
  ): Promise<T> {
    const { hosts } = this.parts;
    if (service.transfer.way === 'host') {
      return hosts.use(host, signal, (onHost) => work(onHost, onHost));
    }
    return hosts.use(LOCAL_HOST, signal, (build) => hosts.use(host, signal, (onHost) => work(onHost, build)));
  }

  /** The frame of every run. Settles when the run has ended; the message at the end does not hold it up. */
  private async carryOut(
    kind: RunKind,
    service: string,
    host: string,
    origin: Origin | undefined,
    work: (run: { id: string; emit: Emit; signal: AbortSignal; patience: Patience }) => Promise<void>,
  ): Promise<Outcome> {
    const { runs, hostList, problems } = this.parts;
    const other = runs.activeOn(service, host);
    if (other !== undefined) {
      this.sayItRuns(other);
      return undefined;
    }
    const { id, abort, patience } = runs.begin(kind, service, host, origin);
    const signal = (abort ?? new AbortController()).signal;
    problems.clearFailure(service);
    await hostList.touch(host);
    if (kind === 'plan' || readSetting('openPanel', true)) {
      this.show(id, true);
    }
    const emit: Emit = (event) => runs.fold(id, event);
    const end = work({ id, emit, signal, patience })
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

  private show(id: string, preserveFocus: boolean): void {
    const run = this.parts.runs.get(id);
    if (run !== undefined) {
      this.parts.panels.show(run, preserveFocus);
    }
  }

  private withProgress(id: string, kind: RunKind, work: () => Promise<void>): Promise<void> {
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
            await work();
          } finally {
            changes.dispose();
            cancel.dispose();
          }
        },
      ),
    );
  }

  private sayItRuns(run: RunRecord): void {
    const show = t('Show Deployment');
    const text = t('{0} is under way already: {1}.', runTitle(run), progressText(run));
    void vscode.window.showInformationMessage(text, show).then((choice) => {
      const now = runOf(this.parts.runs, run);
      if (choice === show && now !== undefined) {
        this.parts.panels.show(now, false);
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
      await this.act(run, action);
    }
  }

  private async act(run: RunRecord, action: EndAction): Promise<void> {
    switch (action) {
      case 'openSite':
        await this.parts.openSite(run.host, run.service);
        break;
      case 'showPanel':
        this.parts.panels.show(run, false);
        break;
      case 'showProbes':
        this.parts.panels.show(run, false, 'probes');
        break;
      case 'showLastLines':
        await this.parts.showLastLines(run);
        break;
      case 'showLog':
        this.parts.showLog();
        break;
      case 'openSource': {
        const position = run.snapshot?.result?.error?.position;
        if (position !== undefined) {
          await openPosition(position);
        }
      }
    }
  }
}

function runOf(runs: RunStore, run: RunRecord): RunRecord | undefined {
  return runs.get(run.id);
}

function actionLabel(action: EndAction): string {
  switch (action) {
    case 'openSite':
      return t('Open Site');
    case 'showPanel':
      return t('Show Details');
    case 'showProbes':
      return t('Show Probe Log');
    case 'showLastLines':
      return t("Show Container's Last Lines");
    case 'showLog':
      return t('Show Log');
    case 'openSource':
      return t('Open the File');
  }
}

/** Who deploys, as it is written on the slot. */
export function personHere(): string {
  let name: string;
  try {
    name = userInfo().username;
  } catch {
    // An account without an entry in the system's user list, as in some containers.
    name = process.env['USER'] ?? process.env['USERNAME'] ?? 'unknown';
  }
  return `${name}@${hostname()}`;
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
    requests: { sent: 0, failed: 0, longestMs: 0 },
    error: { code, stage: undefined, message, hint, detail, position },
  };
}
