import { Client } from 'ssh2';
import { t } from '../l10n';
import { cancelledError, DeployError, throwIfCancelled, type Questions } from '../model';
import { compressAnswers } from './compression';
import { closedByServer, closedWhileAsking, handshakeError, noAnswer, unreachable, type Place } from './errors';
import { HostTrust } from './hostTrust';
import { dialCommand, dialTcp, dialThrough, inWholePackets, type Line } from './line';
import { Login, PassphraseNeeded } from './login';
import { resolveHost } from './resolve';
import type { HostSettings, SshOptions } from './settings';
import { Ssh2Transport, type HostTransport, type KeepAlive } from './transport';

export type { SshOptions } from './settings';

/** Milliseconds the server may take for one answer during the login; PAM modules wait a few seconds after a mistake. */
const AUTH_ANSWER_LIMIT_MS = 30_000;
/** Enough for three passphrases of several keys; beyond it something goes in circles. */
const MAX_ATTEMPTS = 20;
/** As many hosts on one way are surely a circle. */
const MAX_HOPS = 8;
const DEFAULT_KEEP_ALIVE: KeepAlive = { intervalMs: 2000, count: 3 };
/** ssh2's own verdict on keep-alive is not used (see Ssh2Transport), only its pings. */
const NEVER = 1_000_000_000;

/**
 * Connects to a host as the user's ssh would: their configuration, agent, keys, known_hosts and jump hosts. The host
 * key is verified before any credential is offered; questions are asked while no server waits, passwords excepted.
 * @throws DeployError 'usage' and 'config' for what was asked, 'host-unreachable', 'host-untrusted', 'host-auth', 'cancelled'.
 */
export async function connectSsh(
  destination: string,
  options: SshOptions,
  questions: Questions,
  signal: AbortSignal,
): Promise<HostTransport> {
  return connectHost(destination, { options, questions, signal, way: [] }, undefined);
}

interface Context {
  readonly options: SshOptions;
  readonly questions: Questions;
  readonly signal: AbortSignal;
  /** Destinations that wait for this one to be reached. */
  readonly way: readonly string[];
}

async function connectHost(
  destination: string,
  context: Context,
  through: HostTransport | undefined,
): Promise<HostTransport> {
  const { options, questions, signal, way } = context;
  throwIfCancelled(signal);
  const settings = await resolveHost(destination, options, signal);
  const address = addressOf(settings);
  if (way.includes(destination) || way.length >= MAX_HOPS) {
    throw new DeployError('config', t('The jump hosts on the way to {0} lead in a circle.', way[0] ?? destination), {
      hint: t('Set ProxyJump none for the jump host itself in your ssh configuration.'),
      detail: [...way, destination].join(' → '),
    });
  }
  // Who is reached through a jump host already does not follow jumps of its own: the chain says it all, as in ssh -J.
  const jump = through ?? (await connectJumps(settings, { ...context, way: [...way, destination] }));
  try {
    const description = `${settings.user}@${address}`;
    const place: Place = { label: way.length === 0 ? description : t('the jump host {0}', description), address };
    const trust = await HostTrust.load(settings, place);
    const login = await Login.prepare(settings, place, description, questions, signal);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      throwIfCancelled(signal);
      const started = Date.now();
      const line = await openLine(settings, place, jump, signal);
      const limitMs = Math.max(settings.connectTimeoutMs - (Date.now() - started), 1000);
      const isJump = way.length > 0;
      const parts = { settings, place, description, trust, login, line, jump, isJump, limitMs, signal };
      const outcome = await tryLogin(parts);
      if (outcome instanceof Ssh2Transport) {
        return outcome;
      }
      // The connection is closed by now: the person has all the time of the world.
      await outcome(questions, signal);
    }
    throw unreachable(t('{0} could not be connected to in {1} attempts.', address, MAX_ATTEMPTS));
  } catch (error) {
    jump?.close();
    throw signal.aborted ? cancelledError() : error;
  }
}

async function connectJumps(settings: HostSettings, context: Context): Promise<HostTransport | undefined> {
  let hop: HostTransport | undefined;
  try {
    for (const destination of settings.proxyJump) {
      hop = await connectHost(destination, context, hop);
    }
    return hop;
  } catch (error) {
    hop?.close();
    throw error;
  }
}

function openLine(
  settings: HostSettings,
  place: Place,
  jump: HostTransport | undefined,
  signal: AbortSignal,
): Promise<Line> {
  const { hostname, port, connectTimeoutMs, proxyCommand } = settings;
  if (jump !== undefined) {
    return dialThrough(() => jump.openTcp(hostname, port), place, connectTimeoutMs, signal);
  }
  if (proxyCommand !== undefined) {
    return Promise.resolve(dialCommand(proxyCommand, place));
  }
  return dialTcp(settings, place, connectTimeoutMs, signal);
}

interface LoginParts {
  readonly settings: HostSettings;
  readonly place: Place;
  readonly description: string;
  readonly trust: HostTrust;
  readonly login: Login;
  readonly line: Line;
  readonly jump: HostTransport | undefined;
  /** What passes through a jump host is encrypted: it does not compress. */
  readonly isJump: boolean;
  /** Milliseconds left for the handshake. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** A question that has to be answered before the next attempt. */
type OpenQuestion = (questions: Questions, signal: AbortSignal) => Promise<void>;

/** One connection: either it is logged in at the end, or it is closed and says what to ask or what went wrong. */
function tryLogin(parts: LoginParts): Promise<Ssh2Transport | OpenQuestion> {
  const { settings, place, trust, login, line, signal } = parts;
  return new Promise((resolve, reject) => {
    const client = new Client();
    // Ends what the person is being asked when nobody waits for the answer any more.
    const asked = new AbortController();
    let waiting = false;
    let settled = false;
    let timer: NodeJS.Timeout | undefined;
    const limit = (ms: number): void => {
      clearTimeout(timer);
      timer = settled ? undefined : setTimeout(() => fail(noAnswer(place, ms)), ms);
    };
    const settle = (): boolean => {
      if (settled) {
        return false;
      }
      settled = true;
      asked.abort(cancelledError());
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      line.stream.removeListener('error', onLineError);
      client.removeAllListeners();
      // ssh2 reports the same end more than once.
      client.on('error', () => undefined);
      return true;
    };
    const drop = (): void => {
      client.end();
      line.stream.destroy();
    };
    const ask = (question: OpenQuestion): void => {
      if (settle()) {
        drop();
        resolve(question);
      }
    };
    const fail = (error: Error): void => {
      if (error instanceof PassphraseNeeded) {
        ask((_, asking) => error.ask(asking));
      } else if (settle()) {
        drop();
        reject(error);
      }
    };
    const onAbort = (): void => fail(cancelledError());
    const onLineError = (error: Error): void => {
      if (error instanceof DeployError) {
        fail(error);
      }
    };
    signal.addEventListener('abort', onAbort, { once: true });
    line.stream.on('error', onLineError);
    client.on('handshake', () => limit(AUTH_ANSWER_LIMIT_MS));
    client.on('ready', () => {
      if (settle()) {
        const { description, jump } = parts;
        const keepAlive = keepAliveOf(settings);
        resolve(new Ssh2Transport({ client, line, description, keepAlive, release: () => jump?.close() }));
      }
    });
    client.on('error', (error: Error & { level?: string }) => {
      // An agent that refuses to sign only means that this key is out: ssh2 goes on to the next.
      if (error.level !== 'agent') {
        fail(waiting ? closedWhileAsking(place, error.message) : translate(error, parts));
      }
    });
    client.on('close', () => fail(waiting ? closedWhileAsking(place) : closedByServer(place)));
    client.on('change password', () => {
      fail(login.failure(['password'], 'new-password'));
    });
    limit(parts.limitMs);
    const authHandler = login.attempt(
      {
        fail,
        waitForPerson: (begins) => {
          waiting = begins;
          if (waiting) {
            clearTimeout(timer);
          } else {
            limit(AUTH_ANSWER_LIMIT_MS);
          }
        },
      },
      asked.signal,
    );
    client.connect({
      sock: inWholePackets(line.stream),
      username: settings.user,
      authHandler: (left, partial, next) => {
        limit(AUTH_ANSWER_LIMIT_MS);
        authHandler(left, partial, next);
      },
      // Anything this function returned would count as the verdict, a promise included: it returns nothing.
      hostVerifier: (key: Buffer, verify: (trusted: boolean) => void) => {
        if (trust.isTrusted(key)) {
          verify(true);
          return;
        }
        ask((questions, asking) => trust.resolve(Buffer.from(key), questions, asking));
        verify(false);
      },
      algorithms: { serverHostKey: trust.algorithms() },
      // Own limits, which stand still while a person is asked.
      readyTimeout: 0,
      keepaliveInterval: keepAliveOf(settings).intervalMs,
      keepaliveCountMax: NEVER,
      // Other servers than OpenSSH forward Unix sockets as well; one that does not refuses by itself.
      strictVendor: false,
    });
    if (!parts.isJump) {
      compressAnswers(client);
    }
  });
}

function translate(error: Error, { place, login }: LoginParts): DeployError {
  if (error instanceof DeployError) {
    return error;
  }
  return /too many authentication failures/i.test(error.message)
    ? login.failure([], 'no-more-tries')
    : handshakeError(place, error);
}

/** A configured interval is respected, but not below a second. */
function keepAliveOf({ serverAliveIntervalMs, serverAliveCountMax }: HostSettings): KeepAlive {
  return serverAliveIntervalMs === undefined
    ? DEFAULT_KEEP_ALIVE
    : { intervalMs: Math.max(serverAliveIntervalMs, 1000), count: serverAliveCountMax };
}

function addressOf({ hostname, port }: HostSettings): string {
  return hostname.includes(':') ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
