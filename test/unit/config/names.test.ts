import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Complaint, quoted } from '../../../src/config/complaint';
import {
  checkDestination,
  checkHealthPath,
  checkRouteHost,
  checkVolume,
  IMAGE_PATTERN,
  isServiceName,
  makeServiceName,
} from '../../../src/config/names';
import { nearest } from '../../../src/config/nearest';

const good = (value: unknown): boolean => !(value instanceof Complaint);

describe('service names', () => {
  it('takes what Docker takes as container and as image', () => {
    for (const name of ['a', '0', 'web', 'web-2', 'my_app', 'my__app', 'a.b', 'a--b', 'x'.repeat(63)]) {
      assert.ok(isServiceName(name), name);
    }
    for (const name of ['', 'Web', '-a', 'a-', 'a..b', 'a___b', 'a.-b', 'a b', 'a/b', 'ä', 'a\n', 'x'.repeat(64)]) {
      assert.ok(!isServiceName(name), name);
    }
  });

  it('makes a valid name of anything', () => {
    const cases = {
      'My App': 'my-app',
      'Café №1': 'cafe-no1',
      '.hidden': 'hidden',
      'a..b': 'a-b',
      a__b: 'a__b',
      'trailing-': 'trailing',
      日本: 'app',
      '': 'app',
      [`${'x'.repeat(62)}.y`]: 'x'.repeat(62),
    };
    for (const [text, name] of Object.entries(cases)) {
      assert.equal(makeServiceName(text), name);
    }
    for (const text of ['...', '_a_', 'A.-B', 'x'.repeat(200), 'a\u0000b', '--', "Robert'; DROP"]) {
      assert.ok(isServiceName(makeServiceName(text)), makeServiceName(text));
    }
  });
});

describe('values that end up in an nginx configuration', () => {
  it('host names are host names', () => {
    for (const host of ['localhost', 'a.example', '*.a.example', '203.0.113.5', 'xn--mnchen-3ya.de', 'a_b.example']) {
      assert.equal(checkRouteHost(host), host);
    }
    for (const host of [
      '',
      '*',
      '_',
      '*.',
      '.a',
      'a.',
      'a..b',
      '-a.b',
      '~^a',
      'a b',
      'a;b',
      'a{',
      'a"',
      'a#b',
      '[::1]',
      'a\n',
    ]) {
      assert.ok(!good(checkRouteHost(host)), host);
    }
  });

  it('health paths hold no character that means something there', () => {
    for (const path of ['/', '/health', '/a/b?c=d&e=%20', '/~me/:id/@x']) {
      assert.equal(checkHealthPath(path), path);
    }
    for (const path of [
      '',
      'a',
      '/a b',
      '/a;',
      '/{',
      '/$uri',
      "/'",
      '/"',
      '/\\',
      '/#',
      '/<',
      '/%2',
      '/\u0007',
      '/a\n',
    ]) {
      assert.ok(!good(checkHealthPath(path)), path);
    }
  });
});

describe('destinations', () => {
  it('cannot be taken for an option of ssh or reach a shell', () => {
    for (const host of [
      'prod',
      'local',
      'me@host',
      'me@host:22',
      'me@[::1]:22',
      '::1',
      'DOM\\me@host',
      'ssh-host.example',
    ]) {
      assert.equal(checkDestination(host), host);
    }
    for (const host of [
      '',
      '-oX=y',
      'me@-oX',
      'a b',
      'a;b',
      'a$(b)',
      'a`b`',
      'a|b',
      'a\nb',
      "a'b",
      'me@host:0',
      'me@host:x',
    ]) {
      assert.ok(!good(checkDestination(host)), host);
    }
  });
});

describe('volumes', () => {
  it('takes host folders and named volumes', () => {
    for (const volume of ['/a:/b', 'cache:/b', '/a:/b:ro', '/a:/b:ro,z', '/var/run/docker.sock:/var/run/docker.sock']) {
      assert.equal(checkVolume(volume), volume);
    }
    for (const volume of ['', ':', '/a', '/a:', ':/b', 'a:b:c:d', '../a:/b', '~/a:/b', 'x:/b', '/a:/b:', '/a:/']) {
      assert.ok(!good(checkVolume(volume)), volume);
    }
  });
});

describe('images', () => {
  it('takes references, and nothing else', () => {
    const image = new RegExp(IMAGE_PATTERN);
    for (const name of [
      'nginx',
      'nginx:1.30-alpine',
      'library/nginx',
      'host.example:5000/team/nginx:1',
      `nginx@sha256:${'a'.repeat(64)}`,
    ]) {
      assert.ok(image.test(name), name);
    }
    for (const name of ['', 'Nginx', 'nginx:', 'nginx latest', '-nginx', 'nginx@sha256:1', 'a//b:/c']) {
      assert.ok(!image.test(name), name);
    }
  });
});

describe('nearest', () => {
  const words = ['port', 'publish', 'health', 'hosts', 'allowedFailures'];
  it('finds the word that is meant', () => {
    assert.equal(nearest('prot', words), 'port');
    assert.equal(nearest('PORT', words), 'port');
    assert.equal(nearest('helth', words), 'health');
    assert.equal(nearest('allowedFailiures', words), 'allowedFailures');
  });
  it('guesses nothing when nothing is near', () => {
    assert.equal(nearest('zzz', words), undefined);
    assert.equal(nearest('', words), undefined);
    assert.equal(nearest('image', words), undefined);
  });
});

describe('quoted', () => {
  it('is one short line', () => {
    assert.equal(quoted('a\nb\u001b[31m'), '"a�b�[31m"');
    assert.equal(quoted('x'.repeat(100)).length, 60);
  });
});
