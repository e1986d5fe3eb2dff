import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostChoices } from '../../../src/editor/hostChoices';

test('each host is offered once, where a person looks for it first', () => {
  const choices = hostChoices({
    last: 'prod',
    configured: ['staging', 'prod'],
    known: ['local', 'old', 'staging'],
    aliases: ['prod', 'bastion'],
  });
  assert.deepEqual(
    choices.map(({ group, host }) => `${group} ${host}`),
    ['last prod', 'configured staging', 'known old', 'aliases bastion', 'local local'],
  );
});
