import * as vscode from 'vscode';
import { changesSetting, readList, writeHosts } from './settings';

const RECENT_KEY = 'blueGreen.recentHosts';
const MAX_RECENT = 20;

/** The hosts a person works with: those in the settings, then those that runs have reached lately, newest first. */
export class HostList implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly settings: vscode.Disposable;
  readonly onDidChange = this.changed.event;

  constructor(private readonly memory: vscode.Memento) {
    this.settings = vscode.workspace.onDidChangeConfiguration((event) => {
      if (changesSetting(event, 'hosts')) {
        this.changed.fire();
      }
    });
  }

  all(): string[] {
    return [...new Set([...readList('hosts'), ...this.recent()])];
  }

  recent(): string[] {
    return this.memory.get<string[]>(RECENT_KEY, []);
  }

  /** Adds a host to the settings, where it stays until it is taken off the list. */
  async add(host: string): Promise<void> {
    const configured = readList('hosts');
    if (!configured.includes(host)) {
      await writeHosts([...configured, host]);
    }
  }

  /** Remembers that a run has just reached a host. */
  async touch(host: string): Promise<void> {
    await this.memory.update(RECENT_KEY, [host, ...this.recent().filter((name) => name !== host)].slice(0, MAX_RECENT));
    this.changed.fire();
  }

  /** Takes a host off the list. The machine itself is left alone. */
  async remove(host: string): Promise<void> {
    await this.memory.update(
      RECENT_KEY,
      this.recent().filter((name) => name !== host),
    );
    const configured = readList('hosts');
    if (configured.includes(host)) {
      await writeHosts(configured.filter((name) => name !== host));
    }
    this.changed.fire();
  }

  dispose(): void {
    this.settings.dispose();
    this.changed.dispose();
  }
}
