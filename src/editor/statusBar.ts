import * as vscode from 'vscode';
import type { CommandId } from './commandIds';
import type { HostStore } from './hostStore';
import { t } from '../l10n';
import { runTitle, type SeenSince, statusBarText } from './runText';
import { phaseOf, type RunRecord, type RunStore } from './runs';

/**
 * The workspace's service in the status bar: what is live, or what is being done. It tells of the service that was
 * deployed last from this workspace, and asks no host by itself.
 */
export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('blueGreen.service', vscode.StatusBarAlignment.Left);
  /** Hosts that were looked at after their last run: what is known of any other is older than that run. */
  private readonly looked = new Set<string>();
  /** The run that it tells of. */
  private shown: string | undefined;
  private readonly subscriptions: vscode.Disposable;

  constructor(
    private readonly runs: RunStore,
    private readonly hosts: HostStore,
  ) {
    this.item.name = t('Blue-Green service');
    this.subscriptions = vscode.Disposable.from(
      this.item,
      runs.onDidChange((run) => {
        if (run.over) {
          this.looked.delete(run.host);
        }
        this.show();
      }),
      hosts.onDidChange((host) => {
        this.looked.add(host);
        this.show();
      }),
    );
    this.show();
  }

  dispose(): void {
    this.subscriptions.dispose();
  }

  private show(): void {
    const run = this.runs.active()[0] ?? this.runs.all().find(hasSeenTheHost);
    if (run === undefined) {
      this.item.hide();
      return;
    }
    const { text, spoken } = statusBarText(run, phaseOf(run), this.seenSince(run));
    const tooltip = [runTitle(run), run.snapshot?.result?.summary].filter(Boolean).join('\n');
    // Most events of a run change nothing here.
    if (this.shown !== run.id || this.item.text !== text || this.item.tooltip !== tooltip) {
      this.shown = run.id;
      this.item.command = showPanelCommand(run);
      this.item.text = text;
      this.item.tooltip = tooltip;
      this.item.accessibilityInformation = { label: spoken };
    }
    this.item.show();
  }

  private seenSince(run: RunRecord): SeenSince {
    const view = this.looked.has(run.host) ? this.hosts.view(run.host) : undefined;
    switch (view?.kind) {
      case 'seen':
        return view.state.services.find((service) => service.name === run.service) ?? 'absent';
      case 'offline':
        return 'offline';
      default:
        return 'unknown';
    }
  }
}

/** A run that never reached its host says nothing about what is live there. */
function hasSeenTheHost({ kind, snapshot }: RunRecord): boolean {
  return kind !== 'plan' && (snapshot?.plan !== undefined || snapshot?.result?.live !== undefined);
}

/** What a click does: the very run that is told of, without asking which. */
function showPanelCommand({ id }: RunRecord): vscode.Command {
  return { command: 'blueGreen.showPanel' satisfies CommandId, title: t('Show Deployment'), arguments: [id] };
}
