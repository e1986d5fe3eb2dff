import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { Socket } from 'node:net';

/** How a WebSocket ended: with a close frame (a code of RFC 6455, section 7.4.1), or cut off without one. */
export type WebSocketEnd =
  { readonly kind: 'closed'; readonly code: number } | { readonly kind: 'cut'; readonly reason: string };

/** A WebSocket client for tests: short text messages, one at a time (RFC 6455). */
export class WebSocketClient {
  /** How it ended, once it has. */
  end: WebSocketEnd | undefined;
  private received = Buffer.alloc(0);
  private waiting: { answer(text: string): void; fail(reason: Error): void } | undefined;

  private constructor(
    private readonly socket: Socket,
    /** Answer headers of the handshake. */
    readonly headers: NodeJS.Dict<string | string[]>,
  ) {
    socket.on('data', (data: Buffer) => this.take(data));
    socket.on('error', (error) => this.finish({ kind: 'cut', reason: error.message }));
    socket.on('close', () => this.finish({ kind: 'cut', reason: 'the connection was closed without a close frame' }));
  }

  /** Connects. Rejects on any answer but 101, and after `limitMs`. */
  static open(url: URL, limitMs: number): Promise<WebSocketClient> {
    const key = randomBytes(16).toString('base64');
    const wanted = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    return new Promise((resolve, reject) => {
      const attempt = request(url, {
        headers: {
          Connection: 'Upgrade',
          Upgrade: 'websocket',
          'Sec-WebSocket-Version': '13',
          'Sec-WebSocket-Key': key,
        },
        timeout: limitMs,
        agent: false,
      });
      attempt.on('upgrade', (response, socket, head) => {
        if (response.headers['sec-websocket-accept'] !== wanted) {
          socket.destroy();
          reject(new Error('wrong Sec-WebSocket-Accept'));
          return;
        }
        socket.setTimeout(0);
        const client = new WebSocketClient(socket, response.headers);
        client.take(head);
        resolve(client);
      });
      attempt.on('response', (response) => {
        response.resume();
        reject(new Error(`status ${String(response.statusCode)} instead of 101`));
      });
      attempt.on('timeout', () => attempt.destroy(new Error(`no handshake in ${String(limitMs)} ms`)));
      attempt.on('error', reject);
      attempt.end();
    });
  }

  /** Sends a text and returns the next text that comes. Rejects when the connection ends before, or after `limitMs`. */
  async ask(text: string, limitMs: number): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<string>((answer, fail) => {
        this.waiting = { answer, fail };
        timer = setTimeout(() => fail(new Error(`no answer in ${String(limitMs)} ms`)), limitMs);
        this.send(0x1, Buffer.from(text));
      });
    } finally {
      clearTimeout(timer);
      this.waiting = undefined;
    }
  }

  /** Says goodbye and hangs up. */
  close(): void {
    this.send(0x8, Buffer.from([1000 >> 8, 1000 & 0xff]));
    this.finish({ kind: 'closed', code: 1000 });
    this.socket.end();
  }

  private send(opcode: number, data: Buffer): void {
    if (this.socket.destroyed) return;
    const mask = randomBytes(4);
    const masked = data.map((byte, place) => byte ^ (mask[place % 4] ?? 0));
    this.socket.write(Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | data.length]), mask, masked]));
  }

  private finish(end: WebSocketEnd): void {
    this.end ??= end;
    this.waiting?.fail(new Error(end.kind === 'cut' ? end.reason : `closed with ${String(end.code)}`));
  }

  private take(data: Buffer): void {
    this.received = Buffer.concat([this.received, data]);
    for (;;) {
      const [first = 0, second = 0] = this.received;
      const length = second < 126 ? second : this.received.length < 4 ? Infinity : this.received.readUInt16BE(2);
      const start = second < 126 ? 2 : 4;
      if (this.received.length < start + length) return;
      const body = this.received.subarray(start, start + length);
      this.received = this.received.subarray(start + length);
      const opcode = first & 0x0f;
      if (opcode === 0x1) this.waiting?.answer(body.toString());
      if (opcode === 0x9) this.send(0xa, body);
      if (opcode === 0x8) {
        this.finish({ kind: 'closed', code: body.length >= 2 ? body.readUInt16BE(0) : 1005 });
        this.send(0x8, body);
        this.socket.end();
        return;
      }
      if (this.received.length < 2) return;
    }
  }
}
