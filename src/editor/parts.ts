import type * as vscode from 'vscode';
import type { Documents } from './documents';
import type { HostList } from './hostList';
import type { HostStore } from './hostStore';
import type { LogChannels } from './logChannels';
import type { Panels } from './panels';
import type { Runner } from './runner';
import type { RunStore } from './runs';
import type { SlotsTree } from './slotsTree';

/** The parts of the editor as commands, tasks and buttons find them. App makes them and ties them together. */
export interface Parts {
  readonly hosts: HostStore;
  readonly hostList: HostList;
  readonly runs: RunStore;
  readonly panels: Panels;
  readonly runner: Runner;
  readonly tree: SlotsTree;
  readonly log: vscode.LogOutputChannel;
  /** What this workspace remembers. */
  readonly memory: vscode.Memento;
  readonly logs: LogChannels;
  readonly documents: Documents;
}
