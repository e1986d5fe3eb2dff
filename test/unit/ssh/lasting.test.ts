import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { DeployError } from '../../../src/model';
import { LastingTransport } from '../../../src/ssh/lasting';
import type { HostTransport } from '../../../src/ssh/transport';

const noSignal = new AbortController().signal;

/** A connection that is lost when the test says so. */
class FakeTransport implements HostTransport {
  readonly description = 'deploy@host:22';
  readonly bytesReceived = 0;
  closed = false;
  reason: DeployError | undefined;
  readonly #listeners: ((error: DeployError | undefined) => void)[] = [];

  constructor(readonly bytesSent: number) {}

  onClose(listener: (error: DeployError | undefined) => void): void {
    if (this.closed) {
      listener(this.reason);
    } else {
      this.#listeners.push(listener);
    }
  }

  lose(): void {
    this.reason = new DeployError('host-unreachable', 'lost');
    this.close();
  }

  close(): void {
    this.closed = true;
    for (const listener of this.#listeners.splice(0)) {
      listener(this.reason);
    }
  }

  exec(): Promise<never> {
    return Promise.reject(new Error('unused'));
  }
  openUnixSocket(): Duplex {
    return new Duplex();
  }
  openTcp(): Duplex {
    return new Duplex();
  }
  openCommand(): Duplex {
    return new Duplex();
  }
  shareTcp(): Promise<never> {
    return Promise.reject(new Error('unused'));
  }
}

/** A lasting connection whose tries to connect again end as given: a code, or well. */
function lasting(...tries: (DeployError['code'] | 'ok')[]) {
  const first = new FakeTransport(100);
  const made: FakeTransport[] = [];
  const told: (string | undefined)[] = [];
  const transport = new LastingTransport(
    () => {
      const outcome = tries.shift() ?? 'host-unreachable';
      if (outcome !== 'ok') {
        return Promise.reject(new DeployError(outcome, 'no'));
      }
      const next = new FakeTransport(10);
      made.push(next);
      return Promise.resolve(next);
    },
    first,
    [0, 1, 1],
  );
  transport.onClose((error) => told.push(error?.message));
  return { first, made, told, transport, left: tries };
}

const code = (expected: string) => (error: unknown) => {
  assert.equal((error as DeployError).code, expected);
  return true;
};

describe('a connection that lasts', () => {
  it('is lost like any other while nothing is to outlast it', async () => {
    const { first, told, transport } = lasting('ok');
    first.lose();
    assert.deepEqual(told, ['lost']);
    await assert.rejects(transport.again(noSignal), code('host-unreachable'));
  });

  it('is made anew, counts all bytes, and is watched again afterwards', async () => {
    const { first, made, told, transport } = lasting('host-unreachable', 'ok');
    await transport.outlast(async () => {
      first.lose();
      assert.equal(transport.closed, true);
      await transport.again(noSignal);
      await transport.again(noSignal);
    });
    assert.deepEqual([transport.closed, transport.bytesSent, made.length, told], [false, 110, 1, []]);
    made[0]?.lose();
    assert.deepEqual(told, ['lost']);
  });

  it('gives up after its tries, and then says so', async () => {
    const { first, told, transport, left } = lasting('host-unreachable', 'host-unreachable', 'host-unreachable', 'ok');
    await assert.rejects(
      transport.outlast(async () => {
        first.lose();
        await transport.again(noSignal);
      }),
      code('host-unreachable'),
    );
    assert.deepEqual([told, left], [['lost'], ['ok']]);
  });

  it('does not go on with a host that it cannot trust or enter any more', async () => {
    for (const refusal of ['host-untrusted', 'host-auth'] as const) {
      const { first, transport, left } = lasting(refusal, 'ok');
      await assert.rejects(
        transport.outlast(async () => {
          first.lose();
          await transport.again(noSignal);
        }),
        code(refusal),
      );
      assert.deepEqual(left, ['ok']);
    }
  });

  it('stays closed once it was closed here', async () => {
    const { told, transport, made } = lasting('ok');
    await transport.outlast(async () => {
      transport.close();
      await assert.rejects(transport.again(noSignal), code('host-unreachable'));
    });
    assert.deepEqual([told, made.length], [[undefined], 0]);
  });

  it('stops trying when the person does', async () => {
    const { first, transport } = lasting('host-unreachable', 'host-unreachable');
    const control = new AbortController();
    await assert.rejects(
      transport.outlast(async () => {
        first.lose();
        control.abort();
        await transport.again(control.signal);
      }),
      code('cancelled'),
    );
  });
});
