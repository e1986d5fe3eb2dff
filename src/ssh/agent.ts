import type { Duplex } from 'node:stream';
import { BaseAgent, createAgent, utils, type ParsedKey, type SignCallback, type SigningRequestOptions } from 'ssh2';

/** Listing keys needs nobody; signing may wait for a finger on a token or a click in a password manager. */
const LIST_LIMIT_MS = 5_000;
const SIGN_LIMIT_MS = 60_000;

export interface Agent {
  readonly keys: readonly ParsedKey[];
  sign(key: ParsedKey, data: Buffer, options: SigningRequestOptions, done: SignCallback): void;
}

/**
 * The keys a running ssh-agent holds, without those ssh2 cannot use (certificates, FIDO).
 * @throws Error when nothing answers there in time; the signal's reason when it is aborted.
 */
export async function openAgent(address: string, signal: AbortSignal): Promise<Agent> {
  const list = startWithLimit(address, LIST_LIMIT_MS);
  const keys = await new Promise<ParsedKey[]>((resolve, reject) => {
    const onAbort = (): void => {
      list.stop();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    list.agent.getIdentities((error, found) => {
      list.stop();
      signal.removeEventListener('abort', onAbort);
      if (error !== undefined && error !== null) {
        reject(error);
        return;
      }
      resolve((found ?? []).flatMap((entry) => asKey(entry) ?? []));
    });
  });
  return {
    keys,
    sign(key, data, options, done) {
      const request = startWithLimit(address, SIGN_LIMIT_MS);
      request.agent.sign(key, data, options, (error, signature) => {
        request.stop();
        done(error, signature);
      });
    },
  };
}

/**
 * An agent for one request. ssh2 waits for an agent's answer for ever; ending the connection to it ends the request
 * with an error.
 */
function startWithLimit(address: string, limitMs: number): { readonly agent: BaseAgent; stop(): void } {
  const agent = createAgent(address);
  const connect = agent.getStream?.bind(agent);
  let stream: Duplex | undefined;
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    clearTimeout(timer);
    stream?.destroy();
  };
  const timer = setTimeout(stop, limitMs);
  if (connect !== undefined) {
    agent.getStream = (done) =>
      connect((error, opened) => {
        stream = opened;
        done(error, opened);
        if (stopped) {
          opened?.destroy();
        }
      });
  }
  return { agent, stop };
}

function asKey(entry: unknown): ParsedKey | undefined {
  const key = utils.parseKey(entry as ParsedKey);
  return key instanceof Error || Array.isArray(key) ? undefined : key;
}

/**
 * An agent with one key, so that ssh2 offers exactly that one; `sign` is called only when the server accepts the key.
 */
export class OneKeyAgent extends BaseAgent {
  constructor(
    private readonly key: ParsedKey,
    private readonly signWith: (data: Buffer, options: SigningRequestOptions, done: SignCallback) => void,
  ) {
    super();
  }

  override getIdentities(callback: (error: undefined, keys: ParsedKey[]) => void): void {
    callback(undefined, [this.key]);
  }

  override sign(
    _key: unknown,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    callback: SignCallback = () => undefined,
  ): void {
    if (typeof options === 'function') {
      this.signWith(data, {}, options);
    } else {
      this.signWith(data, options, callback);
    }
  }
}
