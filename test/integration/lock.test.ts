/** The lock of a service on real engines: one at a time holds it, and whoever comes as it is let go of is not in the way. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Lock, lookAtLock, takeLock, withLock } from '../../src/engine/lock';
import { findTemporaryImages } from '../../src/engine/observe';
import { someOf } from '../long';
import type { Host } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { deployError, noSignal, remoteEngine, type RemoteEngine } from './engines';

let lab: Lab;
before(async () => {
  lab = await startLab();
});
after(() => lab.stop());

for (const version of someOf(['20.10', '28.5'] as const, (it) => it === '20.10')) {
  describe(`Docker ${version}`, () => {
    let host: Host;
    let remote: RemoteEngine;
    before(async () => {
      host = await (await lab.host({ engine: version })).dockerReady();
      remote = await remoteEngine(lab, host.name);
    });
    after(async () => {
      remote.close();
      await host.remove();
    });

    const take = (service: string, person = 'ann@laptop'): Promise<Lock> =>
      takeLock(remote.engine, service, { deployment: '0123456789ab', person }, () => undefined, noSignal);

    async function assertNothingLeft(): Promise<void> {
      const left = await host.mustExec(
        `docker ps -a --format '{{.Names}}'; docker images --format '{{.Repository}}:{{.Tag}}'`,
      );
      assert.equal(left, '');
    }

    test('of those who come at once one gets it, and the others are told who has it', async () => {
      const people = ['ann@laptop', 'ben@desk', 'cy@train'];
      const outcomes = await Promise.allSettled(people.map((person) => take('shop', person)));
      const holder = people[outcomes.findIndex(({ status }) => status === 'fulfilled')] ?? assert.fail('nobody has it');
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') {
          await outcome.value.release();
        } else {
          deployError('locked', new RegExp(`by somebody else: ${holder}, for \\d+ s, stage plan\\.`))(outcome.reason);
        }
      }
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      await assertNothingLeft();
    });

    test('while Docker removes it, it is held by nobody, and the next one waits for the end of that', async () => {
      const lock = await take('shop');
      // Docker removes the files of a container before it forgets its name: the more there are, the longer that takes.
      await host.mustExec(
        "cd /var/lib/docker/containers/$(docker inspect -f '{{.Id}}' shop_LOCK) && seq 40000 | xargs touch",
      );
      const removal = { ended: false };
      const release = lock.release().finally(() => (removal.ended = true));
      const next = take('shop', 'ben@desk');
      const seen = new Set<string | undefined>();
      while (!removal.ended) {
        const looks = Array.from({ length: 4 }, () => lookAtLock(remote.engine, 'shop', noSignal));
        for (const view of await Promise.all(looks)) {
          seen.add(view?.person);
        }
      }
      await release;
      await (await next).release();
      assert.ok(seen.has(undefined), [...seen].join());
      await assertNothingLeft();
    });

    test('the work under it counts, whether or not it can be let go of', async () => {
      const owner = { deployment: '0123456789ab', person: 'ann@laptop' };
      const notes: string[] = [];
      const under = async (work: () => string): Promise<string> => {
        const own = await remoteEngine(lab, host.name);
        return withLock(
          own.engine,
          'shop',
          owner,
          (text) => notes.push(text),
          noSignal,
          async (lock) => {
            await lock.confirm();
            own.close();
            return work();
          },
        );
      };
      const letGo = (): Promise<string> => host.mustExec('docker rm -f shop_LOCK; docker rmi blue-green-lock:1');
      assert.equal(await under(() => 'done'), 'done');
      await letGo();
      await assert.rejects(
        under(() => assert.fail('the true reason')),
        /the true reason/,
      );
      await letGo();
      assert.equal(notes.length, 2);
      assert.match(notes.join(), /could not be released/);
      await assertNothingLeft();
    });

    test('services that come and go at once are not in the way of one another', async () => {
      const comeAndGo = async (service: string): Promise<void> => {
        for (let turn = 0; turn < 8; turn += 1) {
          await (await take(service)).release();
        }
      };
      // A status meanwhile lists images that come and go.
      const going = { ended: false };
      const look = async (): Promise<void> => {
        while (!going.ended) {
          await findTemporaryImages(remote.engine, noSignal);
        }
      };
      const looks = Promise.all([look(), look()]);
      await Promise.all(['api', 'shop', 'wiki', 'blog'].map(comeAndGo)).finally(() => (going.ended = true));
      await looks;
      await assertNothingLeft();
    });

    if (version === '20.10') {
      return;
    }

    test('one whose owner is dead is taken over after 20 seconds, not before and not much later', async () => {
      // As an owner leaves it that was killed: its container, and a heartbeat that stands still.
      const dead = await take('shop', 'ann@laptop');
      await host.mustExec('docker rename shop_LOCK ann_LOCK && docker commit ann_LOCK ann');
      await host.mustExec('docker create --name shop_LOCK --network none -l blue-green.person=ann@laptop ann');
      await dead.release();
      const notes: string[] = [];
      const owner = { deployment: 'fedcba987654', person: 'ben@desk' };
      const asked = performance.now();
      const lock = await takeLock(remote.engine, 'shop', owner, (text) => notes.push(text), noSignal);
      const seconds = (performance.now() - asked) / 1000;
      await lock.release();
      await host.mustExec('docker rmi ann');
      assert.match(notes.join('\n'), /^shop is locked by ann@laptop\..*\nTook over the lock .*\(ann@laptop, /);
      assert.ok(seconds >= 20 && seconds < 40, `${seconds.toFixed(1)} s`);
      console.error(`Docker ${version}: a dead owner's lock was taken over after ${seconds.toFixed(1)} s`);
      await assertNothingLeft();
    });
  });
}
