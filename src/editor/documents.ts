import * as vscode from 'vscode';
import { t } from '../l10n';
import type { ConfChange } from '../model';
import { confChanges } from './panelState';
import type { RunStore } from './runs';

const DIFF_SCHEME = 'blue-green-nginx';
const TEXT_SCHEME = 'blue-green-text';
/** Texts that are kept for documents which are still open. */
const MAX_TEXTS = 50;
type Side = 'before' | 'after';

/**
 * Read-only documents: a run's nginx configuration before and after for VS Code's own diff editor, and single texts of a
 * host such as the configuration that serves now.
 */
export class Documents implements vscode.Disposable {
  private readonly registrations: vscode.Disposable;
  private readonly texts = new Map<string, string>();

  constructor(private readonly runs: RunStore) {
    const diffs: vscode.TextDocumentContentProvider = {
      provideTextDocumentContent: (uri) => {
        const change = this.changeOf(uri.query, uri.path);
        return change?.[uri.fragment === 'before' ? 'before' : 'after'] ?? noLongerKept();
      },
    };
    const texts: vscode.TextDocumentContentProvider = {
      provideTextDocumentContent: (uri) => this.texts.get(uri.query) ?? noLongerKept(),
    };
    this.registrations = vscode.Disposable.from(
      vscode.workspace.registerTextDocumentContentProvider(DIFF_SCHEME, diffs),
      vscode.workspace.registerTextDocumentContentProvider(TEXT_SCHEME, texts),
    );
  }

  /** Shows what a run changes in one file of nginx, if it does. */
  async openDiff(runId: string, path: string): Promise<void> {
    if (this.changeOf(runId, path) === undefined) {
      return;
    }
    const side = (name: Side): vscode.Uri =>
      vscode.Uri.from({ scheme: DIFF_SCHEME, path, query: runId, fragment: name });
    await vscode.commands.executeCommand(
      'vscode.diff',
      side('before'),
      side('after'),
      t('{0} (before ↔ after)', path.split('/').at(-1) ?? path),
      { preview: true },
    );
  }

  private changeOf(runId: string, path: string): ConfChange | undefined {
    return confChanges(this.runs.get(runId)?.snapshot).find((change) => change.path === path);
  }

  /** Shows a text as it was found. `name` is the tab's title; asked for again, it is a new document. */
  async openText(name: string, text: string): Promise<void> {
    const key = String(Date.now());
    this.texts.set(key, text);
    const [oldest] = this.texts.keys();
    if (this.texts.size > MAX_TEXTS && oldest !== undefined) {
      this.texts.delete(oldest);
    }
    const uri = vscode.Uri.from({ scheme: TEXT_SCHEME, path: `/${name}`, query: key });
    await vscode.window.showTextDocument(uri, { preview: true });
  }

  dispose(): void {
    this.registrations.dispose();
  }
}

/** Stands in the place of a text that has been let go of: an empty one would look like an empty file. */
function noLongerKept(): string {
  return t('This text is no longer kept. Open it again from where it was opened.');
}
