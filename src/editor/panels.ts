import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { isFromPanel, isPanelMemory, type PanelAction, type PanelSection, type ToPanel } from '../protocol';
import { PANEL_VIEW_TYPE } from './commandIds';
import { type Disposer, disposeAll } from './disposables';
import { t } from '../l10n';
import { panelHtml } from './panelHtml';
import { isOffered, logRow, panelState, panelWords } from './panelState';
import { runTitle } from './runText';
import { phaseOf, type RunRecord, type RunStore } from './runs';

/** Milliseconds between two updates of a page: events of one build can come by the thousand. */
const UPDATE_EVERY_MS = 80;

/** What the person wants of a run that a panel shows. */
export interface PanelHandler {
  perform(run: RunRecord, action: PanelAction): void;
  openDiff(run: RunRecord, path: string): void;
}

/**
 * The panels that show runs. A new run of a service to a host takes over the panel of an earlier one that is over, so
 * that a day's work does not end in a row of tabs. A page that is hidden is unloaded; when it is seen again it asks for
 * everything anew.
 */
export class Panels implements vscode.Disposable, vscode.WebviewPanelSerializer {
  private readonly open = new Set<RunPanel>();
  private readonly subscriptions: readonly Disposer[];

  constructor(
    private readonly extension: vscode.Uri,
    private readonly runs: RunStore,
    private readonly handler: PanelHandler,
  ) {
    runs.keepShown((id) => [...this.open].some(({ runId }) => runId === id));
    this.subscriptions = [
      vscode.window.registerWebviewPanelSerializer(PANEL_VIEW_TYPE, this),
      runs.onDidChange((run) => {
        for (const panel of this.open) {
          panel.changed(run);
        }
      }),
    ];
  }

  /** Shows a run's panel beside the editor, or brings it to the front where it is, with one part of it if said so. */
  show(run: RunRecord, preserveFocus: boolean, section?: PanelSection): void {
    const known = this.panelFor(run);
    if (known !== undefined) {
      known.showRun(run);
      known.panel.reveal(undefined, preserveFocus);
      known.openSection(section);
      return;
    }
    const column = vscode.window.activeTextEditor === undefined ? vscode.ViewColumn.Active : vscode.ViewColumn.Beside;
    const panel = vscode.window.createWebviewPanel(
      PANEL_VIEW_TYPE,
      panelTitle(run),
      { viewColumn: column, preserveFocus },
      { enableFindWidget: true },
    );
    this.attach(panel, run).openSection(section);
  }

  /**
   * Shows the plan that is to be read. The keyboard follows only from the panel itself: whoever types is left to it.
   * False where that would lay the plan over the text they type in: then it is not shown.
   */
  ask(run: RunRecord): boolean {
    const panel = this.panelFor(run)?.panel;
    const column = vscode.window.activeTextEditor?.viewColumn;
    if (panel?.visible === false && panel.viewColumn !== undefined && panel.viewColumn === column) {
      return false;
    }
    this.show(run, panel?.active !== true);
    return true;
  }

  /** The run's own panel, else one of the same service and host that shows a run which is over. */
  private panelFor(run: RunRecord): RunPanel | undefined {
    const panels = [...this.open];
    return (
      panels.find((panel) => panel.runId === run.id) ??
      panels.find((panel) => {
        const shown = this.runs.get(panel.runId);
        return shown === undefined
          ? false
          : shown.abort === undefined && shown.service === run.service && shown.host === run.host;
      })
    );
  }

  /** Called by VS Code after a reload of the window, for each panel that was open. */
  deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const run = isPanelMemory(state) ? this.runs.get(state.run) : undefined;
    if (run === undefined) {
      // Its run is no longer kept; an empty page would help nobody.
      panel.dispose();
    } else {
      this.attach(panel, run);
    }
    return Promise.resolve();
  }

  dispose(): void {
    disposeAll(this.subscriptions);
    for (const panel of this.open) {
      panel.stop();
    }
  }

  private attach(panel: vscode.WebviewPanel, run: RunRecord): RunPanel {
    const media = vscode.Uri.joinPath(this.extension, 'media');
    const dist = vscode.Uri.joinPath(this.extension, 'dist', 'webview');
    panel.webview.options = { enableScripts: true, localResourceRoots: [dist] };
    panel.iconPath = vscode.Uri.joinPath(media, 'icon.png');
    const runPanel = new RunPanel(panel, run.id, this.runs, this.handler);
    this.open.add(runPanel);
    panel.onDidDispose(() => {
      runPanel.stop();
      this.open.delete(runPanel);
      // Who closes a plan does not want it.
      this.runs.get(runPanel.runId)?.answer?.(false);
    });
    panel.webview.html = panelHtml({
      language: vscode.env.language,
      title: panelTitle(run),
      scriptUri: panel.webview.asWebviewUri(vscode.Uri.joinPath(dist, 'panel.js')).toString(),
      styleUri: panel.webview.asWebviewUri(vscode.Uri.joinPath(dist, 'panel.css')).toString(),
      cspSource: panel.webview.cspSource,
      nonce: randomBytes(16).toString('base64'),
    });
    return runPanel;
  }
}

/** Keeps one page up to date while it can be seen. */
class RunPanel {
  private ready = false;
  /** The part to open when the page has loaded. */
  private wanted: PanelSection | undefined;
  /** Lines of the log, dropped ones included, that the page has. */
  private sentLines = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    readonly panel: vscode.WebviewPanel,
    public runId: string,
    private readonly runs: RunStore,
    private readonly handler: PanelHandler,
  ) {
    panel.webview.onDidReceiveMessage((message: unknown) => this.receive(message));
    panel.onDidChangeViewState(() => {
      if (!panel.visible) {
        this.ready = false;
      }
    });
  }

  /** Turns to another run. */
  showRun(run: RunRecord): void {
    if (run.id !== this.runId) {
      this.runId = run.id;
      this.panel.title = panelTitle(run);
      this.begin(run);
    }
  }

  /** Opens a part of the page, at once or when it has loaded. */
  openSection(section: PanelSection | undefined): void {
    this.wanted = section;
    this.openWanted();
  }

  private openWanted(): void {
    if (this.ready && this.wanted !== undefined) {
      this.post({ type: 'open', section: this.wanted });
      this.wanted = undefined;
    }
  }

  changed(run: RunRecord): void {
    if (run.id === this.runId && this.ready && this.timer === undefined) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.update();
      }, UPDATE_EVERY_MS);
    }
  }

  stop(): void {
    this.ready = false;
    clearTimeout(this.timer);
  }

  private receive(message: unknown): void {
    const run = this.runs.get(this.runId);
    if (!isFromPanel(message) || run === undefined) {
      return;
    }
    switch (message.type) {
      case 'ready':
        this.ready = true;
        this.begin(run);
        break;
      case 'action':
        if (isOffered(message, run, phaseOf(run))) {
          this.handler.perform(run, message.action);
        }
        break;
      case 'diff':
        if (message.run === run.id) {
          this.handler.openDiff(run, message.path);
        }
    }
  }

  /** Tells the page everything about a run, as the first it hears of it. */
  private begin(run: RunRecord): void {
    if (this.ready) {
      this.sentLines = 0;
      this.post({ type: 'words', words: panelWords(), run: run.id });
      this.update();
      this.openWanted();
    }
  }

  private update(): void {
    const run = this.runs.get(this.runId);
    if (!this.ready || run === undefined) {
      return;
    }
    this.post({ type: 'state', state: panelState(run, phaseOf(run)) });
    const log = run.snapshot?.log ?? [];
    const dropped = run.snapshot?.droppedLogLines ?? 0;
    const end = dropped + log.length;
    const from = Math.max(this.sentLines, dropped);
    if (end > this.sentLines || this.sentLines === 0) {
      const complete = this.sentLines < dropped || this.sentLines === 0;
      this.post({
        type: 'log',
        from: complete ? 0 : from,
        dropped,
        lines: log.slice(from - dropped).map(logRow),
      });
      this.sentLines = end;
    }
  }

  private post(message: ToPanel): void {
    void this.panel.webview.postMessage(message);
  }
}

function panelTitle(run: RunRecord): string {
  return run.kind === 'plan' ? t('Blue-Green plan: {0}', runTitle(run)) : t('Blue-Green: {0}', runTitle(run));
}
