import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fingerprintOf, keyTypeOf, shortKeyType } from '../../../src/ssh/hostKeys';
import {
  appendKnownHost,
  formatEntry,
  hostsMatch,
  judgeHostKey,
  knownHostsName,
  knownKeyTypes,
  parseKnownHosts,
  readKnownHosts,
} from '../../../src/ssh/knownHosts';

// Made with ssh-keygen (OpenSSH 9.2); the private halves are gone.
const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkLIzreRwOjoZPuFzWo0/JMw+NadlToaDbHPEsu2IrS';
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIJmbTHwvwEwgpuuchur9gAKKHwe9jeQKGRdWRIH0jEN';
const ECDSA =
  'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFeS1Ws2ZM7mawhxDzANaDUYpfkkU4r925rvNf1FkYbQsd9F1AYIDN7Ax0iq/NE67CHZsYEXOZmCdjKKRwcdgCU=';
const RSA =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCoOOaEB9KQF/jCnkdDAXo76jxa5caVn1G1R9BJiuNJO5oReNTJopQUf2OzDEBnfu+FkTz9woorz67ESh8JKOEVaIN8nbpB5lQU19dJ+jTHSvbxOF+ExjoqrXLmNM5684HLOrBHCKeJkdRO8/nR4G3OS/NqffVUfOtwBXFLAxC2AQ==';
/** `ssh-keygen -H` of `web.example.com` and `[10.0.0.7]:2222`. */
const HASHED_WEB = '|1|M2qhLXHmbBA02HoyZqcy/qF4SBE=|d7gEpnGpya1PT0dXmpm5ynPP7X8=';
const HASHED_PORT = '|1|im91YWVEOIAQkziddDB+RMjGzkw=|YU1Fnubj8cOZaJtACnZT2qfbInM=';

const blob = (line: string): Buffer => Buffer.from(line.split(' ')[1] ?? '', 'base64');
const judge = (text: string, name: string, key: string, port: number | undefined = 22): string => {
  const verdict = judgeHostKey(parseKnownHosts(text, 'kh'), { name, port }, blob(key));
  return 'entry' in verdict ? `${verdict.kind} ${verdict.entry.file}:${verdict.entry.line}` : verdict.kind;
};

describe('host keys', () => {
  it('reads the type and makes the fingerprint of ssh-keygen -l', () => {
    assert.equal(keyTypeOf(blob(ECDSA)), 'ecdsa-sha2-nistp256');
    assert.equal(fingerprintOf(blob(ED25519)), 'SHA256:CLEgu+E13taShdGwYzLsrROV6ryKCIcrj8U80lFWbLk');
    assert.equal(fingerprintOf(blob(RSA)), 'SHA256:98HWCiNpFbtEizsfCB8vp8H8Pm3h/Xuv1vjhbYqaPmY');
    assert.equal(keyTypeOf(Buffer.from([0, 0])), '');
    assert.equal(keyTypeOf(Buffer.from([0, 0, 0, 9, 65])), '');
  });

  it('names types as ssh-keygen does', () => {
    assert.deepEqual(['ssh-ed25519', 'ssh-rsa', 'ecdsa-sha2-nistp521', 'ssh-dss', 'something'].map(shortKeyType), [
      'ED25519',
      'RSA',
      'ECDSA',
      'DSA',
      'something',
    ]);
  });
});

describe('known_hosts', () => {
  it('finds a host by name, among several, and in upper case', () => {
    assert.equal(judge(`a,web.example.com,10.0.0.7 ${ED25519}`, 'web.example.com', ED25519), 'known kh:1');
    assert.equal(judge(`Web.Example.com ${ED25519}`, 'WEB.example.COM', ED25519), 'known kh:1');
    assert.equal(judge(`web.example.com ${ED25519}`, 'web.example.co', ED25519), 'unknown');
    assert.equal(judge(`web.example.com ${ED25519}`, 'webXexample.com', ED25519), 'unknown');
  });

  it('writes and finds a port other than 22 in brackets', () => {
    assert.equal(knownHostsName({ name: 'Host', port: 2222 }), '[host]:2222');
    assert.equal(knownHostsName({ name: '::1', port: 22 }), '::1');
    assert.equal(knownHostsName({ name: 'alias', port: undefined }), 'alias');
    assert.equal(judge(`[h]:2222 ${ED25519}`, 'h', ED25519, 2222), 'known kh:1');
    assert.equal(judge(`[h]:2222 ${ED25519}`, 'h', ED25519, 22), 'unknown');
    assert.equal(judge(`[h]:2222 ${ED25519}`, 'h', ED25519, 2223), 'unknown');
  });

  it('lets an entry without port vouch for another port, but not accuse it', () => {
    assert.equal(judge(`h ${ED25519}`, 'h', ED25519, 2222), 'known kh:1');
    assert.equal(judge(`h ${OTHER}`, 'h', ED25519, 2222), 'unknown');
    assert.equal(judge(`h ${ED25519}\n[h]:2222 ${OTHER}`, 'h', ED25519, 2222), 'changed kh:2');
  });

  it('understands wildcards and negation', () => {
    assert.equal(judge(`*.example.com,!bad.example.com ${ED25519}`, 'web.example.com', ED25519), 'known kh:1');
    assert.equal(judge(`*.example.com,!bad.example.com ${ED25519}`, 'bad.example.com', ED25519), 'unknown');
    assert.equal(judge(`10.0.0.? ${ED25519}`, '10.0.0.7', ED25519), 'known kh:1');
    assert.equal(judge(`10.0.0.? ${ED25519}`, '10.0.0.77', ED25519), 'unknown');
    assert.equal(judge(`!bad ${ED25519}`, 'good', ED25519), 'unknown');
  });

  it('understands hashed names', () => {
    assert.equal(hostsMatch(HASHED_WEB, 'web.example.com'), true);
    assert.equal(hostsMatch(HASHED_WEB, 'web.example.org'), false);
    assert.equal(judge(`${HASHED_PORT} ${ED25519}`, '10.0.0.7', ED25519, 2222), 'known kh:1');
    assert.equal(judge(`${HASHED_PORT} ${ED25519}`, '10.0.0.7', OTHER, 2222), 'changed kh:1');
    assert.equal(hostsMatch(HASHED_WEB.replace('|1|', '|2|'), 'web.example.com'), false);
    assert.equal(hostsMatch('|1|broken', 'web.example.com'), false);
  });

  it('calls another key of a known host changed, whatever its type', () => {
    assert.equal(judge(`h ${ED25519}`, 'h', OTHER), 'changed kh:1');
    assert.equal(judge(`h ${ED25519}`, 'h', RSA), 'changed kh:1');
    assert.equal(judge(`h ${RSA}\nh ${ED25519}`, 'h', OTHER), 'changed kh:2', 'the entry of the same type is named');
    assert.equal(judge(`h ${OTHER}\nh ${ED25519}`, 'h', ED25519), 'known kh:2', 'one equal entry is enough');
  });

  it('refuses a revoked key even where it is listed as known', () => {
    assert.equal(judge(`h ${ED25519}\n@revoked * ${ED25519}`, 'h', ED25519), 'revoked kh:2');
    assert.equal(judge(`@revoked * ${OTHER}\nh ${ED25519}`, 'h', ED25519), 'known kh:2');
    assert.equal(judge(`@revoked * ${OTHER}`, 'h', ED25519), 'unknown');
    assert.equal(judge(`@revoked h ${ED25519}`, 'h', ED25519, 2222), 'revoked kh:1');
  });

  it('tells when only a certificate authority is known', () => {
    assert.equal(judge(`@cert-authority *.example.com ${ED25519}`, 'a.example.com', OTHER), 'authority kh:1');
    assert.equal(judge(`@cert-authority *.example.com ${ED25519}`, 'a.example.org', OTHER), 'unknown');
    assert.equal(judge(`@cert-authority * ${ED25519}\nh ${OTHER}`, 'h', OTHER), 'known kh:2');
    assert.equal(judge(`@cert-authority * ${ED25519}`, 'h', ED25519), 'authority kh:1', 'an authority is no host key');
  });

  it('skips comments, empty, broken and strange lines, and reads CRLF', () => {
    const text = [
      '# comment',
      '',
      'h 1024 35 1234567890',
      'h ssh-ed25519',
      'h ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGkLIzreRwOjoZPuFzWo0/JMw+NadlToaDbHPEsu2IrS',
      `@future h ${OTHER}`,
      `#h ${OTHER}`,
      `  h\t${ED25519} a comment # more`,
    ].join('\r\n');
    assert.equal(judge(text, 'h', ED25519), 'known kh:8');
    assert.equal(parseKnownHosts(text, 'kh').length, 1);
  });

  it('says which key types to ask the server for', () => {
    const entries = parseKnownHosts(`h ${RSA}\nh ${ECDSA}\n@revoked h ${OTHER}\n[h]:1 ${ED25519}\nx ${ED25519}`, 'kh');
    assert.deepEqual(knownKeyTypes(entries, { name: 'h', port: 22 }), ['ssh-rsa', 'ecdsa-sha2-nistp256']);
    assert.deepEqual(knownKeyTypes(entries, { name: 'h', port: 1 }), ['ssh-ed25519']);
    assert.deepEqual(knownKeyTypes(entries, { name: 'h', port: 2 }), ['ssh-rsa', 'ecdsa-sha2-nistp256']);
  });

  it('formats an entry plainly or hashed, and finds its own', () => {
    const host = { name: 'Web.example.com', port: 2222 };
    assert.equal(formatEntry(host, blob(ED25519), false), `[web.example.com]:2222 ${ED25519}`);
    const hashed = formatEntry(host, blob(ED25519), true);
    assert.match(hashed, /^\|1\|[^|]{28}\|[^|]{28} ssh-ed25519 /);
    assert.equal(judge(hashed, 'web.example.com', ED25519, 2222), 'known kh:1');
    const salt = Buffer.from('M2qhLXHmbBA02HoyZqcy/qF4SBE=', 'base64');
    assert.equal(
      formatEntry({ name: 'web.example.com', port: 22 }, blob(ED25519), true, salt),
      `${HASHED_WEB} ${ED25519}`,
    );
  });

  it('appends whole lines, making folder and file for the user alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'blue-green-known-'));
    try {
      const file = join(folder, 'new', 'known_hosts');
      await appendKnownHost(file, 'first');
      assert.equal(readFileSync(file, 'utf8'), 'first\n');
      if (process.platform !== 'win32') {
        assert.equal(statSync(file).mode & 0o777, 0o600);
        assert.equal(statSync(join(folder, 'new')).mode & 0o777, 0o700);
      }
      writeFileSync(file, `h ${ED25519}`);
      await appendKnownHost(file, `i ${OTHER}`);
      assert.equal(readFileSync(file, 'utf8'), `h ${ED25519}\ni ${OTHER}\n`);
      const entries = await readKnownHosts([join(folder, 'missing'), file]);
      assert.deepEqual(
        entries.map(({ hosts, line }) => [hosts, line]),
        [
          ['h', 1],
          ['i', 2],
        ],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
