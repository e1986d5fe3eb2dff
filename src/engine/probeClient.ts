/** One request of the health check, sent by curl or wget inside the proxy: from where nginx stands. */
import { execInContainer } from '../docker/containers';
import { isConflict, isNotFound } from '../docker/errors';
import { hostLabel } from '../hostNames';
import { t } from '../l10n';
import { DeployError, type HealthMethod, type RouteConfig, slotContainer, toDeployError } from '../model';
import { CONF_DIRECTORY } from '../nginx/conf';
import type { FilledSlot, ReadyProxy, Run } from './context';
import type { Host } from './host';

/** Longest body that is read, in bytes. */
const BODY_LIMIT = 1024 * 1024;
/** On top of the time that the request itself may take, for the way to the host. */
const WAY_LIMIT_MS = 10_000;

export interface Answer {
  readonly status: number | undefined;
  readonly ms: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Empty where it was not asked for. */
  readonly body: string;
  /** Why there is no answer. */
  readonly failure: Failure | undefined;
}

/** Why a request was not answered: what code looks at, and what a person reads. */
export interface Failure {
  readonly code: 'refused' | 'too-late' | 'no-name' | 'no-http' | 'no-proxy' | 'other';
  readonly text: string;
}

interface Question {
  readonly url: string;
  readonly method: HealthMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly readBody: boolean;
  /** Begin with HTTP/2 at once, as gRPC does (RFC 9113, section 3.3). Only curl can. */
  readonly http2: boolean;
}

/**
 * A host name that leads to a service; undefined when any is as good. Of `*.shop.example` it is one that no other service
 * is likely to claim for itself.
 */
export function requestHost({ hosts }: RouteConfig): string | undefined {
  return hosts.find((name) => !name.includes('*')) ?? hosts[0]?.replace('*', 'blue-green');
}

/** Whether a status is among the accepted codes and classes. */
export function isAccepted(status: number, accepted: readonly (number | string)[]): boolean {
  return accepted.some((it) =>
    typeof it === 'number'
      ? it === status
      : /^\dxx$/i.test(it)
        ? Number(it[0]) === Math.floor(status / 100)
        : Number(it) === status,
  );
}

/** Asks a slot once, as the service's `health` says. `host` stands in for the host name. Rejects only when cancelled. */
export async function askSlot(run: Run, proxy: ReadyProxy, filled: FilledSlot, host?: string): Promise<Answer> {
  const { health, route } = run.service;
  const http2 = route.protocol === 'grpc';
  if (http2 && proxy.client !== 'curl') {
    throw new DeployError('proxy', t("The proxy's image has no curl, which the probe of a gRPC service needs."), {
      hint: t('Use the official nginx image, or add curl to yours. nginx reads its sites from {0}.', CONF_DIRECTORY),
    });
  }
  const argv = requestArguments(proxy.client, {
    url: `http://${slotContainer(run.service.name, filled.slot)}:${filled.port}${health.path}`,
    method: health.method,
    headers: { Host: requestHost(route) ?? 'localhost', ...health.headers, ...(host !== undefined && { Host: host }) },
    timeoutMs: health.timeoutMs,
    readBody: health.body !== undefined,
    http2,
  });
  const begin = performance.now();
  const elapsed = (): number => Math.round(performance.now() - begin);
  try {
    const { exitCode, stdout, stderr } = await execInContainer(run.engine, proxy.id, argv, {
      timeoutMs: health.timeoutMs + WAY_LIMIT_MS,
      signal: run.signal,
    });
    return parseAnswer(proxy.client, exitCode, stdout, stderr, elapsed());
  } catch (error) {
    if (isNotFound(error)) {
      throw removedByOthers(run.host, error);
    }
    const cause = toDeployError(error);
    if (cause.code !== 'internal') {
      throw cause;
    }
    // A container that is stopped or paused (409) may be back for the next try.
    const failure = { code: isConflict(error) ? 'no-proxy' : 'other', text: cause.message } as const;
    return { status: undefined, ms: elapsed(), headers: {}, body: '', failure };
  }
}

/** The error of a proxy that was there a moment before. */
export function removedByOthers(host: Host, cause?: unknown): DeployError {
  return new DeployError('proxy', t('The proxy on {0} was removed by somebody else.', hostLabel(host.name)), {
    hint: t('Deploy again: it is made anew.'),
    cause,
  });
}

/** The command line of curl(1), or of wget as busybox and GNU have it. */
export function requestArguments(client: 'curl' | 'wget', question: Question): string[] {
  const { url, method, headers, timeoutMs, readBody, http2 } = question;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const output = readBody ? '-' : '/dev/null';
  if (client === 'curl') {
    const how = { GET: [], HEAD: ['--head'], POST: ['--request', 'POST', '--header', 'Content-Length: 0'] }[method];
    const limits = ['--max-time', String(timeoutMs / 1000), '--max-filesize', String(BODY_LIMIT)];
    const answer = ['--silent', '--show-error', '--dump-header', '-', '--output', output, '--noproxy', '*'];
    const sent = ['--user-agent', 'blue-green', ...lines.flatMap((line) => ['--header', line])];
    const version = http2 ? ['--http2-prior-knowledge'] : [];
    return ['curl', ...version, ...answer, ...limits, ...how, ...sent, url];
  }
  const how = { GET: [], HEAD: ['--spider'], POST: ['--post-data', ''] }[method];
  const seconds = String(Math.max(1, Math.ceil(timeoutMs / 1000)));
  const sent = ['-U', 'blue-green', ...lines.flatMap((line) => ['--header', line])];
  return ['wget', '-S', '-O', output, '-T', seconds, ...how, ...sent, url];
}

/** Reads what curl or wget printed: the service's own answer (wget follows redirects), or why there is none. */
export function parseAnswer(
  client: 'curl' | 'wget',
  exitCode: number,
  stdout: string,
  stderr: string,
  ms: number,
): Answer {
  // wget indents them.
  const text = (client === 'curl' ? stdout : stderr.replace(/^ +/gm, '')).replaceAll('\r\n', '\n');
  const first = [...text.matchAll(/^HTTP\/[\d.]+ (\d{3})[^\n]*\n/gm)].find((match) => Number(match[1]) >= 200);
  if (first === undefined) {
    return { status: undefined, ms, headers: {}, body: '', failure: failureOf(client, exitCode, stderr) };
  }
  const rest = text.slice(first.index + first[0].length);
  const headers: Record<string, string> = {};
  let end = 0;
  for (const line of rest.split('\n')) {
    end += line.length + 1;
    const header = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
    if (header === null) {
      break;
    }
    headers[(header[1] ?? '').toLowerCase()] = header[2] ?? '';
  }
  const body = client === 'curl' ? rest.slice(end) : stdout;
  return { status: Number(first[1]), ms, headers, body, failure: undefined };
}

/** Exit codes of curl(1); wget says it in words. */
function failureOf(client: 'curl' | 'wget', exitCode: number, stderr: string): Failure {
  const text = stderr.trim().split('\n').at(-1) ?? '';
  if ((client === 'curl' && exitCode === 7) || /refused/i.test(text)) {
    return { code: 'refused', text: t('Connection refused: nothing listens on that port yet.') };
  }
  if ((client === 'curl' && exitCode === 28) || /timed out/i.test(text)) {
    return { code: 'too-late', text: t('No answer in time.') };
  }
  if ((client === 'curl' && exitCode === 6) || /bad address|resolve/i.test(text)) {
    return { code: 'no-name', text: t('The container has no name on the network yet.') };
  }
  if (client === 'curl' && [1, 8, 52, 56].includes(exitCode)) {
    return { code: 'no-http', text: t('The connection was closed without an HTTP answer.') };
  }
  return { code: 'other', text: text === '' ? t('{0} ended with code {1}.', client, exitCode) : text };
}
