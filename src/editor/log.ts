import * as vscode from 'vscode';
import { logLine, runTitle } from './runText';
import type { RunStore } from './runs';

/** Everything that happens, line by line, in VS Code's own log view with its levels and search. It never opens by itself. */
export function createLog(runs: RunStore): vscode.LogOutputChannel {
  const channel = vscode.window.createOutputChannel('Blue-Green', { log: true });
  runs.onEvent(({ run, event }) => {
    const line = logLine(event);
    if (line === undefined) {
      return;
    }
    const text = `[${runTitle(run)}] ${line.text}`;
    switch (line.level) {
      case 'info':
        channel.info(text);
        break;
      case 'warning':
        channel.warn(text);
        break;
      case 'error':
        channel.error(text);
        break;
    }
  });
  return channel;
}
