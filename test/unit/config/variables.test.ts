import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Complaint } from '../../../src/config/complaint';
import { fillTemplate, parseEnvFile, parseTemplate } from '../../../src/config/variables';

function fill(text: string, environment: Record<string, string>): unknown {
  const template = parseTemplate(text);
  return template instanceof Complaint ? template : fillTemplate(template, environment);
}

describe('references to the environment', () => {
  it('are filled in, and only they', () => {
    assert.equal(fill('a${env:X}b${env:Y}', { X: '1', Y: '' }), 'a1b');
    assert.equal(fill('$${env:X} ${X} $X ${env', { X: '1' }), '${env:X} ${X} $X ${env');
    assert.equal(fill('', {}), '');
  });
  it('are not filled in twice', () => {
    assert.equal(fill('${env:X}', { X: '${env:Y}', Y: 'no' }), '${env:Y}');
  });
  it('name what is missing', () => {
    assert.deepEqual(fill('${env:A}-${env:B}', { B: '1' }), { missing: ['A'] });
    assert.deepEqual(fill('${env:toString}', {}), { missing: ['toString'] });
  });
  it('need a name', () => {
    assert.ok(fill('${env:}', {}) instanceof Complaint);
    assert.ok(fill('${env:a b}', {}) instanceof Complaint);
    assert.ok(fill('a\0b', {}) instanceof Complaint);
  });
});

describe('env files', () => {
  it('are read as docker run --env-file does', () => {
    const { values, wrong } = parseEnvFile(
      '\uFEFF# c\nA=1\r\n\n  B= two = 2 \nC="quoted"\nFROM_ME\nUNSET\nD=\nA=last',
      {
        FROM_ME: 'mine',
      },
    );
    assert.deepEqual(
      [...values],
      [
        ['A', 'last'],
        ['B', ' two = 2 '],
        ['C', '"quoted"'],
        ['FROM_ME', 'mine'],
        ['D', ''],
      ],
    );
    assert.deepEqual(wrong, []);
  });
  it('name the lines that are no variables', () => {
    assert.deepEqual(parseEnvFile('A=1\nnot a line\n=x\nexport B=1', {}).wrong, [2, 3, 4]);
  });
});
