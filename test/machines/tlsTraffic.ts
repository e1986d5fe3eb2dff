/**
 * Traffic over TLS, counted: HTTP/2 as a browser speaks it, and HTTP/1.1 on kept connections. A browser leaves a connection
 * on which the server has said GOAWAY, and asks again what the server says it has not begun (RFC 9113, sections 6.8 and
 * 8.7); everything else that goes wrong is a failure, and is not asked again.
 */
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import { Agent, get } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertOwnMachine } from './traffic';

export interface TlsTrafficOptions {
  readonly address: string;
  readonly port: number;
  /** Name of the host that is asked for, which the certificate has to be for. */
  readonly hostName: string;
  /** The certificate that is trusted, as PEM. */
  readonly certificate: string;
  readonly http2: number;
  readonly keepAlive: number;
  /** Pause of a client between an answer and its next request. Default: 100. */
  readonly pauseMs?: number;
}

export interface TlsCount {
  readonly sent: number;
  /** A sentence for each request that failed. */
  readonly failures: readonly string[];
  /** Connections that HTTP/2 clients left because the server said so, or ended them while nothing was asked on them. */
  readonly left: number;
  /** Requests that the server had not begun, and that were sent again. */
  readonly again: number;
  /** Answers by the X-Version header. */
  readonly versions: Readonly<Record<string, number>>;
}

const answerLimitMs = 30_000;

export interface TlsAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A client that keeps one HTTP/2 connection, and opens the next when it is to leave that. */
export class Http2Client {
  private session: ClientHttp2Session | undefined;
  private closed = false;
  left = 0;
  again = 0;

  constructor(private readonly options: Omit<TlsTrafficOptions, 'http2' | 'keepAlive'>) {}

  /** Asks, and reads the answer to its end. Rejects when it is not a good one. With a message it is a gRPC call. */
  async ask(path: string, message?: string): Promise<TlsAnswer> {
    for (;;) {
      const answer = await this.askOnce(path, message);
      if (answer !== 'not begun') {
        return answer;
      }
      this.again += 1;
    }
  }

  close(): void {
    this.closed = true;
    this.session?.close();
  }

  private open(): ClientHttp2Session {
    if (this.session?.closed === false && !this.session.destroyed) {
      return this.session;
    }
    const { address, port, hostName, certificate } = this.options;
    const session = connect(`https://${address}:${String(port)}`, { ca: certificate, servername: hostName });
    let isLeft = false;
    const leave = (): void => {
      this.left += isLeft || this.closed ? 0 : 1;
      isLeft = true;
      if (this.session === session) {
        this.session = undefined;
      }
    };
    session.on('goaway', () => {
      leave();
      session.close();
    });
    session.on('close', leave);
    session.on('error', leave); // its streams say so as well
    this.session = session;
    return session;
  }

  private askOnce(path: string, message: string | undefined): Promise<TlsAnswer | 'not begun'> {
    const session = this.open();
    return new Promise((resolve, reject) => {
      const call = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
      const stream = session.request({
        ':path': path,
        ':authority': this.options.hostName,
        ...(message !== undefined && call),
      });
      let headers: IncomingHttpHeaders = {};
      let trailers: IncomingHttpHeaders = {};
      const body: Buffer[] = [];
      let isWhole = false;
      stream.setTimeout(answerLimitMs, () => stream.destroy(new Error(`nothing for ${String(answerLimitMs)} ms`)));
      stream.on('response', (received) => (headers = received));
      stream.on('trailers', (received: IncomingHttpHeaders) => (trailers = received));
      stream.on('data', (data: Buffer) => body.push(data));
      stream.on('end', () => (isWhole = true));
      stream.on('error', (error: Error) => {
        if (stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM) {
          reject(error);
        }
      });
      stream.on('close', () => {
        const status = Number(headers[constants.HTTP2_HEADER_STATUS] ?? 0);
        if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) {
          resolve('not begun');
        } else if (!isWhole || stream.rstCode !== constants.NGHTTP2_NO_ERROR || status < 200 || status > 299) {
          reject(new Error(`status ${String(status)}, ended with ${String(stream.rstCode)}`));
        } else {
          resolve({ headers, trailers, body: Buffer.concat(body) });
        }
      });
      if (message !== undefined) {
        const length = Buffer.alloc(5);
        length.writeUInt32BE(Buffer.byteLength(message), 1);
        stream.end(Buffer.concat([length, Buffer.from(message)]));
      }
    });
  }
}

export class TlsTraffic {
  private readonly stopping = new AbortController();
  private readonly clients: Promise<void>[] = [];
  private readonly http2Clients: Http2Client[] = [];
  private readonly failures: string[] = [];
  private readonly versions: Record<string, number> = {};
  private sent = 0;

  private constructor(private readonly options: TlsTrafficOptions) {
    for (let number = 0; number < options.http2; number += 1) {
      const client = new Http2Client(options);
      this.http2Clients.push(client);
      this.clients.push(this.repeatedly('HTTP/2', () => client.ask('/')).finally(() => client.close()));
    }
    for (let number = 0; number < options.keepAlive; number += 1) {
      const { certificate, hostName } = options;
      const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: certificate, servername: hostName });
      this.clients.push(this.repeatedly('HTTP/1.1', () => this.askKept(agent)).finally(() => agent.destroy()));
    }
  }

  static start(options: TlsTrafficOptions): TlsTraffic {
    assertOwnMachine(options.address);
    return new TlsTraffic(options);
  }

  /** Waits until this many more requests have been answered. */
  async settle(requests: number): Promise<void> {
    const goal = this.sent + requests;
    while (this.sent < goal) {
      await sleep(5);
    }
  }

  /** Lets each client finish its request, and returns the count. */
  async stop(): Promise<TlsCount> {
    this.stopping.abort();
    await Promise.all(this.clients);
    const { sent, failures, versions } = this;
    const sum = (what: 'left' | 'again'): number => this.http2Clients.reduce((all, client) => all + client[what], 0);
    return { sent, failures, versions, left: sum('left'), again: sum('again') };
  }

  private async repeatedly(kind: string, ask: () => Promise<TlsAnswer>): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        const version = String((await ask()).headers['x-version'] ?? '');
        this.versions[version] = (this.versions[version] ?? 0) + 1;
      } catch (error) {
        this.failures.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
      }
      this.sent += 1;
      await sleep(this.options.pauseMs ?? 100);
    }
  }

  private askKept(agent: Agent): Promise<TlsAnswer> {
    const { address, port, hostName } = this.options;
    return new Promise((resolve, reject) => {
      const headers = { host: hostName };
      const request = get({ host: address, port, agent, headers, timeout: answerLimitMs }, (response) => {
        const body: Buffer[] = [];
        response.on('data', (data: Buffer) => body.push(data));
        response.on('error', reject);
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          if (status >= 200 && status <= 299) {
            resolve({ headers: response.headers, trailers: response.trailers, body: Buffer.concat(body) });
          } else {
            reject(new Error(`status ${String(status)}`));
          }
        });
      });
      request.on('timeout', () => request.destroy(new Error(`nothing for ${String(answerLimitMs)} ms`)));
      request.on('error', reject);
    });
  }
}
