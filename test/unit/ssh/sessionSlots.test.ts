import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SessionSlots } from '../../../src/ssh/sessionSlots';

const never = new AbortController().signal;

/** Takes slots until one has to wait. */
async function takeAll(slots: SessionSlots, kind: 'exec' | 'stream'): Promise<(() => void)[]> {
  const taken: (() => void)[] = [];
  for (;;) {
    const waiting = new AbortController();
    const slot = slots.take(kind, waiting.signal).catch(() => undefined);
    const free = await Promise.race([
      slot,
      Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => undefined),
    ]);
    if (free === undefined) {
      waiting.abort(new Error('full'));
      return taken;
    }
    taken.push(free);
  }
}

describe('SessionSlots', () => {
  it('stays within sshd’s ten sessions, and keeps two for short commands', async () => {
    const slots = new SessionSlots();
    assert.equal((await takeAll(slots, 'stream')).length, 8);
    assert.equal((await takeAll(slots, 'exec')).length, 2);
  });

  it('serves who waits, in order, and passes over who may not go yet', async () => {
    const slots = new SessionSlots();
    const streams = await takeAll(slots, 'stream');
    const order: string[] = [];
    const stream = slots.take('stream', never).then((free) => (order.push('stream'), free));
    const exec = slots.take('exec', never).then((free) => (order.push('exec'), free));
    await exec;
    assert.deepEqual(order, ['exec']);
    streams[0]?.();
    streams[0]?.();
    await stream;
    assert.deepEqual(order, ['exec', 'stream']);
    assert.equal((await takeAll(slots, 'stream')).length, 0, 'a slot given back twice is one slot');
  });

  it('forgets who gave up', async () => {
    const slots = new SessionSlots();
    const taken = await takeAll(slots, 'exec');
    const gone = new AbortController();
    const lost = slots.take('exec', gone.signal);
    gone.abort(new Error('gone'));
    await assert.rejects(lost, /gone/);
    taken[0]?.();
    assert.equal((await takeAll(slots, 'exec')).length, 1);
    await assert.rejects(slots.take('exec', gone.signal), /gone/);
  });

  it('learns that a host allows fewer', async () => {
    const slots = new SessionSlots();
    const taken = await Promise.all([1, 2, 3].map(() => slots.take('exec', never)));
    slots.shrink();
    taken.forEach((free) => free());
    assert.equal((await takeAll(slots, 'exec')).length, 2);
  });
});
