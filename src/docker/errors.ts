import { t } from '../l10n';
import { cancelledError, DeployError } from '../model';

/**
 * A refusal by the Docker engine. `status` is the HTTP status of its answer, undefined when there was none (a time
 * limit). The message is Docker's own, as a sentence.
 */
export class DockerError extends Error {
  override readonly name = 'DockerError';
  readonly status: number | undefined;

  constructor(message: string, status?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof DockerError && error.status === 404;
}

/** The name is taken, or the thing is in use. */
export function isConflict(error: unknown): boolean {
  return error instanceof DockerError && error.status === 409;
}

/** The engine answered, and said no: it is there and can be reached. */
export function isRefusal(error: unknown): boolean {
  return error instanceof DockerError && error.status !== undefined;
}

/** Codes that Node gives to a connection that broke or never came about. */
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ECONNREFUSED', 'ENOENT', 'ECONNABORTED', 'ETIMEDOUT', 'EHOSTUNREACH']);

/**
 * What was thrown while talking to an engine, in our terms: the signal's own reason when it was aborted, a DockerError
 * for an answer of Docker, a DeployError for a broken connection.
 */
export function explain(error: unknown, engine: string, signal?: AbortSignal): Error {
  if (signal?.aborted === true) {
    return abortReason(signal, engine);
  }
  if (!(error instanceof Error)) {
    return new DockerError(String(error));
  }
  // A channel that cannot be opened names itself; that the connection below is gone says more.
  if (error.cause instanceof DeployError) {
    return error.cause;
  }
  if (error instanceof DeployError || error instanceof DockerError) {
    return error;
  }
  if ('statusCode' in error && typeof error.statusCode === 'number') {
    return new DockerError(sentence(withoutStatus(error.message)), error.statusCode, error);
  }
  if (isBroken(error)) {
    return new DeployError('docker-unreachable', t('The connection to Docker on {0} broke off.', engine), {
      hint: t('Look whether Docker is running there, then try again.'),
      detail: error.message,
      cause: error,
    });
  }
  return new DockerError(sentence(error.message), undefined, error);
}

/** The error that an aborted signal stands for: its own, a time limit, or the person's wish to stop. */
export function abortReason(signal: AbortSignal, engine: string): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof DeployError || reason instanceof DockerError) {
    return reason;
  }
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return new DockerError(t('Docker on {0} did not answer in time.', engine), undefined, reason);
  }
  return cancelledError();
}

export function isBroken(error: Error): boolean {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return BROKEN.has(code) || error.message === 'socket hang up' || error.message === 'aborted';
}

/** docker-modem writes `(HTTP code 404) no such container - <Docker's own words> `. */
function withoutStatus(message: string): string {
  return message.replace(/^\(HTTP code \d+\) [^-]*- /, '');
}

/** Docker's messages begin in lower case and end without a full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?:]$/.test(capital) || capital === '' ? capital : `${capital}.`;
}
