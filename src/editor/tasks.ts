import * as vscode from 'vscode';
import { cancelledError, DeployError, type DeployResult, EXIT_CODES, throwIfCancelled, toDeployError } from '../model';
import { hostLabel } from '../hostNames';
import { t } from '../l10n';
import { panelState } from './panelState';
import type { Parts } from './parts';
import { plainText } from './plainText';
import { joinSentences, logLine } from './runText';
import type { RunRecord } from './runs';
import { findTargets, targetNamed } from './target';

/** As package.json declares it. */
export const TASK_TYPE = 'blue-green';
const ACTIONS = ['deploy', 'plan', 'rollback'] as const;
type TaskAction = (typeof ACTIONS)[number];

interface Definition extends vscode.TaskDefinition {
  readonly action: TaskAction;
  readonly service: string;
  readonly host: string;
}

/**
 * Deployments as tasks, so that one can follow a build (`dependsOn`) or be run by a key. A task asks nothing: it names
 * service and host, and its plan is taken as read. Its exit code is that of the command line program.
 */
export function registerTasks(app: Parts): vscode.Disposable {
  return vscode.tasks.registerTaskProvider(TASK_TYPE, {
    provideTasks: async () => {
      if (!vscode.workspace.isTrusted) {
        return [];
      }
      // A workspace without a service has no tasks; that is nothing to complain about here.
      const { targets } = await findTargets().catch(() => ({ targets: [] }));
      return targets.flatMap(({ service }) =>
        service.hosts.map((host) =>
          toTask(app, { type: TASK_TYPE, action: 'deploy', service: service.name, host }, vscode.TaskScope.Workspace),
        ),
      );
    },
    resolveTask: (task) =>
      isDefinition(task.definition)
        ? toTask(app, task.definition, task.scope ?? vscode.TaskScope.Workspace, task.definition)
        : undefined,
  });
}

/** VS Code wants a resolved task to carry the very definition it was asked for. */
function toTask(
  app: Parts,
  definition: Definition,
  scope: vscode.TaskScope | vscode.WorkspaceFolder,
  original: vscode.TaskDefinition = definition,
): vscode.Task {
  const { action, service, host } = definition;
  const name = {
    deploy: t('deploy {0} to {1}', service, hostLabel(host)),
    plan: t('plan {0} for {1}', service, hostLabel(host)),
    rollback: t('roll back {0} on {1}', service, hostLabel(host)),
  }[action];
  return new vscode.Task(
    original,
    scope,
    name,
    TASK_TYPE,
    // Handed over with its variables filled in, such as ${input:host}.
    new vscode.CustomExecution((resolved) =>
      Promise.resolve(new TaskTerminal(app, isDefinition(resolved) ? resolved : definition)),
    ),
    // None: otherwise VS Code asks how to scan the output.
    [],
  );
}

function isDefinition(value: vscode.TaskDefinition): value is Definition {
  return (
    value.type === TASK_TYPE &&
    ACTIONS.some((action) => action === value['action']) &&
    typeof value['service'] === 'string' &&
    typeof value['host'] === 'string'
  );
}

/** Runs the action and writes its log; closing the terminal cancels. */
class TaskTerminal implements vscode.Pseudoterminal {
  private readonly write = new vscode.EventEmitter<string>();
  private readonly closed = new vscode.EventEmitter<number>();
  private readonly abort = new AbortController();
  /** The run that is this task's own. */
  private run: RunRecord | undefined;
  readonly onDidWrite = this.write.event;
  readonly onDidClose = this.closed.event;

  constructor(
    private readonly app: Parts,
    private readonly definition: Definition,
  ) {}

  open(): void {
    void this.perform();
  }

  close(): void {
    this.abort.abort(cancelledError());
    if (this.run !== undefined) {
      this.app.runs.cancel(this.run.id);
    }
  }

  private async perform(): Promise<void> {
    const log = this.app.runs.onEvent(({ run, event }) => {
      const line = run.id === this.run?.id ? logLine(event) : undefined;
      if (line !== undefined) {
        this.say(line.text);
      }
    });
    try {
      const result = await this.act();
      if (this.definition.action === 'plan') {
        this.sayPlan();
      }
      this.closed.fire(result?.error === undefined ? 0 : EXIT_CODES[result.error.code]);
    } catch (error) {
      const { code, message, hint } = toDeployError(error);
      this.say(joinSentences(message, hint));
      this.closed.fire(EXIT_CODES[code]);
    } finally {
      log.dispose();
    }
  }

  private async act(): Promise<DeployResult | undefined> {
    const { service, host } = this.definition;
    const { runs } = this.app;
    const begin = await this.prepare();
    throwIfCancelled(this.abort.signal);
    if (runs.activeOn(service, host) !== undefined) {
      throw new DeployError('locked', t('{0} is being deployed to {1} already.', service, hostLabel(host)));
    }
    const ended = begin();
    // It began at once, and nothing has happened in it yet.
    this.run = runs.activeOn(service, host);
    return ended;
  }

  /** Finds what the action needs. Throws `usage` or `config` when that is not there. */
  private async prepare(): Promise<() => Promise<DeployResult | undefined>> {
    const { action, service, host } = this.definition;
    const { runner } = this.app;
    if (action === 'rollback') {
      const target = await targetNamed(service).catch(() => undefined);
      return () => runner.rollback(host, service, target);
    }
    const target = await targetNamed(service);
    return () => (action === 'deploy' ? runner.deploy(target, host, true) : runner.plan(target, host));
  }

  private sayPlan(): void {
    const run = this.run && this.app.runs.get(this.run.id);
    if (run !== undefined) {
      const { plan, warnings } = panelState(run, 'over');
      plan.forEach(({ label, value }) => this.say(`${label}: ${value}`));
      warnings.forEach((warning) => this.say(warning));
    }
  }

  private say(text: string): void {
    this.write.fire(`${plainText(text).replace(/\n/g, '\r\n')}\r\n`);
  }
}
