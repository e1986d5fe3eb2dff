import * as vscode from 'vscode';
import { type CommandId, SLOTS_VIEW } from './commandIds';
import { type Disposer, disposeAll } from './disposables';
import type { HostList } from './hostList';
import type { HostStore } from './hostStore';
import { HostWatches } from './hostWatches';
import { t } from '../l10n';
import { wantsPerson } from './passing';
import { phaseOf, type RunRecord, type RunStore } from './runs';
import { runningText } from './runText';
import { ShownRows, type TreeNode } from './shownRows';
import { hostRow, isBusy, type Row, rowsOfHost, rowsOfService, type RunningHere } from './treeRows';

/**
 * The Slots view: hosts, their services, and each service's slots. A host is looked at when its row is opened, after a
 * deployment to it, and when its engine tells of a change while the view can be seen. Only a host that was lost is asked
 * by the clock, and none at all while the view is hidden. Of a change only the rows that differ are drawn anew.
 */
export class SlotsTree implements vscode.TreeDataProvider<TreeNode>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<TreeNode | undefined>();
  private readonly subscriptions: readonly Disposer[];
  private readonly rows = new ShownRows(
    (row) => this.rowsBelow(row),
    (node) => this.changed.fire(node),
  );
  /** Hosts to look at again when they are next drawn. */
  private readonly stale = new Set<string>();
  /** Hosts that have a row. */
  private listed: readonly string[];
  /** What each run's row says now. */
  private readonly shownText = new Map<string, string>();
  private readonly watches: HostWatches;
  readonly onDidChangeTreeData = this.changed.event;
  readonly view: vscode.TreeView<TreeNode>;

  constructor(
    private readonly hostList: HostList,
    private readonly hosts: HostStore,
    private readonly runs: RunStore,
  ) {
    this.view = vscode.window.createTreeView(SLOTS_VIEW, { treeDataProvider: this, showCollapseAll: true });
    this.watches = new HostWatches(hosts);
    this.listed = this.names();
    this.subscriptions = [
      this.changed,
      this.view,
      this.watches,
      hostList.onDidChange(() => this.updateList()),
      hosts.onDidChange((host) => this.rows.update(host)),
      runs.onDidChange((run) => this.runChanged(run)),
      this.view.onDidChangeVisibility(({ visible }) => this.setVisible(visible)),
      this.view.onDidExpandElement(
        ({ element }) => element.row.kind === 'host' && this.watches.reopen(element.row.host),
      ),
      this.view.onDidCollapseElement(
        ({ element }) => element.row.kind === 'host' && this.watches.end(element.row.host),
      ),
    ];
    this.setVisible(this.view.visible);
  }

  /** Looks at the host again, also where its row is closed, or at every host whose row is open. */
  refresh(host?: string): void {
    if (host === undefined) {
      this.names().forEach((name) => this.drawAgain(name));
      return;
    }
    // VS Code asks for nothing below a row that is closed.
    void this.hosts.observe(host, true);
    this.drawAgain(host);
  }

  /** Looks at a host after something was done to it, or could not be done. */
  lookAgain(host: string): void {
    if (!wantsPerson(this.hosts.view(host))) {
      this.refresh(host);
    }
  }

  /** Shows a host's row, opened. */
  async reveal(host: string): Promise<void> {
    const node = this.rows.nodeOf(hostRow(host, this.hosts.view(host), this.runningOn(host)));
    try {
      await this.view.reveal(node, { select: false, focus: false, expand: 2 });
    } catch {
      // The row went away in the meantime: nothing to show.
    }
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    const { row } = node;
    const state = {
      none: vscode.TreeItemCollapsibleState.None,
      collapsed: vscode.TreeItemCollapsibleState.Collapsed,
      expanded: vscode.TreeItemCollapsibleState.Expanded,
    }[row.children];
    const item = new vscode.TreeItem(row.label, state);
    item.id = row.id;
    item.description = row.description;
    item.tooltip = row.tooltip;
    item.contextValue = row.context;
    item.iconPath = new vscode.ThemeIcon(
      row.icon.id,
      row.icon.color === undefined ? undefined : new vscode.ThemeColor(row.icon.color),
    );
    item.accessibilityInformation = { label: row.spoken };
    if (isBusy(row)) {
      item.command = showPanelCommand(node);
    }
    return item;
  }

  /** At once, from what is known: VS Code draws none of the rows before it has all that are open. What is learnt later is drawn then. */
  getChildren(node?: TreeNode): TreeNode[] {
    if (node?.row.kind === 'host') {
      const { host } = node.row;
      const known = this.hosts.view(host).kind;
      this.watches.begin(host, this.stale.delete(host) || known === 'unseen' || known === 'connecting');
    }
    return this.rows.children(node);
  }

  getParent({ row }: TreeNode): TreeNode | undefined {
    switch (row.kind) {
      case 'host':
        return undefined;
      case 'slot':
        return this.rows.find(`service:${row.host}:${row.service}`);
      default:
        return this.rows.find(`host:${row.host}`);
    }
  }

  dispose(): void {
    this.rows.setVisible(false);
    disposeAll(this.subscriptions);
  }

  /** Has a host drawn with what is below it, if that is open, and then looked at. */
  private drawAgain(host: string): void {
    this.stale.add(host);
    this.changed.fire(this.rows.find(`host:${host}`));
  }

  private setVisible(visible: boolean): void {
    this.watches.setVisible(visible);
    this.rows.setVisible(visible);
  }

  /** Hosts came or went. One that has no row any more is let go of. */
  private updateList(): void {
    const names = this.names();
    for (const host of this.listed.filter((name) => !names.includes(name))) {
      this.watches.end(host);
      this.hosts.forget(host);
    }
    this.listed = names;
    this.rows.update();
  }

  /** What is to be shown below a row, from what is known. */
  private rowsBelow(row: Row | undefined): Row[] {
    if (row === undefined) {
      return this.names().map((host) => hostRow(host, this.hosts.view(host), this.runningOn(host)));
    }
    if (row.kind === 'host') {
      return rowsOfHost(row.host, this.hosts.view(row.host), this.runningOn(row.host));
    }
    const service =
      row.kind === 'service'
        ? this.hosts.lastState(row.host)?.services.find((it) => it.name === row.service)
        : undefined;
    if (service === undefined) {
      return [];
    }
    const isWorkedOn = this.runningOn(row.host).some((run) => run.service === service.name);
    return rowsOfService(row.host, service, Date.now(), isWorkedOn);
  }

  private names(): string[] {
    return [...new Set([...this.hostList.all(), ...this.runs.active().map((run) => run.host)])];
  }

  private runningOn(host: string): RunningHere[] {
    return this.runs
      .active()
      .filter((run) => run.host === host && run.kind !== 'plan')
      .map((run) => ({ service: run.service, text: runningText(run, phaseOf(run)) }));
  }

  private runChanged(run: RunRecord): void {
    const text = run.over ? undefined : runningText(run, phaseOf(run));
    // Most events of a run change nothing in this view.
    if (this.shownText.get(run.id) === text) {
      return;
    }
    if (text === undefined) {
      this.shownText.delete(run.id);
    } else {
      this.shownText.set(run.id, text);
    }
    // A host that is not on the list has its row as long as the run lasts.
    this.updateList();
    if (run.over && run.kind !== 'plan') {
      this.lookAfter(run);
    }
  }

  /** Looks at a host that a run may have changed. */
  private lookAfter({ host, snapshot }: RunRecord): void {
    // One that was just out of reach, or not trusted, would only ask the same questions again.
    if (snapshot?.result?.error?.code.startsWith('host-') === true) {
      return;
    }
    this.drawAgain(host);
    if (this.view.visible) {
      void this.reveal(host);
    }
  }
}

/** What a click on a row does that a run works on. */
function showPanelCommand(node: TreeNode): vscode.Command {
  return { command: 'blueGreen.showPanel' satisfies CommandId, title: t('Show Deployment'), arguments: [node] };
}
