import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostChoices } from '../../../src/editor/hostChoices';
import { siteUrl } from '../../../src/editor/siteUrl';

test('each host is offered once, where a person looks for it first', () => {
  const choices = hostChoices({
    last: 'prod',
    configured: ['staging', 'prod'],
    known: ['local', 'old', 'staging'],
    aliases: ['prod', 'bastion'],
    local: true,
  });
  assert.deepEqual(
    choices.map(({ group, host }) => `${group} ${host}`),
    ['last prod', 'configured staging', 'known old', 'aliases bastion', 'local local'],
  );
});

test('this machine is offered only where it makes sense', () => {
  const choices = hostChoices({ last: 'local', configured: [], known: [], aliases: [], local: false });
  assert.deepEqual(choices, []);
});

test('a site is its first plain host name, else the machine', () => {
  const at = { host: 'prod', ports: [80], destination: 'deploy@203.0.113.5:22' };
  assert.equal(siteUrl({ ...at, route: 'shop.example www.shop.example' }), 'http://shop.example/');
  assert.equal(siteUrl({ ...at, route: '*' }), 'http://203.0.113.5/');
  assert.equal(siteUrl({ ...at, route: '*.example.org ~^x' }), 'http://203.0.113.5/');
  assert.equal(siteUrl({ ...at, route: '*', destination: 'deploy@[2001:db8::1]:22' }), 'http://[2001:db8::1]/');
  assert.equal(siteUrl({ ...at, route: '*', destination: 'deploy@2001:db8::1' }), 'http://[2001:db8::1]/');
  assert.equal(siteUrl({ host: 'local', route: '*', ports: [8080], destination: undefined }), 'http://localhost:8080/');
});
