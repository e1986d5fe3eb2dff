/** Which files in the proxy are a service's, and what becomes of those that are not ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConfFile, confPath, type ConfInput, renderConf, renderRoute } from '../../../src/nginx/conf';
import {
  confOf,
  filesByHand,
  filesToRestore,
  filesToServe,
  missingFile,
  namedBeside,
  type ProxyView,
  servedSlot,
  sharedByHand,
} from '../../../src/nginx/proxy';

const input: ConfInput = {
  service: 'shop',
  slot: 'BLUE',
  deployment: 'd1',
  port: 8080,
  route: { hosts: ['shop.example'], path: '/', stripPath: false, maxBody: '1m', protocol: 'http' },
  nginxVersion: '1.30.0',
};
const ours: readonly ConfFile[] = [{ path: confPath('shop'), text: renderConf(input) }, ...renderRoute(input)];

function view(...files: readonly ConfFile[]): ProxyView {
  const isSite = ({ path }: ConfFile): boolean => path.endsWith('.conf');
  return {
    nginxVersion: '1.30.0',
    client: 'curl',
    activeWorkers: 1,
    leavingWorkers: 0,
    confs: files.filter(isSite).sort((a, b) => (a.path < b.path ? -1 : 1)),
    routes: files.filter((file) => !isSite(file)),
    roomForNames: false,
    answers: new Map(),
  };
}

function byHand(name: string, target: string): ConfFile {
  return {
    path: `/etc/nginx/conf.d/${name}`,
    text: `server { listen 81; location / { proxy_pass http://${target}; } }\n`,
  };
}

test("a service's file is ours, whatever other one names it and sorts before", () => {
  const both = view(byHand('admin.conf', 'shop_GREEN:9000'), ...ours);
  assert.equal(confOf(both, 'shop')?.path, confPath('shop'));
  assert.equal(servedSlot(both, 'shop')?.slot, 'BLUE');
  assert.equal(filesToServe(both, input)[0]?.path, confPath('shop'));
  assert.deepEqual(namedBeside(both, 'shop'), { path: '/etc/nginx/conf.d/admin.conf', slot: 'GREEN' });
});

test('ours is found where it was taken over, and of two by hand the one with the name of the service', () => {
  const adopted = { path: '/etc/nginx/conf.d/default.conf', text: renderConf(input) };
  assert.equal(confOf(view(adopted, byHand('a.conf', 'shop_BLUE')), 'shop'), adopted);
  assert.equal(namedBeside(view(adopted), 'shop'), undefined);
  const two = view(byHand('a.conf', 'shop_BLUE:81'), byHand('shop.conf', 'shop_BLUE'));
  assert.equal(confOf(two, 'shop')?.path, confPath('shop'));
});

test('a file by hand in the place of ours is one that is written over, also when it names no slot', () => {
  const plain = byHand('shop.conf', 'shop:3000');
  assert.equal(confOf(view(plain), 'shop'), undefined);
  assert.deepEqual(filesByHand(view(plain), filesToServe(view(plain), input)), [plain]);
  assert.deepEqual(sharedByHand(view(byHand('shop.conf', 'blog_BLUE')), 'shop'), {
    path: confPath('shop'),
    others: ['blog'],
  });
  assert.deepEqual(filesByHand(view(...ours), filesToServe(view(...ours), input)), []);
});

test('taking a switch back leaves the room for long names, which others may need by then', () => {
  const long = { ...input, route: { ...input.route, hosts: [`${'a'.repeat(41)}.example`] } };
  const changes = filesToServe(view(), long);
  assert.ok(changes.some(({ path }) => path.endsWith('+settings.conf')));
  const back = filesToRestore(view(), changes).map(({ path }) => path);
  assert.deepEqual(
    back,
    changes
      .map(({ path }) => path)
      .filter((path) => !path.endsWith('+settings.conf'))
      .reverse(),
  );
});

test('locations without their server lead nowhere, and so does a service without any', () => {
  assert.equal(missingFile(view(...ours), 'shop'), undefined);
  assert.equal(
    missingFile(view(...ours.filter(({ path }) => !path.includes('~'))), 'shop'),
    '/etc/nginx/conf.d/~shop.example.conf',
  );
  assert.equal(missingFile(view(ours[0] as ConfFile), 'shop'), '/etc/nginx/conf.d/shop@*.location');
  assert.equal(missingFile(view(byHand('shop.conf', 'shop_BLUE')), 'shop'), undefined);
});
