import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/parse';
import { placeAt, servicePlaces } from '../../../src/config/places';
import { configTemplate } from '../../../src/config/template';

/** The text without its `|`, and where that was. */
function cursor(text: string): [string, number] {
  return [text.replace('|', ''), text.indexOf('|')];
}

test('services are found where their names are written, comments and all', () => {
  const text = '{ // ours\n "services": { "shop": {}, "api": { "port": 1, }, }, }';
  const places = servicePlaces(text);
  assert.deepEqual(
    places.map(({ name, offset, length }) => [name, text.slice(offset, offset + length)]),
    [
      ['shop', '"shop"'],
      ['api', '"api"'],
    ],
  );
  assert.deepEqual(servicePlaces('{ "services": '), []);
});

test('the place of a cursor: key or value, with the word to replace, also in a file that is not yet right', () => {
  const host = placeAt(...cursor('{"services": {"shop": {"hosts": ["pr|od"'));
  assert.deepEqual([host.path, host.isKey, host.word?.length], [['services', 'shop', 'hosts', 0], false, 6]);
  const name = placeAt(...cursor('{"services": {"sh|op": {}}}'));
  assert.deepEqual([name.path, name.isKey], [['services', 'shop'], true]);
  const port = placeAt(...cursor('{"services": {"shop": {"port": |'));
  assert.deepEqual([port.path, port.word], [['services', 'shop', 'port'], undefined]);
});

test('the template is a configuration without a problem, whatever it is made of', () => {
  for (const facts of [
    { service: 'shop', dockerfile: undefined, port: 8080, hosts: ['prod'] },
    { service: 'shop-api', dockerfile: 'api.Dockerfile', port: undefined, hosts: [] },
  ]) {
    const text = configTemplate(facts);
    assert.doesNotMatch(text, /docs\//, 'this repository is not the one that it is written into');
    const { services, problems } = parseConfig(text, '/srv/shop/bluegreen.json');
    assert.deepEqual(
      problems.filter(({ about }) => about === 'text'),
      [],
    );
    assert.deepEqual([services[0]?.name, services[0]?.port, services[0]?.hosts], [facts.service, 8080, facts.hosts]);
  }
});
