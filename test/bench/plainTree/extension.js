/** Rows that are all known beforehand. Removing a host has VS Code draw all of them anew, as in the Slots view. */
const vscode = require('vscode');

const HOSTS = 50;
const SERVICES = 20;
const STRANGERS = 10;

const named = (word, count, below) =>
  Array.from({ length: count }, (_, index) => ({ label: `${word}-${String(index + 1).padStart(2, '0')}`, below }));
const slot = {
  label: 'BLUE',
  below: [],
  description: 'live, healthy · 1 minute · v1 · somebody',
  icon: 'circle-filled',
};
const services = named('service', SERVICES, [slot]);
const proxy = { label: 'Proxy', below: [], description: 'nginx 1.30 · port 80', icon: 'arrow-swap' };
let hosts = [...named('host', HOSTS, [...services, proxy]), ...named('nowhere', STRANGERS, [])];

class Rows {
  changed = new vscode.EventEmitter();
  onDidChangeTreeData = this.changed.event;

  getChildren(node = { id: '', below: hosts }) {
    return node.below.map((row) => ({ ...row, id: `${node.id}/${row.label}` }));
  }

  getTreeItem({ id, label, below, description = `${below.length} rows`, icon = 'server' }) {
    const { Expanded, None } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(label, below.length === 0 ? None : Expanded);
    return Object.assign(item, {
      id,
      description,
      tooltip: `${label}: ${description}`,
      contextValue: 'row',
      iconPath: new vscode.ThemeIcon(icon),
      accessibilityInformation: { label: `${label}, ${description}` },
    });
  }
}

exports.activate = ({ subscriptions }) => {
  const rows = new Rows();
  const remove = async () => {
    const labels = hosts.map((host) => host.label);
    const removed = await vscode.window.showQuickPick(labels);
    hosts = hosts.filter((host) => host.label !== removed);
    rows.changed.fire(undefined);
  };
  subscriptions.push(
    vscode.window.createTreeView('plainTree.rows', { treeDataProvider: rows }),
    vscode.commands.registerCommand('plainTree.remove', remove),
  );
};
