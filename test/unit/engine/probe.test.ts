import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAccepted, parseAnswer, requestArguments, requestHost } from '../../../src/engine/probeClient';
import { explainEnd, parseListening } from '../../../src/engine/stages/explain';

test("curl's answer is read: status, headers, why there is none", () => {
  const ok = parseAnswer('curl', 0, 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Version: 2\r\n\r\n', '', 7);
  assert.deepEqual(ok, {
    status: 200,
    ms: 7,
    headers: { 'content-type': 'text/plain', 'x-version': '2' },
    body: '',
    failure: undefined,
  });
  assert.match(parseAnswer('curl', 7, '', 'curl: (7) Failed to connect', 1).failure?.text ?? '', /refused/);
  assert.match(parseAnswer('curl', 28, '', 'curl: (28) Operation timed out', 1).failure?.text ?? '', /in time/);
  assert.match(parseAnswer('curl', 6, '', 'curl: (6) Could not resolve host', 1).failure?.text ?? '', /no name/);
  assert.match(parseAnswer('curl', 52, '', 'curl: (52) Empty reply', 1).failure?.text ?? '', /without an HTTP answer/);
  assert.equal(
    parseAnswer('curl', 0, 'HTTP/1.1 200 OK\r\nA: b\r\n\r\n{"ok": true}\n\nmore', '', 1).body,
    '{"ok": true}\n\nmore',
  );
  assert.equal(parseAnswer('curl', 0, 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\n\r\n', '', 1).status, 503);
});

test("busybox wget's answer is read", () => {
  const stderr =
    '  HTTP/1.1 500 Internal Server Error\n  Server: x\nwget: server returned error: HTTP/1.1 500 Internal Server Error\n';
  const answer = parseAnswer('wget', 1, '', stderr, 3);
  assert.equal(answer.status, 500);
  assert.match(
    parseAnswer('wget', 1, '', "wget: can't connect to remote host: Connection refused", 1).failure?.text ?? '',
    /refused/,
  );
});

test('wget follows redirects; what counts is what the service itself said', () => {
  const stderr = '  HTTP/1.1 302 Found\n  Location: https://shop.example/\n  HTTP/1.1 200 OK\n';
  const answer = parseAnswer('wget', 0, 'hello', stderr, 3);
  assert.equal(answer.status, 302);
  assert.equal(answer.headers['location'], 'https://shop.example/');
});

test('the request is put to curl and wget: method, headers, time, body', () => {
  const question = {
    url: 'http://shop_BLUE:80/up',
    method: 'POST',
    headers: { Host: 'shop.example', 'X-A': 'b c' },
    timeoutMs: 1500,
    readBody: true,
    http2: false,
  } as const;
  const curl = requestArguments('curl', question).join(' ');
  assert.match(curl, /--output - /);
  assert.match(curl, /--max-time 1.5 /);
  assert.match(curl, /--request POST --header Content-Length: 0 /);
  assert.match(curl, /--header Host: shop.example --header X-A: b c http:\/\/shop_BLUE:80\/up$/);
  assert.match(requestArguments('curl', { ...question, method: 'HEAD' }).join(' '), /--head /);
  assert.doesNotMatch(curl, /http2/);
  assert.match(requestArguments('curl', { ...question, http2: true }).join(' '), /--http2-prior-knowledge /);
  const wget = requestArguments('wget', { ...question, readBody: false }).join(' ');
  assert.match(wget, /-O \/dev\/null -T 2 --post-data /);
});

test('the end of a container in words', () => {
  const end = { oomKilled: false, running: false, exitCode: 3 };
  assert.equal(explainEnd('shop GREEN', end, undefined).message, 'shop GREEN started and ended with code 3.');
  assert.match(explainEnd('shop GREEN', { ...end, running: true }, undefined).message, /started again/);
  assert.equal(
    explainEnd('shop GREEN', { ...end, oomKilled: true, exitCode: 137 }, 64 * 1024 * 1024).message,
    'shop GREEN started and ran out of memory (its limit is 64 MB).',
  );
  assert.match(explainEnd('shop GREEN', { ...end, exitCode: 137 }, undefined).message, /killed/);
});

test('statuses are accepted by number or by class', () => {
  assert.equal(isAccepted(204, ['2xx']), true);
  assert.equal(isAccepted(302, ['2xx', '3xx']), true);
  assert.equal(isAccepted(404, ['2xx', 404]), true);
  assert.equal(isAccepted(500, ['2xx', '3xx', 404]), false);
});

test('listening sockets are read from /proc/net/tcp, IPv4 and IPv6, the resolver of the engine left out', () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000
   2: 0B00007F:8CB1 00000000:0000 0A 00000000:00000000
   3: 030012AC:0BB8 020012AC:D2F0 01 00000000:00000000
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000`;
  assert.deepEqual(parseListening(text), [
    { port: 8080, loopback: true },
    { port: 3000, loopback: false },
    { port: 80, loopback: false },
  ]);
});

test('a service is asked by a host name that leads to it, whatever its route is', () => {
  const route = { path: '/', stripPath: false, maxBody: '1m', protocol: 'http' } as const;
  for (const [hosts, name] of [
    [[], undefined],
    [['*.shop.example', 'shop.example'], 'shop.example'],
    [['*.shop.example'], 'blue-green.shop.example'],
  ] as const) {
    assert.equal(requestHost({ ...route, hosts }), name);
  }
});
