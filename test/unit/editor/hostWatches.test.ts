import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostStore } from '../../../src/editor/hostStore';
import { HostWatches } from '../../../src/editor/hostWatches';
import { DeployError, type ErrorCode } from '../../../src/model';

/** A host whose engine tells what it is made to tell. */
class Store {
  looks = 0;
  readonly streams: PassThrough[] = [];

  /** What the engine was asked for by each watch. */
  readonly asked: unknown[] = [];
  /** Why it cannot be reached. */
  lost: ErrorCode | undefined;

  lastSeenAt(): number {
    return 1_000_500;
  }

  view(): { kind: string; error?: DeployError } {
    return this.lost === undefined
      ? { kind: 'seen' }
      : { kind: 'offline', error: new DeployError(this.lost, 'It is away.') };
  }

  observe(): Promise<{ kind: string }> {
    this.looks += 1;
    return Promise.resolve(this.view());
  }

  lookFor(): Promise<{ kind: string }> {
    return this.observe();
  }

  use<T>(_name: string, signal: AbortSignal, work: (host: unknown) => Promise<T>): Promise<T> {
    const engine = {
      info: { clockAheadMs: 60_000 },
      stream: ({ query }: { query: { since?: number } }) => {
        this.asked.push(query.since);
        const stream = new PassThrough();
        signal.addEventListener('abort', () => stream.destroy(new Error('aborted')));
        this.streams.push(stream);
        return Promise.resolve(stream);
      },
      explain: (error: unknown) => error,
    };
    return work({ engine });
  }

  get openStreams(): number {
    return this.streams.filter((stream) => !stream.destroyed).length;
  }

  happen(container: string): void {
    const event = { Action: 'start', Actor: { Attributes: { name: container } } };
    this.streams.at(-1)?.write(`${JSON.stringify(event)}\n`);
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (holds()) {
      return;
    }
    await delay(25);
  }
  assert.fail(what);
}

test('while nobody looks, nothing is asked; while somebody does, a host is looked at when its engine tells', async () => {
  const store = new Store();
  const watches = new HostWatches(store as unknown as HostStore);
  watches.begin('prod');
  await delay(50);
  assert.deepEqual([store.looks, store.streams.length], [0, 0], 'hidden from the beginning');

  watches.setVisible(true);
  await until('the watch begins', () => store.openStreams === 1);
  const before = store.looks;
  store.happen('somebody_elses');
  store.happen('shop_BLUE');
  store.happen('shop_LOCK');
  await until('one look for several changes', () => store.looks === before + 1);

  watches.setVisible(false);
  await until('the watch ends', () => store.openStreams === 0);
  const after = store.looks;
  await delay(600);
  assert.deepEqual([store.looks, store.openStreams], [after, 0]);
  watches.dispose();
});

test('a host that is looked at first is watched then, unless its row was closed meanwhile', async () => {
  const store = new Store();
  const watches = new HostWatches(store as unknown as HostStore);
  watches.setVisible(true);
  watches.begin('prod', true);
  watches.end('prod');
  await delay(50);
  assert.deepEqual([store.looks, store.streams.length], [1, 0]);
  watches.begin('prod', true);
  await until('the watch begins', () => store.openStreams === 1);
  assert.equal(store.looks, 2);
  watches.dispose();
});

test('a watch begins with what happened since the host was looked at, by its own clock', async () => {
  const store = new Store();
  const watches = new HostWatches(store as unknown as HostStore);
  watches.setVisible(true);
  watches.begin('prod');
  await until('the watch begins', () => store.openStreams === 1);
  assert.deepEqual(store.asked, [1_059]);
  watches.dispose();
});

test('a host whose row is opened again is looked at and watched, and only once', async () => {
  const store = new Store();
  const watches = new HostWatches(store as unknown as HostStore);
  watches.setVisible(true);
  watches.begin('prod');
  await until('the watch begins', () => store.openStreams === 1);
  watches.reopen('prod');
  await delay(50);
  assert.deepEqual([store.looks, store.openStreams], [0, 1]);
  watches.end('prod');
  watches.reopen('prod');
  await until('the watch begins again', () => store.streams.length === 2 && store.openStreams === 1);
  assert.equal(store.looks, 1);
  watches.dispose();
});

test('a host whose row was closed is no longer watched', async () => {
  const store = new Store();
  const watches = new HostWatches(store as unknown as HostStore);
  watches.setVisible(true);
  watches.begin('prod');
  await until('the watch begins', () => store.openStreams === 1);
  watches.end('prod');
  await until('the watch ends', () => store.openStreams === 0);
  await delay(100);
  assert.deepEqual([store.looks, store.openStreams], [0, 0]);
});

test('a host that was lost is looked for while somebody looks, and watched again when it is back', async () => {
  const store = new Store();
  const watches = new HostWatches(store as unknown as HostStore);
  watches.setVisible(true);
  watches.begin('prod');
  await until('the watch begins', () => store.openStreams === 1);
  store.lost = 'docker-unreachable';
  store.streams.at(-1)?.destroy(new Error('The engine restarts.'));
  await until('it is looked for', () => store.looks === 2);
  store.lost = undefined;
  await until('the watch begins again', () => store.openStreams === 1);

  store.lost = 'host-unreachable';
  store.streams.at(-1)?.destroy(new Error('The network is away.'));
  await until('one look tells that it is lost', () => store.looks === 4);
  watches.setVisible(false);
  await delay(2_500);
  assert.equal(store.looks, 4, 'hidden');
  watches.dispose();
});

test('a host that is looked for is watched at once when somebody else has reached it', async () => {
  const store = new Store();
  store.lost = 'host-unreachable';
  const watches = new HostWatches(store as unknown as HostStore);
  watches.setVisible(true);
  watches.begin('prod', true);
  await delay(50);
  watches.begin('prod');
  assert.deepEqual([store.looks, store.openStreams], [1, 0], 'its row is drawn, and it is as it was');
  store.lost = undefined;
  watches.begin('prod');
  await until('the watch begins', () => store.openStreams === 1);
  assert.equal(store.looks, 1);
  watches.dispose();
});

test('a host that only a person can bring back is not asked again, nor when the view is seen again', async () => {
  const store = new Store();
  store.lost = 'host-auth';
  const watches = new HostWatches(store as unknown as HostStore);
  watches.setVisible(true);
  watches.begin('prod', true);
  await delay(2_500);
  assert.equal(store.looks, 1);
  watches.setVisible(false);
  watches.setVisible(true);
  await delay(50);
  assert.equal(store.looks, 1, 'a question that was dismissed would be asked again');
  store.lost = 'host-unreachable';
  watches.setVisible(false);
  watches.setVisible(true);
  await until('it is looked for again', () => store.looks === 2);
  store.lost = undefined;
  watches.begin('prod');
  await until('the watch begins', () => store.openStreams === 1);
  watches.dispose();
});
