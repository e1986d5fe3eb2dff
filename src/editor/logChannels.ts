import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { cancelledError, toDeployError } from '../model';
import { loadEngine } from './engineLoader';
import type { HostStore } from './hostStore';
import { t } from '../l10n';
import { LogBuffer } from './logBuffer';
import { PASSING } from './passing';
import { plainText } from './plainText';
import { formatLogTime } from './times';
import { formatSeconds } from './units';

/** Lines of each container from before it was followed. */
const TAIL = 200;
/** Milliseconds between two writes into a channel. */
const WRITE_EVERY_MS = 100;
/** Milliseconds between two tries to reach a lost host: the first pause, and the longest. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const MAX_TRIES = 10;
/** Channels that are kept to be read when they are followed no longer; of more, those shown longest ago go. */
const MAX_CHANNELS = 20;

interface Following {
  readonly channel: vscode.OutputChannel;
  readonly abort: AbortController;
}

/**
 * Containers' logs in output channels, followed through restarts of the containers and losses of the connection. A
 * channel keeps its name and its place in the list of channels; following the same again brings it to the front.
 */
export class LogChannels implements vscode.Disposable {
  private readonly followings = new Map<string, Following>();
  private readonly channels = new Map<string, vscode.OutputChannel>();
  private readonly changed = new vscode.EventEmitter<void>();
  /** Fires whenever a following begins or has ended. */
  readonly onDidChange = this.changed.event;

  constructor(private readonly hosts: HostStore) {}

  get names(): string[] {
    return [...this.followings.keys()];
  }

  /** Shows the log of one container, or of several interleaved, and follows it until it is told to stop. */
  show(host: string, name: string, containers: readonly string[]): void {
    const known = this.followings.get(name);
    if (known !== undefined) {
      known.channel.show(true);
      return;
    }
    const channel = this.channels.get(name) ?? vscode.window.createOutputChannel(name, 'log');
    // The newest last.
    this.channels.delete(name);
    this.channels.set(name, channel);
    this.dropOld();
    channel.clear();
    channel.show(true);
    const abort = new AbortController();
    this.followings.set(name, { channel, abort });
    this.changed.fire();
    void this.follow(host, containers, channel, abort.signal).finally(() => {
      this.followings.delete(name);
      this.changed.fire();
    });
  }

  private dropOld(): void {
    const ended = [...this.channels].filter(([name]) => !this.followings.has(name));
    for (const [name, channel] of ended.slice(0, Math.max(0, ended.length - MAX_CHANNELS))) {
      channel.dispose();
      this.channels.delete(name);
    }
  }

  stop(name: string): void {
    this.followings.get(name)?.abort.abort(cancelledError());
  }

  dispose(): void {
    this.names.forEach((name) => this.stop(name));
    this.channels.forEach((channel) => channel.dispose());
    this.changed.dispose();
  }

  /** Ends when it is told to, or when the host stays away. Never throws. */
  private async follow(
    host: string,
    containers: readonly string[],
    channel: vscode.OutputChannel,
    signal: AbortSignal,
  ): Promise<void> {
    const buffer = new LogBuffer();
    const timer = setInterval(() => write(channel, buffer), WRITE_EVERY_MS);
    const width = Math.max(...containers.map((container) => container.length));
    /** Times of the last lines by container: after a loss of the connection the end of the log comes again. */
    const last = new Map<string, string>();
    try {
      for (let tries = 0, pause = FIRST_PAUSE_MS; ;) {
        try {
          const { followLogs } = await loadEngine();
          await this.hosts.use(host, signal, async (open) => {
            for await (const line of followLogs(open, containers, TAIL, signal)) {
              if (line.time <= (last.get(line.container) ?? '')) {
                continue;
              }
              last.set(line.container, line.time);
              tries = 0;
              pause = FIRST_PAUSE_MS;
              const source = containers.length === 1 ? '' : ` ${line.container.padEnd(width)} |`;
              buffer.add(`${formatLogTime(line.time)}${source} ${plainText(line.text)}`);
            }
          });
        } catch (error) {
          const { code, message, hint } = toDeployError(error);
          if (signal.aborted) {
            buffer.add(t('No longer following.'));
            return;
          }
          tries += 1;
          // What has been followed is missing while it is replaced, or while its engine starts.
          const isPassing = PASSING.has(code) || (code === 'not-found' && last.size > 0);
          if (!isPassing || tries > MAX_TRIES) {
            buffer.add([message, hint].filter(Boolean).join(' '));
            return;
          }
          buffer.add(t('{0} Trying again in {1}.', message, formatSeconds(pause)));
          await delay(pause, undefined, { signal }).catch(() => undefined);
          pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
        }
      }
    } finally {
      clearInterval(timer);
      write(channel, buffer);
    }
  }
}

function write(channel: vscode.OutputChannel, buffer: LogBuffer): void {
  const { text, replace } = buffer.take();
  if (replace) {
    channel.replace(text);
  } else if (text !== '') {
    channel.append(text);
  }
}
