import path from 'node:path';
import * as vscode from 'vscode';
import { CONFIG_FILE_NAME } from '../config/fileName';
import type { ConfigProblem } from '../config/problems';
import type { DeployError, DeployResult } from '../model';
import { type Disposer, disposeAll } from './disposables';
import { loadEngine } from './engineLoader';
import { t } from '../l10n';

const SOURCE = 'Blue-Green';
/** Milliseconds without typing before a changed file is read again. */
const SETTLE_MS = 250;

/**
 * Entries of the Problems view: those of bluegreen.json while it is open, and the place at which a deployment failed.
 * What the JSON schema says already is not said twice.
 */
export class Problems implements vscode.Disposable {
  private readonly config = vscode.languages.createDiagnosticCollection('blue-green.config');
  private readonly failures = vscode.languages.createDiagnosticCollection('blue-green.deployment');
  /** The place at which each service's last run failed. */
  private readonly failed = new Map<string, { readonly uri: vscode.Uri; readonly diagnostic: vscode.Diagnostic }>();
  private readonly found = new Map<string, vscode.Diagnostic[]>();
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly subscriptions: readonly Disposer[];

  constructor() {
    this.subscriptions = [
      this.config,
      this.failures,
      vscode.workspace.onDidOpenTextDocument((document) => this.later(document)),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        this.later(document);
        this.forgetFailures(document.uri);
      }),
      vscode.workspace.onDidCloseTextDocument((document) => this.close(document.uri)),
      vscode.languages.onDidChangeDiagnostics(({ uris }) => uris.forEach((uri) => this.publish(uri))),
    ];
    vscode.workspace.textDocuments.forEach((document) => this.later(document));
  }

  /** Marks the place a run failed at, until that file changes or the service's next run begins. */
  showFailure(service: string, error: NonNullable<DeployResult['error']> | DeployError): void {
    if (error.position === undefined) {
      return;
    }
    const { file, line, column } = error.position;
    const start = new vscode.Position(Math.max(0, line - 1), Math.max(0, column - 1));
    const end = new vscode.Position(start.line, Number.MAX_SAFE_INTEGER);
    const text = error.hint === undefined ? error.message : `${error.message}\n${error.hint}`;
    const diagnostic = new vscode.Diagnostic(new vscode.Range(start, end), text, vscode.DiagnosticSeverity.Error);
    diagnostic.source = SOURCE;
    this.failed.set(service, { uri: vscode.Uri.file(file), diagnostic });
    this.publishFailures();
  }

  clearFailure(service: string): void {
    this.failed.delete(service);
    this.publishFailures();
  }

  dispose(): void {
    this.timers.forEach((timer) => clearTimeout(timer));
    disposeAll(this.subscriptions);
  }

  private forgetFailures(changed: vscode.Uri): void {
    const ended = [...this.failed].filter(([, { uri }]) => uri.toString() === changed.toString());
    if (ended.length > 0) {
      ended.forEach(([service]) => this.failed.delete(service));
      this.publishFailures();
    }
  }

  private publishFailures(): void {
    this.failures.clear();
    // Entries of one file are put together by VS Code.
    this.failures.set([...this.failed.values()].map(({ uri, diagnostic }) => [uri, [diagnostic]]));
  }

  private later(document: vscode.TextDocument): void {
    if (!isConfig(document)) {
      return;
    }
    const key = document.uri.toString();
    clearTimeout(this.timers.get(key));
    this.timers.set(
      key,
      setTimeout(() => {
        this.timers.delete(key);
        void this.read(document);
      }, SETTLE_MS),
    );
  }

  private async read(document: vscode.TextDocument): Promise<void> {
    const { parseConfig } = await loadEngine();
    if (document.isClosed) {
      return;
    }
    const file = document.uri.fsPath;
    const { problems } = parseConfig(document.getText(), file);
    this.found.set(
      document.uri.toString(),
      problems.filter((problem) => problem.position.file === file).map(toDiagnostic),
    );
    this.publish(document.uri);
  }

  /** Shows ours, less those that the schema marks at the same place. */
  private publish(uri: vscode.Uri): void {
    const ours = this.found.get(uri.toString());
    if (ours === undefined) {
      return;
    }
    const schema = vscode.languages.getDiagnostics(uri).filter(({ source = '' }) => /^jsonc?$/.test(source));
    const wanted = ours.filter(({ range }) => schema.every((said) => said.range.intersection(range)?.isEmpty ?? true));
    // Setting what is set already would fire the event that leads here, for ever.
    if (JSON.stringify(wanted) !== JSON.stringify(this.config.get(uri) ?? [])) {
      this.config.set(uri, wanted);
    }
  }

  private close(uri: vscode.Uri): void {
    clearTimeout(this.timers.get(uri.toString()));
    this.timers.delete(uri.toString());
    this.found.delete(uri.toString());
    this.config.delete(uri);
  }
}

/** Opens the file that an error is about, with the cursor at the place. */
export async function openPosition(position: NonNullable<DeployError['position']>): Promise<void> {
  const at = new vscode.Position(Math.max(0, position.line - 1), Math.max(0, position.column - 1));
  await vscode.window.showTextDocument(vscode.Uri.file(position.file), {
    viewColumn: vscode.ViewColumn.One,
    selection: new vscode.Range(at, at),
  });
}

function isConfig(document: vscode.TextDocument): boolean {
  return document.uri.scheme === 'file' && path.basename(document.uri.fsPath) === CONFIG_FILE_NAME;
}

function toDiagnostic(problem: ConfigProblem): vscode.Diagnostic {
  const { position, end } = problem;
  const range = new vscode.Range(position.line - 1, position.column - 1, end.line - 1, end.column - 1);
  const text = problem.hint === undefined ? problem.message : t('{0} {1}', problem.message, problem.hint);
  const severity = problem.severity === 'error' ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning;
  const diagnostic = new vscode.Diagnostic(range, text, severity);
  diagnostic.source = SOURCE;
  return diagnostic;
}
