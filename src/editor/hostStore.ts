import * as vscode from 'vscode';
import type { Host } from '../engine/host';
import { cancelledError, DeployError, type HostState, type Questions, throwIfCancelled, toDeployError } from '../model';
import { loadEngine } from './engineLoader';
import { t } from '../l10n';
import { changesSetting, hostOptions } from './settings';
import type { KnownHost } from './treeRows';
import { formatSeconds } from './units';
import { untilAborted } from './untilAborted';

/** An unused connection is closed after this many milliseconds. */
const IDLE_MS = 120_000;
/** Limit for one look at a connected host, in milliseconds. */
const OBSERVE_LIMIT_MS = 30_000;

/** A connection that is being opened or is open, and who uses it. */
interface Connection {
  readonly host: Promise<Host>;
  readonly abort: AbortController;
  opened: Host | undefined;
  users: number;
  idle: NodeJS.Timeout | undefined;
  /** Its settings have changed, or its host is no longer listed: it ends with its last user. */
  outdated: boolean;
}

/**
 * One connection a host, shared by the tree, deployments and everything else. Opened on demand, closed when it has
 * been idle for a while. Nothing is polled.
 */
export class HostStore implements vscode.Disposable {
  private readonly connections = new Map<string, Connection>();
  private readonly views = new Map<string, KnownHost>();
  private readonly looks = new Map<string, Promise<KnownHost>>();
  private readonly seenAt = new Map<string, number>();
  private readonly changed = new vscode.EventEmitter<string>();
  private readonly settings: vscode.Disposable;
  /** Fires with the name of a host of which something new is known. */
  readonly onDidChange = this.changed.event;

  constructor(private readonly questions: Questions) {
    this.settings = vscode.workspace.onDidChangeConfiguration((event) => {
      if (changesSetting(event, 'sshConfigFile', 'knownHostsFile', 'identityFiles')) {
        [...this.connections.keys()].forEach((name) => this.outdate(name));
      }
    });
  }

  view(name: string): KnownHost {
    return this.views.get(name) ?? { kind: 'unseen' };
  }

  /** The host's state as last seen. */
  lastState(name: string): HostState | undefined {
    const view = this.view(name);
    return view.kind === 'seen' ? view.state : undefined;
  }

  /** When the look began that the host was last seen by, in milliseconds since the epoch. */
  lastSeenAt(name: string): number | undefined {
    return this.seenAt.get(name);
  }

  /** Runs `work` with an open connection. Throws what opening the host throws, and what `work` throws. */
  async use<T>(name: string, signal: AbortSignal, work: (host: Host) => Promise<T>): Promise<T> {
    throwIfCancelled(signal);
    const connection = this.connections.get(name) ?? this.open(name);
    connection.users += 1;
    clearTimeout(connection.idle);
    try {
      return await work(await untilAborted(connection.host, signal));
    } finally {
      connection.users -= 1;
      if (connection.users === 0) {
        this.rest(name, connection);
      }
    }
  }

  /**
   * Looks at a host now. Never throws: a host that cannot be looked at is `offline` with the reason. A look under way
   * serves, unless what it may have missed is wanted too (`anew`).
   */
  observe(name: string, anew = false): Promise<KnownHost> {
    const running = this.looks.get(name);
    if (running !== undefined) {
      return anew ? running.then(() => this.observe(name)) : running;
    }
    if (this.view(name).kind !== 'seen') {
      this.set(name, { kind: 'connecting' });
    }
    return this.lookFor(name);
  }

  /** As `observe`, for a host that was lost: it stays shown as it was until it answers. */
  lookFor(name: string): Promise<KnownHost> {
    const look = this.looks.get(name) ?? this.look(name).finally(() => this.looks.delete(name));
    this.looks.set(name, look);
    return look;
  }

  /** Forgets what was seen of a host. Its connection ends with its last user. */
  forget(name: string): void {
    this.views.delete(name);
    this.outdate(name);
  }

  dispose(): void {
    this.settings.dispose();
    this.changed.dispose();
    for (const [name, connection] of this.connections) {
      this.end(name, connection);
    }
  }

  private async look(name: string): Promise<KnownHost> {
    try {
      const { observeHost } = await loadEngine();
      // Opening may wait for a person's answer, so the limit begins when the host is open.
      let begun = 0;
      const state = await this.use(name, new AbortController().signal, (host) => {
        begun = Date.now();
        return withLimit(name, (signal) => observeHost(host, signal));
      });
      this.seenAt.set(name, begun);
      return this.set(name, { kind: 'seen', state });
    } catch (error) {
      return this.set(name, { kind: 'offline', error: toDeployError(error) });
    }
  }

  private set(name: string, view: KnownHost): KnownHost {
    this.views.set(name, view);
    this.changed.fire(name);
    return view;
  }

  private open(name: string): Connection {
    const abort = new AbortController();
    const host = loadEngine().then(({ openHost }) => openHost(name, hostOptions(), this.questions, abort.signal));
    const connection: Connection = { host, abort, opened: undefined, users: 0, idle: undefined, outdated: false };
    this.connections.set(name, connection);
    const drop = (): void => {
      if (this.connections.get(name) === connection) {
        this.connections.delete(name);
      }
    };
    host.then((opened) => {
      connection.opened = opened;
      opened.transport?.onClose(drop);
    }, drop);
    return connection;
  }

  /** The last user has gone: a connection still being opened is given up, an open one is kept for a while. */
  private rest(name: string, connection: Connection): void {
    if (connection.outdated || connection.opened === undefined) {
      this.end(name, connection);
      return;
    }
    connection.idle = setTimeout(() => this.end(name, connection), IDLE_MS);
    connection.idle.unref();
  }

  private end(name: string, connection: Connection): void {
    clearTimeout(connection.idle);
    if (this.connections.get(name) === connection) {
      this.connections.delete(name);
    }
    connection.abort.abort(cancelledError());
    connection.host.then(
      (host) => host.close(),
      () => undefined,
    );
  }

  private outdate(name: string): void {
    const connection = this.connections.get(name);
    this.connections.delete(name);
    if (connection !== undefined) {
      connection.outdated = true;
      if (connection.users === 0) {
        this.end(name, connection);
      }
    }
  }
}

async function withLimit<T>(host: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(
      new DeployError('host-unreachable', t('{0} did not answer within {1}.', host, formatSeconds(OBSERVE_LIMIT_MS)), {
        hint: t('Look whether the machine is busy or the network is slow, then refresh.'),
      }),
    );
  }, OBSERVE_LIMIT_MS);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}
