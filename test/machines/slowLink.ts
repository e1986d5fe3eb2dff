import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** How slow a link is. */
export interface Speed {
  /** Bytes in a second, in each direction and for all connections together. Default: unlimited. */
  readonly bytesPerSecond?: number;
  /** Milliseconds that everything takes from one end to the other. Default: 0. */
  readonly latencyMs?: number;
}

/** A TCP proxy that behaves like a slow line to `target`. */
export interface SlowLink {
  readonly host: string;
  readonly port: number;
  /** Bytes taken in so far from the clients (up) and from the target (down). */
  readonly bytes: { readonly up: number; readonly down: number };
  /** Nothing more passes, and nobody is told: a black hole, until {@link resume}. */
  stall(): void;
  resume(): void;
  /** Tears all connections down, as a router does that restarts. New ones are taken. */
  cut(): void;
  close(): Promise<void>;
}

/** Data is passed on in pieces of this size, so that connections share the line fairly. */
const pieceBytes = 16 * 1024;
/** So much of a line's time may be queued before the sender is made to wait. */
const queueMs = 100;

/** Starts a slow link on a free port of an address of this machine. */
export async function startSlowLink(
  target: { host: string; port: number },
  speed: Speed,
  address = '127.0.0.1',
): Promise<SlowLink> {
  const up = new Line(speed);
  const down = new Line(speed);
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const remote = connect({ ...target, allowHalfOpen: true, noDelay: true });
    for (const [socket, other] of [
      [client, remote],
      [remote, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => tear(other));
      socket.on('close', () => open.delete(socket));
    }
    up.carry(client, remote);
    down.carry(remote, client);
  });
  server.listen(0, address);
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of open) tear(socket);
  };
  return {
    host: address,
    port: (server.address() as AddressInfo).port,
    get bytes() {
      return { up: up.bytes, down: down.bytes };
    },
    stall: () => {
      up.stall();
      down.stall();
    },
    resume: () => {
      up.resume();
      down.resume();
    },
    cut,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}

/**
 * Ends a connection with a reset. libuv refuses that while the socket's end is still on its way (uv_tcp_close_reset), and
 * Node, which does not notice, would wait for it at the process's end for ever.
 */
function tear(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

/** One direction of the link. Its time is shared: a piece leaves when those before it have left. */
class Line {
  bytes = 0;
  private freeAt = 0;
  private stalled = false;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly speed: Speed) {}

  stall(): void {
    this.stalled = true;
  }

  resume(): void {
    this.stalled = false;
    for (const go of this.waiting.splice(0)) go();
  }

  carry(from: Socket, to: Socket): void {
    const queue: { readonly data: Buffer | null; readonly due: number }[] = [];
    let delivering = false;
    let held = false;

    const deliver = async (): Promise<void> => {
      if (delivering) return;
      delivering = true;
      for (let next = queue[0]; next !== undefined; next = queue[0]) {
        const wait = next.due - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        if (this.stalled) await new Promise<void>((resolve) => this.waiting.push(resolve));
        if (to.destroyed) break;
        queue.shift();
        if (next.data === null) to.end();
        else if (!to.write(next.data))
          await Promise.race([once(to, 'drain'), once(to, 'close')]).catch(() => undefined);
        if (held && this.freeAt - performance.now() < queueMs) {
          held = false;
          from.resume();
        }
      }
      delivering = false;
    };

    from.on('data', (data: Buffer) => {
      this.bytes += data.length;
      for (let start = 0; start < data.length; start += pieceBytes) {
        const piece = data.subarray(start, start + pieceBytes);
        queue.push({ data: piece, due: this.departure(piece.length) });
      }
      if (this.stalled || this.freeAt - performance.now() > queueMs || to.writableNeedDrain) {
        held = true;
        from.pause();
      }
      void deliver();
    });
    from.on('end', () => {
      queue.push({ data: null, due: this.departure(0) });
      void deliver();
    });
  }

  /** When a piece of this size arrives at the other end; the line is taken until it has left. */
  private departure(size: number): number {
    const { bytesPerSecond = Infinity, latencyMs = 0 } = this.speed;
    this.freeAt = Math.max(this.freeAt, performance.now()) + (size / bytesPerSecond) * 1000;
    return this.freeAt + latencyMs;
  }
}
