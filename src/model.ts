/**
 * The vocabulary of the product as types. Every other module speaks in these words; this one imports nothing but `t`.
 */
import { t } from './l10n';

/** The two colours a service's containers take turns in. Containers are named `<service>_BLUE` and `<service>_GREEN`. */
export type SlotName = 'BLUE' | 'GREEN';

export const SLOT_NAMES: readonly SlotName[] = ['BLUE', 'GREEN'];

export function otherSlot(slot: SlotName): SlotName {
  return slot === 'BLUE' ? 'GREEN' : 'BLUE';
}

export function slotContainer(service: string, slot: SlotName): string {
  return `${service}_${slot}`;
}

/** Names shared with the article's script, so that a host it prepared is adopted as it is. */
export const GATEWAY_NETWORK = 'web-gateway';
export const PROXY_CONTAINER = 'reverse-proxy';
/** Where nginx listens in it. */
export const PROXY_PORT = 80;
export const DEFAULT_PROXY_IMAGE = 'nginx:1.30-alpine';

/** Labels on slot containers and their images. All values are plain text without secrets. */
export const LABEL = {
  service: 'blue-green.service',
  slot: 'blue-green.slot',
  deployment: 'blue-green.deployment',
  release: 'blue-green.release',
  commit: 'blue-green.commit',
  person: 'blue-green.person',
  time: 'blue-green.time',
  /** The service's configuration as JSON (names of environment variables only, never their values). */
  config: 'blue-green.config',
  /** `proxy`, `lock` or `look` on helper containers; `gateway` on the network. */
  role: 'blue-green.role',
} as const;

/** Variables of an environment; one that is undefined is not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The stages of a deployment, in order. */
export const STAGES = [
  'plan',
  'build',
  'transfer',
  'proxy',
  'start',
  'probe',
  'switch',
  'verify',
  'drain',
  'retire',
] as const;
export type Stage = (typeof STAGES)[number];

/* ---------- configuration ---------- */

/** A service as bluegreen.json (or zero configuration) describes it, every default filled in, every path absolute. */
export interface ServiceConfig {
  /** `[a-z0-9][a-z0-9_.-]*`, at most 63 characters: container names, image names and file names are made of it. */
  readonly name: string;
  readonly build: BuildConfig;
  /** Destinations as a person writes them: ssh config alias, `user@host[:port]`, or `local`. May be empty. */
  readonly hosts: readonly string[];
  /** Port the service listens on in its container; undefined = take the image's single EXPOSEd port. */
  readonly port: number | undefined;
  readonly health: HealthConfig;
  readonly route: RouteConfig;
  readonly run: RunConfig;
  readonly proxy: ProxyConfig;
  readonly verify: VerifyConfig;
  readonly drain: DrainConfig;
  readonly retire: RetireConfig;
  readonly transfer: TransferConfig;
}

/**
 * How the image gets to the host: its missing layers over SSH, built on the host's own engine, or pushed to a registry
 * from here and pulled there. `repository` is a name without a tag: `ghcr.io/ann/shop`.
 */
export type TransferConfig =
  { readonly way: 'ssh' } | { readonly way: 'host' } | { readonly way: 'registry'; readonly repository: string };

export interface BuildConfig {
  readonly context: string;
  readonly dockerfile: string;
  readonly target: string | undefined;
  readonly args: Readonly<Record<string, string>>;
  /** By the ids that the Dockerfile names. */
  readonly secrets: Readonly<Record<string, BuildSecret>>;
  readonly ssh: boolean;
}

/** Where a build's secret comes from: a variable of whoever deploys, or a file, absolute. */
export type BuildSecret = { readonly env: string } | { readonly file: string };

export const HEALTH_METHODS = ['GET', 'HEAD', 'POST'] as const;
export type HealthMethod = (typeof HEALTH_METHODS)[number];

export interface HealthConfig {
  readonly path: string;
  readonly method: HealthMethod;
  /** Request headers by name. No secrets: they end up in a label and in a command line. Default: none. */
  readonly headers: Readonly<Record<string, string>>;
  /** Accepted status codes, each an exact code or a class: `[200, "3xx"]`. Default `["2xx", "3xx"]`. */
  readonly status: readonly (number | string)[];
  /** Text that the answer's body has to hold; undefined = any body. */
  readonly body: string | undefined;
  /** Milliseconds after the start in which tries that fail do not count. Default 0. */
  readonly startPeriodMs: number;
  /** Milliseconds between two tries. Default 1000. */
  readonly intervalMs: number;
  /** Milliseconds one try may take. Default 5000. */
  readonly timeoutMs: number;
  /** Tries before the slot counts as never healthy. Default 60. */
  readonly attempts: number;
  /** Healthy answers in a row that are needed. Default 2. */
  readonly successes: number;
}

export const ROUTE_PROTOCOLS = ['http', 'grpc'] as const;
export type RouteProtocol = (typeof ROUTE_PROTOCOLS)[number];

export interface RouteConfig {
  /** Host names nginx answers for; empty = every request that no other service claims. */
  readonly hosts: readonly string[];
  /** Beginning of the paths it answers for, without a slash at its end; `/` = all paths. */
  readonly path: string;
  /** True when the service is asked without that beginning: `/api/users` as `/users`. Default false. */
  readonly stripPath: boolean;
  /** nginx `client_max_body_size`. Default `100m`. */
  readonly maxBody: string;
  /** What the service speaks: HTTP/1.1, or gRPC over HTTP/2 without TLS. Default `http`. */
  readonly protocol: RouteProtocol;
}

export interface RunConfig {
  /** Values may hold secrets: they go to the container only, never to labels, events or logs. */
  readonly env: Readonly<Record<string, string>>;
  /** Bind or named volumes in docker's `source:target[:options]` form. */
  readonly volumes: readonly string[];
  readonly command: readonly string[] | undefined;
  readonly user: string | undefined;
  /** Bytes; undefined = no limit. */
  readonly memoryBytes: number | undefined;
  /** CPUs, fractions allowed; undefined = no limit. */
  readonly cpus: number | undefined;
  /** `name:ip` lines for /etc/hosts. */
  readonly extraHosts: readonly string[];
}

export interface ProxyConfig {
  readonly image: string;
  /** Port of the host that the proxy publishes. Default 80. */
  readonly publish: number;
}

export interface VerifyConfig {
  /** Failed requests that are put up with before the switch is taken back. Default 0. */
  readonly allowedFailures: number;
}

export const DRAIN_CHOICES = ['cut', 'leave', 'wait'] as const;
export type DrainChoice = (typeof DRAIN_CHOICES)[number];

export interface DrainConfig {
  /** Milliseconds that connections still open on the old slot are waited for. Default 60 000. */
  readonly timeoutMs: number;
  /**
   * What becomes of those that are open even then. `cut`: the old slot gets its stop signal and its grace time. `leave`:
   * it runs on, without new requests, until the next deployment. `wait`: the deployment waits on. Default `cut`.
   */
  readonly atTimeout: DrainChoice;
}

export interface RetireConfig {
  /** What becomes of the old slot. Default `stop`: stopped and kept for rollback. */
  readonly old: 'stop' | 'keep' | 'remove';
  /** Releases of the service whose images are kept on the host, the live and the previous one included. Default 3. */
  readonly keepImages: number;
  /** Seconds a container has between its stop signal and being killed. Default 30. */
  readonly graceSeconds: number;
}

/* ---------- errors ---------- */

/** Every way a command can end other than well. The exit code of the CLI follows from it (docs: exit codes). */
export type ErrorCode =
  | 'usage' // 1: wrong use or configuration
  | 'config' // 1
  | 'proxy' // 2: the proxy could not be set up, or was stopped meanwhile
  | 'start' // 3: the container did not start, or died
  | 'nginx-refused' // 4: nginx refuses the configuration, or did not take it over
  | 'unhealthy' // 5: never healthy
  | 'build' // 6
  | 'transfer' // 7
  | 'host-unreachable' // 8
  | 'host-untrusted' // 8: unknown or changed host key
  | 'host-auth' // 8: no way to log in
  | 'docker-unreachable' // 8: no Docker there, or no right to use it
  | 'locked' // 9
  | 'lock-lost' // 9
  | 'plan-changed' // 1: what was approved is not what would be done now
  | 'verify' // 5: requests failed after the switch; switched back
  | 'not-found' // 1: no such service or slot on the host
  | 'cancelled' // 130
  | 'internal'; // 1

export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  usage: 1,
  config: 1,
  'not-found': 1,
  internal: 1,
  'plan-changed': 1,
  proxy: 2,
  start: 3,
  'nginx-refused': 4,
  unhealthy: 5,
  verify: 5,
  build: 6,
  transfer: 7,
  'host-unreachable': 8,
  'host-untrusted': 8,
  'host-auth': 8,
  'docker-unreachable': 8,
  locked: 9,
  'lock-lost': 9,
  cancelled: 130,
};

/** A place in a file that an error is about. Lines and columns count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * The one error type that crosses a module's border. `message` is one plain sentence for the person, `hint` says what
 * to do next, `detail` holds the raw words of Docker, nginx or ssh where they help.
 */
export class DeployError extends Error {
  override readonly name = 'DeployError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly detail: string | undefined;
  readonly position: SourcePosition | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    more: { hint?: string; detail?: string; position?: SourcePosition; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.hint = more.hint;
    this.detail = more.detail;
    this.position = more.position;
  }
}

/** The person's own wish to stop. Thrown by `throwIfCancelled` and by every wait that was cut short by it. */
export function cancelledError(): DeployError {
  return new DeployError('cancelled', t('Cancelled.'));
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw signal.reason instanceof DeployError ? signal.reason : cancelledError();
  }
}

/** Turns whatever was thrown into a DeployError; one that already is comes back unchanged. */
export function toDeployError(error: unknown, code: ErrorCode = 'internal'): DeployError {
  if (error instanceof DeployError) {
    return error;
  }
  if (error instanceof Error) {
    return error.name === 'AbortError' ? cancelledError() : new DeployError(code, error.message, { cause: error });
  }
  return new DeployError(code, String(error));
}

/* ---------- what is seen on a host ---------- */

export interface SlotState {
  readonly name: SlotName;
  readonly container: string;
  readonly containerId: string;
  /** Docker's own word: created, running, restarting, exited, paused, dead, removing. */
  readonly state: string;
  /** HEALTHCHECK's verdict where the image has one. */
  readonly health: 'healthy' | 'unhealthy' | 'starting' | undefined;
  readonly image: string;
  readonly imageId: string;
  readonly release: string | undefined;
  readonly commit: string | undefined;
  readonly person: string | undefined;
  readonly deployment: string | undefined;
  /** Milliseconds since the epoch, of the container's creation. */
  readonly createdAt: number;
  readonly live: boolean;
}

/** Every unusual state that a host or a service on it can be in. */
export type FindingCode =
  // the host
  | 'proxy-missing'
  | 'proxy-stopped'
  | 'proxy-failing'
  | 'proxy-off-network'
  | 'network-missing'
  | 'network-doubled'
  | 'conf-refused'
  | 'temporary-images'
  | 'disk-low'
  // a service
  | 'locked'
  | 'lock-dead'
  | 'unserved'
  | 'live-down'
  | 'live-not-restarting'
  | 'interrupted'
  | 'both-up'
  | 'conf-edited'
  | 'conf-unloaded'
  | 'unrouted'
  | 'tls-by-hand'
  | 'shared-by-hand'
  | 'slot-by-hand'
  | 'switch-files'
  | 'adopted';

/** One unusual state, named. */
export interface Finding {
  readonly code: FindingCode;
  /** One plain sentence or two, with names and what to do. */
  readonly text: string;
  /** Who ends it: `repair` (the next deployment does as well), a `person`, or `nobody`, because it is no trouble. */
  readonly remedy: 'repair' | 'person' | 'nobody';
}

export interface ServiceState {
  readonly name: string;
  readonly live: SlotName | undefined;
  readonly slots: readonly SlotState[];
  readonly route: string;
  readonly findings: readonly Finding[];
}

export interface ProxyState {
  /** Docker's word for the container's state, or `absent`. */
  readonly state: string;
  readonly image: string | undefined;
  readonly nginxVersion: string | undefined;
  /** Published ports of the host. */
  readonly ports: readonly number[];
}

export interface HostState {
  readonly host: string;
  readonly engineVersion: string;
  readonly imageStore: string;
  readonly platform: string;
  readonly proxy: ProxyState;
  readonly services: readonly ServiceState[];
  /** What is unusual about the host itself. */
  readonly findings: readonly Finding[];
}

/* ---------- plan ---------- */

/** What a deployment is about to do. Data only: it can be shown, logged and tested before anything is touched. */
export interface Plan {
  readonly deployment: string;
  readonly service: string;
  readonly host: string;
  readonly dockerfile: string;
  readonly context: string;
  readonly release: string;
  readonly commit: string | undefined;
  readonly person: string;
  readonly live: SlotName | undefined;
  /** The slot that will be filled. */
  readonly slot: SlotName;
  readonly proxy: 'create' | 'start' | 'use';
  readonly publish: number;
  /** The files of nginx that will change, the service's own first. */
  readonly files: readonly ConfChange[];
  /** Undefined where what the live slot was given is not known, as that of another tool. */
  readonly env: EnvChanges | undefined;
  /** What of the image the host lacks; undefined as long as the image is not built. */
  readonly toSend: PlannedTransfer | undefined;
  /** What the host runs, and what the image is built for: `linux/amd64`. */
  readonly platform: string;
  /** Bytes free on the host where Docker keeps images; undefined where that cannot be told. */
  readonly freeDiskBytes: number | undefined;
  readonly warnings: readonly string[];
}

/** A file of nginx before and after. An empty text stands for no file. */
export interface ConfChange {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/** Names of environment variables that differ from those of the live slot. Their values are nobody's business here. */
export interface EnvChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** An estimate from what the host's images have in common with the built one. */
export interface PlannedTransfer {
  /** Before compression. */
  readonly bytes: number;
  readonly layers: number;
  /** Layers that the host has. */
  readonly present: number;
}

/* ---------- events ---------- */

/** Stages that wait for what may never come. */
export type WaitingStage = Extract<Stage, 'probe' | 'drain'>;

interface EventBase {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly deployment: string;
}

export type StageStatus = 'running' | 'done' | 'skipped' | 'failed' | 'cancelled';

export interface ProbeAttempt {
  readonly attempt: number;
  readonly ok: boolean;
  readonly status: number | undefined;
  readonly ms: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Why it does not count as healthy, in a sentence. */
  readonly reason: string | undefined;
}

export interface TrafficCount {
  readonly sent: number;
  readonly failed: number;
  readonly longestMs: number;
}

export const NO_TRAFFIC: TrafficCount = { sent: 0, failed: 0, longestMs: 0 };

export type DeployEvent =
  | (EventBase & { readonly type: 'plan'; readonly plan: Plan })
  | (EventBase & {
      readonly type: 'stage';
      readonly stage: Stage;
      readonly status: StageStatus;
      readonly ms?: number;
      readonly message?: string;
    })
  | (EventBase & {
      readonly type: 'progress';
      readonly stage: Stage;
      /** Bytes for `transfer`; steps or seconds elsewhere, as `unit` says. */
      readonly done: number;
      readonly total?: number;
      readonly unit: 'bytes' | 'steps';
      /** Units a second. */
      readonly rate?: number;
      readonly message?: string;
    })
  | (EventBase & {
      readonly type: 'log';
      readonly stage: Stage;
      readonly source: 'build' | 'container' | 'nginx' | 'engine';
      readonly level: 'info' | 'warning' | 'error';
      readonly text: string;
    })
  | (EventBase & { readonly type: 'probe'; readonly slot: SlotName; readonly probe: ProbeAttempt })
  | (EventBase & ConfChange & { readonly type: 'conf' })
  | (EventBase & { readonly type: 'traffic'; readonly traffic: TrafficCount })
  | (EventBase & { readonly type: 'drain'; readonly connections: number; readonly oldWorkers: number })
  | (EventBase & {
      /** What is left of a wait that does not last for ever. */
      readonly type: 'wait';
      readonly stage: WaitingStage;
      /** Tries of the probe, milliseconds of the drain. */
      readonly left: number;
      /** What the configuration gives; a person may have given more. */
      readonly given: number;
    })
  | (EventBase & { readonly type: 'result'; readonly result: DeployResult });

/** The last event of a run. Also the last line of `--json`. */
export interface DeployResult {
  readonly ok: boolean;
  readonly service: string;
  readonly host: string;
  /** The slot that serves now; undefined when none does. */
  readonly live: SlotName | undefined;
  readonly release: string | undefined;
  /** One sentence that names the state the host is in. */
  readonly summary: string;
  /** Bytes sent over the wire to the host during this run. */
  readonly bytesSent: number;
  /** Milliseconds by stage, for the stages that ran. */
  readonly durations: Readonly<Partial<Record<Stage, number>>>;
  readonly requests: TrafficCount;
  readonly error?: {
    readonly code: ErrorCode;
    readonly stage: Stage | undefined;
    readonly message: string;
    readonly hint: string | undefined;
    readonly detail: string | undefined;
    readonly position: SourcePosition | undefined;
  };
}

export type Emit = (event: DeployEvent) => void;

/* ---------- questions to a person ---------- */

export interface HostKeyQuestion {
  readonly host: string;
  readonly port: number;
  readonly keyType: string;
  /** `SHA256:…` as ssh-keygen prints it. */
  readonly fingerprint: string;
}

/**
 * What the engine may have to ask while it runs. The editor and the terminal each answer in their own way; `undefined`
 * always means "no answer: stop". A changed or revoked host key is never a question.
 */
export interface Questions {
  /** An unknown host key. `true` = trust it and remember it in the user's known_hosts. */
  trustHostKey(question: HostKeyQuestion, signal: AbortSignal): Promise<boolean>;
  /** Passphrase of a private key file. `retry` when the last answer was wrong. */
  passphrase(keyFile: string, retry: boolean, signal: AbortSignal): Promise<string | undefined>;
  /** Password or keyboard-interactive answer; `prompt` is the server's own text. */
  password(host: string, prompt: string, signal: AbortSignal): Promise<string | undefined>;
  /** A yes-or-no question before something that cannot be taken back. */
  confirm(message: string, action: string, signal: AbortSignal): Promise<boolean>;
}
