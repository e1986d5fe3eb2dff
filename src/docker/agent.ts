import http from 'node:http';
import type { Duplex } from 'node:stream';
import { inspect } from 'node:util';

/** What http.Agent calls on a socket and a stream through SSH may lack. Limits and life signs are kept elsewhere. */
const SOCKET_METHODS = ['setKeepAlive', 'setNoDelay', 'setTimeout', 'ref', 'unref'] as const;

/**
 * An http.Agent whose connections are streams that somebody else opens (a channel of an SSH connection, a Unix socket).
 * `open` must return at once: http.Agent counts a connection when it is created, so a late one escapes `maxSockets`.
 */
export class StreamAgent extends http.Agent {
  readonly #open: () => Duplex;

  constructor(open: () => Duplex, options: { keepAlive: boolean; maxSockets: number }) {
    super(options);
    this.#open = open;
  }

  override createConnection(): Duplex {
    return asSocket(this.#open());
  }

  /** docker-modem inspects its options, the agent with all its connections included, at every request. */
  [inspect.custom](): string {
    return 'StreamAgent';
  }
}

function asSocket(stream: Duplex): Duplex {
  const target = stream as unknown as Record<string, unknown>;
  for (const name of SOCKET_METHODS) {
    if (typeof target[name] !== 'function') {
      target[name] = () => stream;
    }
  }
  if (typeof target['destroySoon'] !== 'function') {
    target['destroySoon'] = () => stream.end(() => stream.destroy());
  }
  return stream;
}
