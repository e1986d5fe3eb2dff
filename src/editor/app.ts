import * as vscode from 'vscode';
import type { ContextKey } from './commandIds';
import { ConfigEditing } from './configEditing';
import { showError } from './actions';
import { HostList } from './hostList';
import { HostStore } from './hostStore';
import { type Disposer, disposeAll } from './disposables';
import { Documents } from './documents';
import { createLog } from './log';
import { LogChannels } from './logChannels';
import { Panels } from './panels';
import type { Parts } from './parts';
import { Problems } from './problems';
import { EditorQuestions } from './questions';
import { performRunAction } from './runActions';
import { Runner } from './runner';
import { RunStore } from './runs';
import { SlotsTree } from './slotsTree';
import { StatusBar } from './statusBar';
import { registerTasks } from './tasks';

/** How long VS Code is kept waiting at its end for deployments to be taken back, in milliseconds. It allows 5 s. */
const STOP_LIMIT_MS = 4_000;

/** All parts of the editor, wired once. Constructing it registers everything and reads nothing from disk or network. */
export class App implements Parts {
  readonly hosts: HostStore;
  readonly hostList: HostList;
  readonly runs: RunStore;
  readonly panels: Panels;
  readonly problems: Problems;
  readonly runner: Runner;
  readonly tree: SlotsTree;
  readonly log: vscode.LogOutputChannel;
  readonly memory: vscode.Memento;
  readonly logs: LogChannels;
  readonly documents: Documents;
  private readonly subscriptions: readonly Disposer[];
  private running = false;

  constructor(context: vscode.ExtensionContext) {
    this.memory = context.workspaceState;
    this.hosts = new HostStore(new EditorQuestions(context.secrets));
    this.hostList = new HostList(context.globalState);
    this.runs = new RunStore(context.workspaceState);
    this.log = createLog(this.runs);
    this.problems = new Problems();
    this.documents = new Documents(this.runs);
    this.logs = new LogChannels(this.hosts);
    this.panels = new Panels(context.extensionUri, this.runs, {
      perform: (run, action) => performRunAction(this, run, action),
      openDiff: (run, path) => {
        this.documents.openDiff(run.id, path).catch((error: unknown) => showError(this, error));
      },
    });
    this.runner = new Runner({
      runs: this.runs,
      hosts: this.hosts,
      hostList: this.hostList,
      panels: this.panels,
      problems: this.problems,
      perform: (run, action) => performRunAction(this, run, action),
    });
    this.tree = new SlotsTree(this.hostList, this.hosts, this.runs);
    this.subscriptions = [
      this.tree,
      this.panels,
      this.documents,
      new ConfigEditing(this.hostList, this.hosts),
      registerTasks(this),
      this.logs,
      new StatusBar(this.runs, this.hosts),
      this.logs.onDidChange(() => setContext('blueGreen.following', this.logs.names.length > 0)),
      this.problems,
      this.hostList,
      this.log,
      this.runs.onDidChange(() => this.tellWhetherRunning()),
    ];
  }

  /** Takes back what runs, then lets go of everything. */
  async stop(): Promise<void> {
    await this.runner.stopAll(STOP_LIMIT_MS);
    this.runs.dispose();
    this.hosts.dispose();
    disposeAll(this.subscriptions);
  }

  /** Keeps the context key true to life; most changes of a run leave it as it is. */
  private tellWhetherRunning(): void {
    const running = this.runs.active().length > 0;
    if (running !== this.running) {
      this.running = running;
      setContext('blueGreen.running', running);
    }
  }
}

function setContext(key: ContextKey, value: boolean): void {
  void vscode.commands.executeCommand('setContext', key, value);
}
