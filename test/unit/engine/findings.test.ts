import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findingsOnHost, findingsOnService } from '../../../src/engine/findings';
import type { HostExamination, ServiceView } from '../../../src/engine/observe';
import { bareService, describeService } from '../../../src/engine/release';
import { LABEL } from '../../../src/model';
import { conf, container, examination, wellService } from './host';

function onService(change: Partial<ServiceView>, more: Partial<HostExamination> = {}, text = conf): string[] {
  const view = { ...wellService, ...change };
  return findingsOnService(view, examination([view], more, text)).map(({ code, remedy }) => `${code} ${remedy}`);
}

function onHost(more: Partial<HostExamination>): string[] {
  return findingsOnHost(examination([wellService], more)).map(({ code, remedy }) => `${code} ${remedy}`);
}

const well = examination();
const lock = {
  container: 'shop_LOCK',
  person: 'ann@desk',
  deployment: 'd2',
  stage: 'probe',
  ageMs: 180_000,
  silentMs: 2_000,
  dead: false,
};
const candidate = container('shop_GREEN', { restart: 'no', createdAt: 3_000 });

describe('a service', () => {
  test('in good order has no finding', () => assert.deepEqual(onService({}), []));

  const cases: readonly [string, Partial<ServiceView>, string[], Partial<HostExamination>?, string?][] = [
    ['under a living lock', {}, ['locked nobody'], { locks: new Map([['shop', lock]]) }],
    ['under a dead lock', {}, ['lock-dead repair'], { locks: new Map([['shop', { ...lock, dead: true }]]) }],
    ['whose deployment never went live', { slots: { ...wellService.slots, GREEN: candidate } }, ['interrupted repair']],
    [
      'with its previous release put aside',
      { slots: { ...wellService.slots, GREEN: candidate }, aside: { GREEN: container('shop_GREEN_ASIDE') } },
      ['interrupted repair', 'interrupted repair'],
    ],
    ['with both slots up', { slots: { ...wellService.slots, GREEN: container('shop_GREEN') } }, ['both-up repair']],
    ['that nginx serves nothing of', { served: undefined, live: undefined }, ['unserved repair']],
    [
      'whose live slot was stopped',
      { slots: { ...wellService.slots, BLUE: container('shop_BLUE', { running: false }) }, live: undefined },
      ['live-down repair'],
    ],
    [
      'whose live slot was paused',
      { slots: { ...wellService.slots, BLUE: container('shop_BLUE', { state: 'paused' }) } },
      ['live-down repair'],
    ],
    ['whose live slot was removed', { slots: {}, live: undefined }, ['live-down repair']],
    [
      'whose live slot has no restart policy',
      { slots: { ...wellService.slots, BLUE: container('shop_BLUE', { restart: 'no', createdAt: 2_000 }) } },
      ['live-not-restarting repair'],
    ],
    ['whose file was edited', {}, ['conf-edited person'], {}, conf.replace(':8080;', ':8081;')],
    [
      'whose file names another slot than nginx serves',
      {
        served: { service: 'shop', slot: 'GREEN', deployment: 'd2' },
        live: 'GREEN',
        slots: { GREEN: container('shop_GREEN') },
      },
      ['conf-unloaded repair'],
    ],
    ['whose file is gone', {}, ['conf-unloaded repair'], {}, '# nothing'],
    [
      'whose switch was cut',
      {},
      ['switch-files repair'],
      {
        proxy: { refusal: undefined, freeBytes: undefined, leftFiles: ['/etc/nginx/conf.d/shop.conf.previous'] },
      },
    ],
    [
      'set up by another tool',
      { served: { service: 'shop', slot: 'BLUE', deployment: undefined } },
      ['adopted nobody'],
      {},
      'upstream shop { server shop_BLUE:80; }',
    ],
    [
      'set up by another tool, with TLS',
      { served: { service: 'shop', slot: 'BLUE', deployment: undefined } },
      ['tls-by-hand person'],
      {},
      'server { listen 443 ssl; location / { proxy_pass http://shop_BLUE:80; } }',
    ],
    [
      'whose file was written by hand and leads to another service, too',
      {},
      ['shared-by-hand person', 'conf-unloaded repair'],
      {},
      'server { location / { proxy_pass http://shop_BLUE; } location /b { proxy_pass http://blog_BLUE; } }',
    ],
    [
      'whose server was lost',
      {},
      ['unrouted repair'],
      {
        view: {
          ...well.view,
          nginx: well.view.nginx && { ...well.view.nginx, confs: well.view.nginx.confs.slice(0, 1) },
        },
      },
    ],
    [
      'that a second file names',
      {},
      ['slot-by-hand person'],
      {
        view: {
          ...well.view,
          nginx: well.view.nginx && {
            ...well.view.nginx,
            confs: [
              {
                path: '/etc/nginx/conf.d/admin.conf',
                text: 'server { location / { proxy_pass http://shop_BLUE:9000; } }',
              },
              ...well.view.nginx.confs,
            ],
          },
        },
      },
    ],
    ['whose file was given TLS', {}, ['tls-by-hand person'], {}, `${conf}server { listen 443 ssl; }`],
  ];
  for (const [name, change, expected, more, text] of cases) {
    test(name, () => assert.deepEqual(onService(change, more, text), expected));
  }

  test('that keeps its old slot running on purpose has no finding', () => {
    const kept = describeService(
      { ...bareService('shop'), retire: { old: 'keep', keepImages: 3, graceSeconds: 1 } },
      8080,
    );
    const labels = { [LABEL.deployment]: 'd1', [LABEL.config]: JSON.stringify(kept) };
    const slots = { BLUE: container('shop_BLUE', { labels }), GREEN: container('shop_GREEN') };
    assert.deepEqual(onService({ slots }), []);
  });

  test('whose old slot was left to its open connections needs nobody', () => {
    const left = describeService({ ...bareService('shop'), drain: { timeoutMs: 1_000, atTimeout: 'leave' } }, 8080);
    const labels = { [LABEL.deployment]: 'd1', [LABEL.config]: JSON.stringify(left) };
    const slots = { BLUE: container('shop_BLUE', { labels }), GREEN: container('shop_GREEN') };
    assert.deepEqual(onService({ slots }), ['both-up nobody']);
  });

  test('an older slot without a restart policy is no leftover', () => {
    const slots = { ...wellService.slots, GREEN: container('shop_GREEN', { restart: 'no', running: false }) };
    assert.deepEqual(onService({ slots }), []);
  });
});

describe('a host', () => {
  test('in good order has no finding', () => assert.deepEqual(onHost({}), []));

  const withProxy = (change: Parameters<typeof container>[1] | undefined): Partial<HostExamination> => ({
    view: { ...well.view, nginx: undefined, proxy: change && container('reverse-proxy', change) },
    proxy: undefined,
  });
  const cases: readonly [string, Partial<HostExamination>, string[]][] = [
    ['without a proxy', withProxy(undefined), ['proxy-missing repair']],
    ['whose proxy was stopped', withProxy({ running: false }), ['proxy-stopped repair']],
    ['whose proxy is paused', withProxy({ state: 'paused' }), ['proxy-stopped repair']],
    ['whose proxy ends again and again', withProxy({ state: 'restarting' }), ['proxy-failing repair']],
    [
      'whose proxy was taken off the network',
      { view: { ...well.view, proxy: container('reverse-proxy', { networks: {} }) } },
      ['proxy-off-network repair'],
    ],
    ['without the network', { gateways: 0 }, ['network-missing repair']],
    ['with two networks of the name', { gateways: 2 }, ['network-doubled repair']],
    [
      'where our file is broken',
      { proxy: { refusal: 'unknown directive in /etc/nginx/conf.d/shop.conf:7', leftFiles: [], freeBytes: 10e9 } },
      ['conf-refused repair'],
    ],
    [
      "where somebody else's file is broken",
      { proxy: { refusal: 'unknown directive in /etc/nginx/conf.d/own.conf:7', leftFiles: [], freeBytes: 10e9 } },
      ['conf-refused person'],
    ],
    [
      'whose disk is nearly full',
      { proxy: { refusal: undefined, leftFiles: [], freeBytes: 1e6 } },
      ['disk-low person'],
    ],
    [
      'where a switch was cut at the server that services share',
      {
        proxy: { refusal: undefined, leftFiles: ['/etc/nginx/conf.d/~shop.example.conf.candidate'], freeBytes: 10e9 },
      },
      ['switch-files repair'],
    ],
    [
      "where a service's own switch was cut",
      { proxy: { refusal: undefined, leftFiles: ['/etc/nginx/conf.d/shop.conf.previous'], freeBytes: 10e9 } },
      [],
    ],
    ['with images of a cut transfer', { temporaryImages: ['blue-green-incoming:d9'] }, ['temporary-images repair']],
  ];
  for (const [name, change, expected] of cases) {
    test(name, () => assert.deepEqual(onHost(change), expected));
  }

  test('without any service needs no proxy', () => {
    const empty = examination([], { view: { proxy: undefined, nginx: undefined, services: [] }, gateways: 0 });
    assert.deepEqual(findingsOnHost(empty), []);
  });
});
