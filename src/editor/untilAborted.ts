import { throwIfCancelled, toDeployError } from '../model';

/** The promise's outcome, or the signal's reason when that comes first. What is waited for goes on by itself. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfCancelled(signal);
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(toDeployError(signal.reason, 'cancelled'));
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
