import type { Duplex, Readable } from 'node:stream';
import Docker from 'dockerode';
import { t } from '../l10n';
import type { DeployError, Environment } from '../model';
import { StreamAgent } from './agent';
import { abortReason, DockerError, explain } from './errors';
import { array, object, text, texts, time } from './json';
import { onAbort, withLimit } from './limits';

/** The newest API this code was tried with (Docker 28.5). An older engine is asked in its own version. */
const NEWEST_API = '1.51';
/** The oldest one (Docker 20.10). */
const OLDEST_API = '1.41';
const DEFAULT_LIMIT_MS = 30_000;

export interface EngineInfo {
  /** Docker's own version: `28.5.2`. */
  readonly version: string;
  /** The API version that is spoken with it: `1.51`. */
  readonly apiVersion: string;
  /** `linux/amd64` */
  readonly platform: string;
  /** How images are kept: as layers of a storage driver, or as blobs in containerd (Docker 29's default). */
  readonly store: 'layers' | 'containerd';
  readonly storageDriver: string;
  /** Docker's own folder there: `/var/lib/docker`. */
  readonly dataRoot: string;
  /** The machine's name as the engine says it. */
  readonly name: string;
  /** Tells engines apart; the same for every connection to one engine. */
  readonly id: string;
  /** Milliseconds that the machine's clock is ahead of ours, at least; negative if it is behind. */
  readonly clockAheadMs: number;
}

/** The way to an engine: opens streams to its API socket. */
export interface EngineLink {
  /** For messages: `deploy@203.0.113.5:22`, `this machine`. */
  readonly description: string;
  /** A new stream to the API. Returns at once; a failure is an 'error' on the stream. */
  open(): Duplex;
  /** Variables that lead the docker command to the same engine; undefined where nothing does. One that is undefined is unset. */
  readonly cliEnvironment?: Environment;
  /** True when it leads to no other machine, as far as one can see: a container or a virtual machine may still lie between. */
  readonly isHere?: boolean;
  /** Where the ports that its containers publish are reached from here; undefined where that is behind SSH. */
  readonly publishesAt?: string;
  /** Streams that may be open at once. */
  readonly maxStreams: number;
  /** Called when the connection that carries all streams is lost or closed. A link without such a one never calls. */
  onClose(listener: (error: DeployError | undefined) => void): void;
}

type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** A request whose answer is a stream. Parameters that are undefined are left out. */
export interface StreamRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Readable;
}

/** One Docker engine, local or through SSH: the same API over one kind of stream. */
export class DockerEngine {
  readonly info: EngineInfo;
  readonly description: string;
  readonly #link: EngineLink;
  readonly #clients: Clients;

  private constructor(link: EngineLink, clients: Clients, info: EngineInfo) {
    this.#link = link;
    this.#clients = clients;
    this.info = info;
    this.description = link.description;
  }

  /**
   * Connects, agrees on an API version and looks at the engine.
   * @param limitMs for the first answer, in milliseconds.
   */
  static async open(link: EngineLink, signal: AbortSignal, limitMs = 15_000): Promise<DockerEngine> {
    const clients = createClients(link);
    try {
      const info = await withLimit((limit) => identify(clients.short, limit), {
        signal,
        limitMs,
        engine: link.description,
      });
      clients.useVersion(info.apiVersion);
      return new DockerEngine(link, clients, info);
    } catch (error) {
      clients.close();
      throw error;
    }
  }

  /**
   * Runs one call of dockerode with a time limit (milliseconds) and the caller's signal.
   * @throws DockerError for a refusal, DeployError for a broken connection or the person's wish to stop.
   */
  call<T>(
    run: (docker: Docker, limit: AbortSignal) => Promise<T>,
    signal: AbortSignal,
    limitMs = DEFAULT_LIMIT_MS,
  ): Promise<T> {
    return withLimit((limit) => run(this.#clients.short, limit), { signal, limitMs, engine: this.description });
  }

  /** A GET whose answer is JSON, for what dockerode has no method. Throws as `call`. */
  get(path: string, query: Query, signal: AbortSignal): Promise<unknown> {
    return this.call((docker, limit) => askPlain(docker, path, limit, query), signal);
  }

  /**
   * Opens a request whose answer is read as it comes. The limit is for the answer's beginning; the signal destroys the
   * stream at any time. The caller reads the stream to its end or destroys it.
   */
  async stream(request: StreamRequest, signal: AbortSignal, limitMs = DEFAULT_LIMIT_MS): Promise<Readable> {
    const control = new AbortController();
    const release = onAbort(signal, () => control.abort(abortReason(signal, this.description)));
    try {
      const stream = await withLimit(
        (limit) => {
          onAbort(limit, () => control.abort(limit.reason));
          return dialStream(this.#clients.long, request, control.signal);
        },
        { signal, limitMs, engine: this.description },
      );
      stream.once('close', release);
      // A reader sees the error all the same; without a listener one that comes between two reads would end the process.
      stream.on('error', () => undefined);
      return stream;
    } catch (error) {
      release();
      request.body?.destroy();
      throw error;
    }
  }

  /** As `call`, on the connections for long streams (exec, attach), which must not hold up short requests. */
  callLong<T>(
    run: (docker: Docker, limit: AbortSignal) => Promise<T>,
    signal: AbortSignal,
    limitMs = DEFAULT_LIMIT_MS,
  ): Promise<T> {
    return withLimit((limit) => run(this.#clients.long, limit), { signal, limitMs, engine: this.description });
  }

  /** Whatever was thrown while reading a stream of this engine, in our terms. */
  explain(error: unknown, signal: AbortSignal): Error {
    return explain(error, this.description, signal);
  }

  /** True when the engine speaks this API version or a newer one: `engine.speaks('1.42')`. */
  speaks(version: string): boolean {
    return compareVersions(this.info.apiVersion, version) >= 0;
  }

  /** Milliseconds until the engine answered. */
  async ping(signal: AbortSignal): Promise<number> {
    const begin = performance.now();
    await this.call((docker, abortSignal) => askPlain(docker, '/_ping', abortSignal), signal, 10_000);
    return performance.now() - begin;
  }

  /** True when the engine may reach what listens on 127.0.0.1 here. */
  get isHere(): boolean {
    return this.#link.isHere === true;
  }

  /** As `EngineLink.publishesAt`. */
  get publishesAt(): string | undefined {
    return this.#link.publishesAt;
  }

  /** As `EngineLink.cliEnvironment`. */
  get cliEnvironment(): Environment | undefined {
    return this.#link.cliEnvironment;
  }

  /** The machine's own clock, in milliseconds since the epoch (`SystemTime` of Docker's `/info`). */
  async now(signal: AbortSignal): Promise<number> {
    const info = object(
      await this.call((docker, abortSignal) => askPlain(docker, '/info', abortSignal), signal, 10_000),
    );
    return time(info['SystemTime']);
  }

  onClose(listener: (error: DeployError | undefined) => void): void {
    this.#link.onClose(listener);
  }

  /** Ends the idle connections. The SSH connection below stays: it belongs to whoever opened it. */
  close(): void {
    this.#clients.close();
  }
}

interface Clients {
  readonly short: Docker;
  readonly long: Docker;
  useVersion(version: string): void;
  close(): void;
}

function createClients(link: EngineLink): Clients {
  // Requests end by themselves and wait for each other; a stream may stay open for as long as a container runs.
  const forRequests = Math.max(1, Math.floor(link.maxStreams / 4));
  const shortAgent = new StreamAgent(() => link.open(), { keepAlive: true, maxSockets: forRequests });
  const longAgent = new StreamAgent(() => link.open(), {
    keepAlive: false,
    maxSockets: link.maxStreams - forRequests,
  });
  const short = createDocker(shortAgent);
  const long = createDocker(longAgent);
  return {
    short,
    long,
    useVersion: (version) => {
      for (const docker of [short, long]) {
        Object.assign(object(docker.modem), { version: `v${version}` });
      }
    },
    close: () => {
      shortAgent.destroy();
      longAgent.destroy();
    },
  };
}

/**
 * docker-modem fills every option that is not given from DOCKER_HOST and DOCKER_CERT_PATH, and throws when they are
 * broken. The way to the engine is known here, so it must not look at them.
 */
function createDocker(agent: StreamAgent): Docker {
  const { DOCKER_HOST: dockerHost } = process.env;
  delete process.env['DOCKER_HOST'];
  // The types know no agent; docker-modem does.
  const options = { protocol: 'http' as const, host: 'docker', port: 80, agent };
  try {
    return new Docker(options);
  } finally {
    if (dockerHost !== undefined) {
      process.env['DOCKER_HOST'] = dockerHost;
    }
  }
}

async function identify(docker: Docker, limit: AbortSignal): Promise<EngineInfo> {
  // From API 1.44 on /info has pages on what each runtime can do, unless it is asked in an older version. It takes the
  // engine a while, so it is asked before it is known whether the engine still speaks that one.
  const early = askPlain(docker, `/v${OLDEST_API}/info`, limit);
  early.catch(() => undefined);
  const version = object(await askPlain(docker, '/version', limit));
  const own = text(version['ApiVersion']);
  if (own === '') {
    throw new DockerError(t('What answers there is not Docker.'));
  }
  if (compareVersions(own, OLDEST_API) < 0) {
    throw new DockerError(t('Docker {0} is too old. Docker 20.10 is the oldest that works.', text(version['Version'])));
  }
  const minimum = text(version['MinAPIVersion']);
  const speaksOldest = compareVersions(minimum, OLDEST_API) <= 0;
  const info = object(await (speaksOldest ? early : askPlain(docker, `/v${minimum}/info`, limit)));
  const clock = time(info['SystemTime']);
  const containerd = array(info['DriverStatus']).some((row) =>
    texts(row).join('=').startsWith('driver-type=io.containerd'),
  );
  return {
    version: text(version['Version']),
    apiVersion: spokenVersion(own, minimum),
    platform: `${text(version['Os'])}/${text(version['Arch'])}`,
    store: containerd ? 'containerd' : 'layers',
    storageDriver: text(info['Driver']),
    dataRoot: text(info['DockerRootDir']),
    name: text(info['Name']),
    id: text(info['ID']),
    clockAheadMs: clock === 0 ? 0 : clock - Date.now(),
  };
}

/** The newest version both sides know; an engine that dropped all of ours is asked in its oldest. */
function spokenVersion(own: string, minimum: string): string {
  const wanted = compareVersions(own, NEWEST_API) < 0 ? own : NEWEST_API;
  return minimum !== '' && compareVersions(wanted, minimum) < 0 ? minimum : wanted;
}

/** Negative, zero or positive as `a` is older than, the same as or newer than `b` (`1.9` is older than `1.41`). */
export function compareVersions(a: string, b: string): number {
  const [left = [], right = []] = [a, b].map((version) =>
    version.split('.').map((part) => Number.parseInt(part, 10) || 0),
  );
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}

/** A GET. dockerode's own methods take a signal too, but their types do not say so, and not all take parameters. */
function askPlain(docker: Docker, path: string, abortSignal: AbortSignal, query: Query = {}): Promise<unknown> {
  const request = { method: 'GET', ...withQuery(path, query), statusCodes: { 200: true }, abortSignal };
  return new Promise((resolve, reject) => {
    docker.modem.dial(request, (error, answer) => {
      if (error !== null) {
        reject(error);
      } else {
        resolve(answer);
      }
    });
  });
}

/** docker-modem appends parameters to a path that ends with a question mark, and to no other. */
function withQuery(path: string, query: Query): { path: string; options?: { _query: Query; _body: object } } {
  const known = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
  return Object.keys(known).length === 0 ? { path } : { path: `${path}?`, options: { _query: known, _body: {} } };
}

function dialStream(docker: Docker, request: StreamRequest, abortSignal: AbortSignal): Promise<Readable> {
  return new Promise((resolve, reject) => {
    docker.modem.dial(
      {
        method: request.method,
        ...withQuery(request.path, request.query ?? {}),
        ...(request.headers !== undefined && { headers: { ...request.headers } }),
        ...(request.body !== undefined && { file: request.body }),
        isStream: true,
        statusCodes: { 200: true, 201: true },
        abortSignal,
      },
      (error, answer) => {
        if (error !== null) {
          reject(error);
        } else {
          resolve(answer as Readable);
        }
      },
    );
  });
}
