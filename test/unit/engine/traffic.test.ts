import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { describeTraffic, startTraffic } from '../../../src/engine/traffic';

const target = {
  host: 'shop.example',
  method: 'GET',
  path: '/',
  headers: { 'x-check': 'yes' },
  isGood: (status: number): boolean => status < 500,
  keepsConnections: true,
};

/** Runs a server for the time of one test. */
async function withServer(
  listener: http.RequestListener,
  work: (port: number, connections: () => number) => Promise<void>,
): Promise<void> {
  let connections = 0;
  const server = http.createServer(listener);
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await work((server.address() as AddressInfo).port, () => connections);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function until(condition: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const begin = Date.now();
    const timer = setInterval(() => {
      if (condition() || Date.now() - begin > 10_000) {
        clearInterval(timer);
        if (condition()) {
          resolve();
        } else {
          reject(new Error('it did not happen within 10 s'));
        }
      }
    }, 20);
  });
}

test('where connections do not survive a reload, each request has its own', async () => {
  await withServer(
    (_request, response) => response.end('ok'),
    async (port, connections) => {
      const to = { ...target, keepsConnections: false, connect: () => net.connect(port, '127.0.0.1') };
      const traffic = startTraffic(to, () => undefined);
      await until(() => traffic.count().sent >= 12);
      await traffic.stop();
      assert.equal(connections(), traffic.count().sent);
    },
  );
});

test('every request is counted once, on kept and on fresh connections, with the host header', async () => {
  const hosts = new Set<string | undefined>();
  let seen = 0;
  await withServer(
    (request, response) => {
      seen += 1;
      hosts.add(request.headers.host);
      response.end('ok');
    },
    async (port, connections) => {
      const traffic = startTraffic({ ...target, connect: () => net.connect(port, '127.0.0.1') }, () => undefined);
      await until(() => traffic.count().sent >= 30);
      await traffic.stop();
      assert.equal(traffic.count().failed, 0);
      assert.equal(traffic.count().sent, seen);
      assert.deepEqual([...hosts], ['shop.example']);
      assert.ok(connections() < seen, `${connections()} connections for ${seen} requests`);
      assert.ok(connections() > seen / 2, `${connections()} connections for ${seen} requests`);
    },
  );
});

test('5xx answers and broken connections are failures, 4xx answers are not', async () => {
  let turn = 0;
  await withServer(
    (_request, response) => {
      turn += 1;
      if (turn === 2) {
        response.socket?.destroy();
      } else {
        response.statusCode = turn === 1 ? 502 : 404;
        response.end();
      }
    },
    async (port) => {
      const traffic = startTraffic({ ...target, connect: () => net.connect(port, '127.0.0.1') }, () => undefined);
      await until(() => traffic.count().sent >= 10);
      await traffic.stop();
      assert.equal(traffic.count().failed, 2, traffic.failures().join('; '));
      assert.match(traffic.failures().join('; '), /answered 502/);
    },
  );
});

test('a service that goes down is counted as failing', async () => {
  let port = 0;
  let traffic: ReturnType<typeof startTraffic> | undefined;
  await withServer(
    (_request, response) => response.end('ok'),
    async (open) => {
      port = open;
      traffic = startTraffic({ ...target, connect: () => net.connect(port, '127.0.0.1') }, () => undefined);
      await until(() => traffic?.count().sent !== 0);
    },
  );
  assert.ok(traffic !== undefined);
  const { failed } = traffic.count();
  await until(() => (traffic?.count().failed ?? 0) >= failed + 3);
  await traffic.stop();
  assert.equal(traffic.unavailable(), undefined);
});

test('nothing is counted where no connection has ever stood: nginx was not reached', async () => {
  const free = net.createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const traffic = startTraffic({ ...target, connect: () => net.connect(port, '127.0.0.1') }, () => undefined);
  await until(() => traffic.unavailable() !== undefined);
  await traffic.stop();
  assert.match(traffic.unavailable() ?? '', /ECONNREFUSED/);
  assert.deepEqual(traffic.count(), { sent: 0, failed: 0, longestMs: 0 });
});

test('requests that are dropped end at once and are not counted', async () => {
  let asked = 0;
  await withServer(
    () => (asked += 1), // never answers
    async (port) => {
      const traffic = startTraffic({ ...target, connect: () => net.connect(port, '127.0.0.1') }, () => undefined);
      await until(() => asked >= 2);
      traffic.drop();
      await traffic.stop();
      assert.deepEqual(traffic.count(), { sent: 0, failed: 0, longestMs: 0 });
    },
  );
});

test('the count in words', () => {
  assert.equal(describeTraffic({ sent: 1842, failed: 0, longestMs: 210 }), '1,842 requests, 0 failed, longest 210 ms');
});
