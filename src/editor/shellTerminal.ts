import * as vscode from 'vscode';
import type { Shell, TerminalSize } from '../docker/shell';
import { cancelledError, toDeployError } from '../model';
import { loadEngine } from './engineLoader';
import type { HostStore } from './hostStore';
import { t } from '../l10n';
import { plainText } from './plainText';

/** Used until VS Code has laid the terminal out. */
const FIRST_SIZE: TerminalSize = { columns: 80, rows: 24 };

/** Opens a terminal with a shell in a container, over the host's own connection. */
export function openShellTerminal(hosts: HostStore, host: string, container: string): void {
  const terminal = vscode.window.createTerminal({
    name: `${container} @ ${host}`,
    iconPath: new vscode.ThemeIcon('terminal'),
    pty: new ShellTerminal(hosts, host, container),
    isTransient: true,
  });
  terminal.show();
}

class ShellTerminal implements vscode.Pseudoterminal {
  private readonly write = new vscode.EventEmitter<string>();
  private readonly closed = new vscode.EventEmitter<void>();
  private readonly abort = new AbortController();
  private shell: Shell | undefined;
  private size = FIRST_SIZE;
  readonly onDidWrite = this.write.event;
  readonly onDidClose = this.closed.event;

  constructor(
    private readonly hosts: HostStore,
    private readonly host: string,
    private readonly container: string,
  ) {}

  open(size: vscode.TerminalDimensions | undefined): void {
    this.size = size ?? FIRST_SIZE;
    void this.run();
  }

  setDimensions(size: vscode.TerminalDimensions): void {
    this.size = size;
    // A terminal of the wrong size is no reason to end it.
    this.shell?.resize(size).catch(() => undefined);
  }

  handleInput(data: string): void {
    this.shell?.stream.write(data);
  }

  close(): void {
    this.abort.abort(cancelledError());
  }

  private async run(): Promise<void> {
    const { signal } = this.abort;
    try {
      const { shellInto } = await loadEngine();
      await this.hosts.use(this.host, signal, async (open) => {
        const shell = await shellInto(open, this.container, this.size, signal);
        const end = (): void => void shell.stream.destroy();
        signal.addEventListener('abort', end, { once: true });
        this.shell = shell;
        const decoder = new TextDecoder();
        try {
          for await (const data of shell.stream) {
            this.write.fire(decoder.decode(data as Uint8Array, { stream: true }));
          }
        } finally {
          signal.removeEventListener('abort', end);
          end();
        }
      });
      this.closed.fire();
    } catch (error) {
      if (!signal.aborted) {
        const { message, hint } = toDeployError(error);
        this.write.fire(`\r\n${plainText([message, hint].filter(Boolean).join(' '))}\r\n`);
        this.write.fire(`${t('The shell has ended.')}\r\n`);
      }
    }
  }
}
