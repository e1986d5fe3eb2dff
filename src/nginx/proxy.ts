/**
 * What can be seen and done inside the proxy container: look at what it serves, switch a service, watch an old slot's
 * connections.
 */
import { randomBytes } from 'node:crypto';
import { execInContainer, type ExecOptions, type ExecResult } from '../docker/containers';
import type { DockerEngine } from '../docker/engine';
import { isConflict, isNotFound } from '../docker/errors';
import { t } from '../l10n';
import { type ConfChange, DeployError, type SlotName, toDeployError } from '../model';
import {
  claimsEveryHost,
  type ConfFile,
  type ConfInput,
  confPath,
  type ConfSummary,
  isEdited,
  isOurs,
  markerHost,
  missingRoute,
  parseMarkerAnswer,
  parseNginxVersion,
  readConf,
  readRoute,
  renderConf,
  renderRoute,
  restTakenBy,
  routePaths,
  SETTINGS_FILE,
  tlsLine,
} from './conf';
import { CLEAN_SCRIPT, DRAIN_SCRIPT, EXAMINE_SCRIPT, LOOK_SCRIPT, READY_SCRIPT, SWITCH_SCRIPT } from './scripts';

/** Limit for one look into the proxy, in milliseconds. */
const LOOK_LIMIT_MS = 20_000;
/** Milliseconds between two looks of one question how far a slot is drained. */
const DRAIN_LOOK_EVERY_MS = 250;
/** Limit for one proof that the workers took a configuration over, in seconds. */
const PROOF_SECONDS = 15;
/**
 * A switch that has not begun to move its files after so many seconds touches nothing. It runs on when its deployer has
 * died, and has to be over before anybody may take that one's lock for a dead one's (`DEAD_AFTER_MS` less the time in
 * which a deployer that lives may be silent).
 */
export const BEGIN_WITHIN_SECONDS = 10;
/** How often a switch that could not begin is tried again, as long as its deployer lives. */
const TURNS = 6;
/** Longer than a whole switch takes, in seconds: until it begins, and two proofs. */
const SWITCH_SECONDS = BEGIN_WITHIN_SECONDS + 2 * PROOF_SECONDS + 5;

/** What nginx is configured by, in the proxy. */
export interface NginxFiles {
  readonly confs: readonly ConfFile[];
  /** Files of ours that servers include: the locations of services. */
  readonly routes: readonly ConfFile[];
  /** True when somebody else has made room for long host names already, which nginx lets be said once only. */
  readonly roomForNames: boolean;
}

/** What is known of the files of a proxy that is not there yet, or does not run. */
export const NO_FILES: NginxFiles = { confs: [], routes: [], roomForNames: false };

export interface ProxyView extends NginxFiles {
  readonly nginxVersion: string;
  /** The HTTP client in the proxy's image. */
  readonly client: 'curl' | 'wget' | undefined;
  readonly activeWorkers: number;
  readonly leavingWorkers: number;
  /** What running workers answer, by service. */
  readonly answers: ReadonlyMap<string, ConfSummary>;
}

/** Looks at a running proxy with one exec. `services` are those whose workers are asked for their slot. */
export async function lookAtProxy(
  engine: DockerEngine,
  proxy: string,
  services: readonly string[],
  signal: AbortSignal,
): Promise<ProxyView> {
  const env = { BG_HOSTS: services.map(markerHost).join(' ') };
  return viewOf(await askInParts(engine, proxy, LOOK_SCRIPT, env, LOOK_LIMIT_MS, signal));
}

function viewOf(parts: readonly Part[]): ProxyView {
  const confs: ConfFile[] = [];
  const routes: ConfFile[] = [];
  const answers = new Map<string, ConfSummary>();
  const single = new Map<string, string>();
  for (const { name, argument, text } of parts) {
    if (name === 'conf') {
      confs.push({ path: argument, text });
    } else if (name === 'route') {
      routes.push({ path: argument, text });
    } else if (name === 'answer') {
      const answer = parseMarkerAnswer(text);
      if (answer !== undefined) {
        answers.set(answer.service, answer);
      }
    } else {
      single.set(name, text);
    }
  }
  const client = single.get('client')?.trim();
  return {
    nginxVersion: parseNginxVersion(single.get('version') ?? '') ?? '0.0.0',
    client: client === 'curl' || client === 'wget' ? client : undefined,
    activeWorkers: countLines(single.get('active')),
    leavingWorkers: countLines(single.get('leaving')),
    confs,
    routes,
    roomForNames: (single.get('bucket') ?? '').split('\n').some((file) => file !== '' && file !== SETTINGS_FILE),
    answers,
  };
}

/** What only a status asks a running proxy. */
export interface ProxyExamination {
  /** What nginx says against its files on disk; undefined when it takes them. The running workers may serve older ones. */
  readonly refusal: string | undefined;
  /** Files of a switch that its container did not live to finish. */
  readonly leftFiles: readonly string[];
  /** Bytes free on the disk that Docker keeps its containers on; undefined when the proxy's image cannot tell. */
  readonly freeBytes: number | undefined;
}

/** Tests the configuration on disk and looks for leftovers, with one exec. */
export async function examineProxy(
  engine: DockerEngine,
  proxy: string,
  signal: AbortSignal,
): Promise<ProxyExamination> {
  const parts = new Map(
    (await askInParts(engine, proxy, EXAMINE_SCRIPT, {}, LOOK_LIMIT_MS, signal)).map(({ name, text }) => [
      name,
      text.trim(),
    ]),
  );
  const free = parts.get('free') ?? '';
  return {
    refusal: parts.get('refusal'),
    leftFiles: (parts.get('left') ?? '').split('\n').filter((file) => file !== ''),
    freeBytes: /^\d+$/.test(free) ? Number(free) * 1024 : undefined,
  };
}

/**
 * Waits for a switch that is under way, of whatever service, removes what interrupted ones left, and looks at the proxy
 * as it is then, with one exec. `service` is the one whose lock the caller holds, if any. Throws `nginx-refused` when
 * that switch does not end.
 */
export async function cleanProxy(
  engine: DockerEngine,
  proxy: string,
  service: string | undefined,
  signal: AbortSignal,
): Promise<ProxyView> {
  const env = {
    BG_CONF: service === undefined ? SETTINGS_FILE : confPath(service),
    BG_HOSTS: service === undefined ? '' : markerHost(service),
    BG_WAIT: String(SWITCH_SECONDS),
  };
  const parts = await askInParts(engine, proxy, CLEAN_SCRIPT, env, LOOK_LIMIT_MS + SWITCH_SECONDS * 1_000, signal);
  if (parts.some(({ name }) => name === 'busy')) {
    throw switchIsBusy();
  }
  return viewOf(parts);
}

/** Another switch does not end, or the host is too slow for ours. `said`: what the script said. */
export function switchIsBusy(said?: string): DeployError {
  return new DeployError(
    'nginx-refused',
    t('Another switch of nginx does not end, or the host is too slow for one. Nothing was changed.'),
    {
      hint: t('Look at the log of the proxy, and deploy again.'),
      ...(said !== undefined && { detail: said }),
    },
  );
}

interface Part {
  readonly name: string;
  readonly argument: string;
  readonly text: string;
}

/** Runs a script in the proxy. Throws `proxy` when that was stopped, paused or removed meanwhile. */
async function runInProxy(
  engine: DockerEngine,
  proxy: string,
  script: string,
  options: ExecOptions,
): Promise<ExecResult> {
  try {
    return await execInContainer(engine, proxy, ['sh', '-c', script], options);
  } catch (error) {
    throw isConflict(error) || isNotFound(error) ? proxyGone(engine, toDeployError(error).message, error) : error;
  }
}

/** The error of a proxy that runs nothing any more. `said`: what came in the place of an answer. */
export function proxyGone(engine: DockerEngine, said: string, cause?: unknown): DeployError {
  return new DeployError(
    'proxy',
    t('The proxy on {0} did not answer: it was stopped, or is paused.', engine.description),
    {
      hint: t('Look at the status. Repair or the next deployment brings it back.'),
      detail: said.trim(),
      cause,
    },
  );
}

/**
 * Runs a script that prints parts, each begun by a line that no file can hold by chance. The last one is empty: an answer
 * without it was cut by the end of the proxy, and what is missing in it says nothing.
 */
async function askInParts(
  engine: DockerEngine,
  proxy: string,
  script: string,
  env: Readonly<Record<string, string>>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Part[]> {
  const mark = `part-${randomBytes(8).toString('hex')}`;
  const { stdout, stderr } = await runInProxy(engine, proxy, script, {
    env: { ...env, BG_MARK: mark },
    timeoutMs,
    signal,
  });
  const parts = stdout
    .split(`\n${mark} `)
    .slice(1)
    .map((part) => {
      const end = part.indexOf('\n');
      const [name, argument] = splitOnce(part.slice(0, end), ' ');
      return { name, argument, text: part.slice(end + 1) };
    });
  if (parts.at(-1)?.name !== 'end') {
    throw proxyGone(engine, parts.length === 0 ? stdout + stderr : stderr);
  }
  return parts;
}

/**
 * What nginx serves for a service: the running workers' own answer, or, for a file that we did not write, what the file
 * names.
 */
export function servedSlot(view: ProxyView, service: string): ConfSummary | undefined {
  const own = confOf(view, service);
  return view.answers.get(service) ?? (own && summaryOf(own, service));
}

/** What a file says about one service. */
function summaryOf({ text }: ConfFile, service: string): ConfSummary | undefined {
  return readConf(text).find((it) => it.service === service);
}

/**
 * The file that holds a service's configuration now: ours, wherever it is, or one that was there before us. Of several
 * the one with the service's name.
 */
export function confOf(view: NginxFiles, service: string): ConfFile | undefined {
  const naming = view.confs.filter((conf) => summaryOf(conf, service) !== undefined);
  const ours = naming.filter(({ text }) => isOurs(text));
  const among = ours.length > 0 ? ours : naming;
  return among.find(({ path }) => path === confPath(service)) ?? among[0];
}

/** What a service answers for, in words: `shop.example/api`, several of them, or `*` for everything else. */
export function routeOf(view: ProxyView, service: string): string {
  const routes = view.routes.flatMap((file) => readRoute(file, service) ?? []);
  const own = confOf(view, service)?.text ?? '';
  const byHand = isOurs(own) ? undefined : /^\s*server_name\s+([^;]+);/m.exec(own)?.[1]?.trim();
  return routes.length > 0 ? routes.join(' ') : byHand === undefined || byHand === '_' ? '*' : byHand;
}

/** Files of a service that somebody has changed by hand since a deployment wrote them. */
export function editedFiles(view: ProxyView, service: string): ConfFile[] {
  const own = confOf(view, service);
  const paths = new Set(routePaths(service, filePaths(view)));
  return [...(own === undefined ? [] : [own]), ...allFiles(view).filter(({ path }) => paths.has(path))].filter(
    ({ text }) => isEdited(text),
  );
}

/** Files that `changes` write over or take away, and in which there is what somebody wrote by hand. */
export function filesByHand(view: NginxFiles, changes: readonly FileChange[]): ConfFile[] {
  const paths = new Set(changes.map(({ path }) => path));
  return allFiles(view).filter(({ path, text }) => paths.has(path) && (!isOurs(text) || isEdited(text)));
}

/** Who takes every request that no other service claims: a service, or the path of a file that is not ours. */
export function restTaker(view: ProxyView): string | undefined {
  const hand = view.confs.find((conf) => claimsEveryHost(conf.text));
  return (
    view.routes.map(({ path }) => restTakenBy(path)).find((it) => it !== undefined) ??
    (hand && (readConf(hand.text)[0]?.service ?? hand.path))
  );
}

/**
 * All files that make nginx send a service's requests to a slot, and those of it that are no longer needed, in the order
 * in which they are put in place and taken away.
 */
export function filesToServe(view: NginxFiles, input: ConfInput): FileChange[] {
  const own = { path: confOf(view, input.service)?.path ?? confPath(input.service), text: renderConf(input) };
  const route = renderRoute(input).filter(({ path }) => path !== SETTINGS_FILE || !view.roomForNames);
  const wanted = new Set(route.map(({ path }) => path));
  const stale = routePaths(input.service, filePaths(view)).filter((path) => !wanted.has(path));
  return [own, ...route, ...stale.map((path) => ({ path, text: undefined }))];
}

/** What of `files` differs from what is there, in the same order: the service's own file first. */
export function changesOf(view: NginxFiles, files: readonly FileChange[]): ConfChange[] {
  const texts = new Map(allFiles(view).map(({ path, text }) => [path, text]));
  return files
    .map(({ path, text = '' }) => ({ path, before: texts.get(path) ?? '', after: text }))
    .filter(({ before, after }) => before !== after);
}

/** Where a file in the proxy serves TLS. */
export interface TlsPlace {
  readonly path: string;
  readonly line: number;
}

/**
 * TLS that somebody serves by hand and that would not outlive a switch of the service: in a file that `paths` are
 * written or taken away with, or in one that names a slot. No file of ours serves TLS, unless somebody edited it.
 */
export function tlsInTheWay(
  view: ProxyView,
  service: string,
  paths: readonly string[] = [confPath(service), ...editedFiles(view, service).map(({ path }) => path)],
): TlsPlace | undefined {
  for (const { path, text } of allFiles(view)) {
    const line = tlsLine(text);
    if (line !== undefined && (paths.includes(path) || readConf(text).some((it) => it.service === service))) {
      return { path, line };
    }
  }
  return undefined;
}

/** A file that somebody wrote by hand, and the other services that it leads to: one of ours in its place would not. */
export function sharedByHand(
  view: ProxyView,
  service: string,
): { readonly path: string; readonly others: readonly string[] } | undefined {
  const own = confOf(view, service) ?? view.confs.find(({ path }) => path === confPath(service));
  const others = own === undefined ? [] : readConf(own.text).filter((it) => it.service !== service);
  return own === undefined || others.length === 0
    ? undefined
    : { path: own.path, others: others.map((it) => it.service) };
}

/** A file besides the service's own that names one of its slots: no switch of the service would change it. */
export function namedBeside(
  view: ProxyView,
  service: string,
): { readonly path: string; readonly slot: SlotName } | undefined {
  const own = confOf(view, service);
  for (const conf of view.confs.filter(({ path }) => path !== own?.path)) {
    const named = summaryOf(conf, service);
    if (named !== undefined) {
      return { path: conf.path, slot: named.slot };
    }
  }
  return undefined;
}

/** All files of a service, to be taken away. */
export function filesToRemove(view: ProxyView, service: string): FileChange[] {
  const own = confOf(view, service);
  const paths = [...routePaths(service, filePaths(view)), ...(own === undefined ? [] : [own.path])];
  return paths.map((path) => ({ path, text: undefined }));
}

/**
 * What takes changes back: the same files as they are in `view`, in the opposite order. Room for long host names stays:
 * it does no harm, and another service may need it by then.
 */
export function filesToRestore(view: ProxyView, changes: readonly FileChange[]): FileChange[] {
  const before = new Map(allFiles(view).map(({ path, text }) => [path, text]));
  return changes
    .map(({ path }) => ({ path, text: before.get(path) }))
    .filter(({ path, text }) => path !== SETTINGS_FILE || text !== undefined)
    .reverse();
}

/** The file of ours without which nginx leads requests to a service nowhere; undefined when all are there. */
export function missingFile(view: ProxyView, service: string): string | undefined {
  const own = confOf(view, service);
  return own === undefined || !isOurs(own.text) ? undefined : missingRoute(service, filePaths(view));
}

function allFiles(view: NginxFiles): ConfFile[] {
  return [...view.confs, ...view.routes];
}

function filePaths(view: NginxFiles): string[] {
  return allFiles(view).map(({ path }) => path);
}

/** Waits until nginx's workers run. Throws `proxy` after `limitMs`. */
export async function waitForWorkers(
  engine: DockerEngine,
  proxy: string,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { exitCode } = await runInProxy(engine, proxy, READY_SCRIPT, {
    env: { BG_LIMIT: String(Math.ceil(limitMs / 1_000)) },
    timeoutMs: limitMs + 5_000,
    signal,
  });
  if (exitCode !== 0) {
    throw new DeployError('proxy', t('nginx did not start in the proxy within {0} seconds.', limitMs / 1000));
  }
}

/** A file that is written, or, without a text, taken away. */
export interface FileChange {
  readonly path: string;
  readonly text: string | undefined;
}

export interface SwitchInput {
  readonly files: readonly FileChange[];
  readonly service: string;
  /** What the workers must answer afterwards (`markerAnswer`); undefined where the service is taken out of nginx. */
  readonly expect: string | undefined;
}

/** How a switch ended on the host. */
export type SwitchVerdict =
  | { readonly kind: 'switched' }
  /** nginx refused the candidate; nothing was touched. */
  | { readonly kind: 'refused'; readonly output: string }
  /** The workers did not take it over; the previous file is back and serving. */
  | { readonly kind: 'reverted'; readonly output: string }
  /** Another switch did not end, or the host was too slow; nothing was touched. */
  | { readonly kind: 'busy'; readonly output: string }
  /** The candidate could not be written (a full disk); nothing was touched. */
  | { readonly kind: 'unwritten'; readonly output: string }
  /** The previous file is back but the workers did not confirm it; or nobody knows, as nginx ended in the middle. */
  | { readonly kind: 'broken'; readonly output: string };

/**
 * Runs the switch, once it is its turn. Before each try `mayBegin` is asked, which throws when the caller's lock is lost.
 * There is no AbortSignal on purpose: once begun it runs to its end on the host, and its verdict has to be heard. Where it
 * throws, the switch may have happened, or happen yet.
 */
export async function switchProxy(
  engine: DockerEngine,
  proxy: string,
  input: SwitchInput,
  mayBegin: () => Promise<void>,
): Promise<SwitchVerdict> {
  for (let turn = 1; ; turn += 1) {
    await mayBegin();
    const verdict = await tryToSwitch(engine, proxy, input);
    if (verdict.kind !== 'busy' || turn === TURNS) {
      return verdict;
    }
  }
}

async function tryToSwitch(engine: DockerEngine, proxy: string, input: SwitchInput): Promise<SwitchVerdict> {
  const { stdout, stderr } = await runInProxy(engine, proxy, SWITCH_SCRIPT, {
    env: {
      BG_FILES: String(input.files.length),
      ...Object.fromEntries(
        input.files.flatMap(({ path, text }, index) => [
          [`BG_PATH_${index + 1}`, path],
          [`BG_TEXT_${index + 1}`, text ?? ''],
        ]),
      ),
      BG_SERVICE: input.service,
      BG_HOST: markerHost(input.service),
      BG_EXPECT: input.expect ?? '',
      BG_LIMIT: String(PROOF_SECONDS),
      BG_WITHIN: String(BEGIN_WITHIN_SECONDS),
    },
    timeoutMs: LOOK_LIMIT_MS + SWITCH_SECONDS * 1_000,
    signal: new AbortController().signal,
  });
  return parseVerdict(stdout, stderr);
}

export function parseVerdict(stdout: string, stderr: string): SwitchVerdict {
  const kind = /^verdict (\w+)$/m.exec(stdout)?.[1];
  const output = `${stdout.replace(/^verdict \w+$/m, '').trim()}\n${stderr.trim()}`.trim();
  switch (kind) {
    case 'switched':
      return { kind };
    case 'refused':
    case 'reverted':
    case 'busy':
    case 'unwritten':
    case 'broken':
      return { kind, output };
    default:
      return { kind: 'broken', output: output === '' ? t('The switch ended without a verdict.') : output };
  }
}

/**
 * Counts the workers that are shutting down, and the connections from the proxy to a slot's address (IPv4). Answers as
 * soon as there are none, and else after `waitMs` (0: at once).
 */
export async function countDraining(
  engine: DockerEngine,
  proxy: string,
  address: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<{ leavingWorkers: number; connections: number }> {
  const { stdout, stderr } = await runInProxy(engine, proxy, DRAIN_SCRIPT, {
    env: {
      BG_PEER: procNetAddress(address),
      BG_LOOKS: String(1 + Math.ceil(waitMs / DRAIN_LOOK_EVERY_MS)),
      BG_EVERY: String(DRAIN_LOOK_EVERY_MS / 1_000),
    },
    timeoutMs: LOOK_LIMIT_MS + waitMs,
    signal,
  });
  const read = (name: string): number => {
    const count = new RegExp(`^${name} +(\\d+)`, 'm').exec(stdout)?.[1];
    if (count === undefined) {
      throw proxyGone(engine, stdout + stderr);
    }
    return Number(count);
  };
  return { leavingWorkers: read('leaving'), connections: read('connections') };
}

/** `172.18.0.3` → `030012AC`, the little-endian form of /proc/net/tcp on the architectures Docker runs on. */
export function procNetAddress(address: string): string {
  return address
    .split('.')
    .reverse()
    .map((part) => Number(part).toString(16).toUpperCase().padStart(2, '0'))
    .join('');
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

function countLines(text: string | undefined): number {
  return (text ?? '').split('\n').filter((line) => line.trim() !== '').length;
}
