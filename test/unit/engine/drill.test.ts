import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { drill } from '../../../src/engine/drill';
import { container, examination, wellService } from './host';

const blue = (change: Parameters<typeof container>[1]) => ({
  ...wellService,
  slots: { ...wellService.slots, BLUE: container('shop_BLUE', change) },
});

describe('the reboot drill', () => {
  test('of a host in good order: everything comes back', () => {
    const report = drill(examination(), true);
    assert.equal(report.comesBack, true);
    assert.deepEqual(report.services, [{ name: 'shop', comesBack: true, reasons: [] }]);
  });

  test('where nobody can tell whether Docker starts, nothing is claimed about it', () => {
    assert.equal(drill(examination(), undefined).comesBack, true);
  });

  const text = 'upstream shop { server shop_BLUE:8080; }\nserver { listen 80; location / { proxy_pass http://shop; } }';
  const well = examination();
  const cases: readonly [string, ReturnType<typeof examination>, boolean, RegExp][] = [
    ['Docker is disabled', examination(), false, /Docker does not start with the machine/],
    [
      'the proxy is gone',
      examination([wellService], { view: { ...well.view, proxy: undefined, nginx: undefined } }),
      true,
      /There is no proxy/,
    ],
    [
      'the proxy has no restart policy',
      examination([wellService], { view: { ...well.view, proxy: container('reverse-proxy', { restart: 'no' }) } }),
      true,
      /The proxy does not come back: its restart policy is "no"/,
    ],
    [
      'nginx refuses its files',
      examination([wellService], { proxy: { refusal: 'unknown directive', leftFiles: [], freeBytes: 1e9 } }),
      true,
      /nginx would not start. It says: unknown directive/,
    ],
    [
      'the live slot has no restart policy',
      examination([blue({ restart: 'no' })]),
      true,
      /shop_BLUE does not come back/,
    ],
    [
      'the live slot was stopped by hand',
      examination([blue({ running: false })]),
      true,
      /shop_BLUE does not come back: it is exited now, and stays so/,
    ],
    [
      'an upstream of a hand-written file does not come back: every site is down',
      examination([blue({ restart: 'no' })], {}, text),
      true,
      /nginx would not start without shop_BLUE/,
    ],
    ['no file names the service', examination([wellService], {}, '# nothing'), true, /No file of nginx names it/],
  ];
  for (const [name, seen, dockerStarts, says] of cases) {
    test(name, () => {
      const report = drill(seen, dockerStarts);
      assert.equal(report.comesBack, false);
      const [shop] = report.services;
      assert.equal(shop?.comesBack, false);
      assert.match([...report.reasons, ...shop.reasons].join('\n'), says);
    });
  }

  test('a container that was stopped comes back with "always"', () => {
    assert.equal(drill(examination([blue({ restart: 'always', running: false })]), true).comesBack, true);
  });
});
