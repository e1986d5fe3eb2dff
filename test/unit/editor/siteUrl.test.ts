import assert from 'node:assert/strict';
import { test } from 'node:test';
import { siteUrl } from '../../../src/editor/siteUrl';

const at = { ports: [80], address: 'deploy@203.0.113.5:22' };

test('a site is its first plain host name, else the machine', () => {
  assert.equal(siteUrl({ ...at, route: 'shop.example www.shop.example' }), 'http://shop.example/');
  assert.equal(siteUrl({ ...at, route: '*' }), 'http://203.0.113.5/');
  assert.equal(siteUrl({ ...at, route: '*.example.org ~^x' }), 'http://203.0.113.5/');
  assert.equal(siteUrl({ ...at, route: '*', address: 'deploy@[2001:db8::1]:22' }), 'http://[2001:db8::1]/');
  assert.equal(siteUrl({ ...at, route: '*', address: 'deploy@2001:db8::1' }), 'http://[2001:db8::1]/');
  assert.equal(siteUrl({ route: '*', ports: [8080], address: '127.0.0.1' }), 'http://localhost:8080/');
  assert.equal(siteUrl({ ...at, route: '*', address: 'build01' }), 'http://build01/');
  assert.equal(siteUrl({ ...at, route: '*', address: '2001:db8::1' }), 'http://[2001:db8::1]/');
});

test('a service that has a path of its host names is visited there, past the port', () => {
  const elsewhere = { ...at, ports: [8080] };
  assert.equal(siteUrl({ ...at, route: 'shop.example/api www.shop.example/api' }), 'http://shop.example/api');
  assert.equal(siteUrl({ ...elsewhere, route: 'shop.example/api' }), 'http://shop.example:8080/api');
  assert.equal(siteUrl({ ...elsewhere, route: '/api' }), 'http://203.0.113.5:8080/api');
  assert.equal(siteUrl({ ...at, route: 'shop.example/~ann/my_app' }), 'http://shop.example/~ann/my_app');
  assert.equal(siteUrl({ ...at, route: '*.shop.example/api shop.example/api' }), 'http://shop.example/api');
  assert.equal(siteUrl({ ...at, route: '*.shop.example/api' }), 'http://203.0.113.5/api');
});

test('a host name may have an underscore; what names no single host is none', () => {
  assert.equal(siteUrl({ ...at, route: 'my_shop.example' }), 'http://my_shop.example/');
  assert.equal(siteUrl({ ...at, route: '_ .shop.example ~^x' }), 'http://203.0.113.5/');
});
