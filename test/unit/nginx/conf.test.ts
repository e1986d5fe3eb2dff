import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  claimsEveryHost,
  CONF_DIRECTORY,
  type ConfInput,
  includeLine,
  isEdited,
  isStockWelcome,
  markerAnswer,
  markerHost,
  parseMarkerAnswer,
  parseNginxVersion,
  readConf,
  readRoute,
  renderConf,
  renderRoute,
  restTakenBy,
  routePaths,
  staticUpstreams,
  tlsLine,
} from '../../../src/nginx/conf';

const input = {
  service: 'shop.api',
  slot: 'GREEN',
  deployment: 'abc123',
  port: 8080,
  route: { hosts: ['shop.example', '*.shop.example'], path: '/', stripPath: false, maxBody: '20m', protocol: 'http' },
  nginxVersion: '1.30.6',
} as const;

test('a rendered file tells its service, slot and deployment back', () => {
  assert.deepEqual(readConf(renderConf(input)), [{ service: 'shop.api', slot: 'GREEN', deployment: 'abc123' }]);
});

const everywhere: ConfInput = { ...input, route: { ...input.route, hosts: [] } };
const belowPath: ConfInput = { ...input, service: 'api', route: { ...input.route, path: '/api' } };

/** The files of a route by their names in the folder. */
function routeOf(it: ConfInput): Record<string, string> {
  return Object.fromEntries(renderRoute(it).map(({ path, text }) => [path.slice(CONF_DIRECTORY.length + 1), text]));
}

test('each host name has a server, which includes the locations of every service', () => {
  const files = routeOf(input);
  assert.deepEqual(Object.keys(files), [
    'shop.api@shop.example.location',
    'shop.api@+.shop.example.location',
    '~shop.example.conf',
    '~+.shop.example.conf',
  ]);
  assert.match(files['~+.shop.example.conf'] ?? '', /server_name \*\.shop\.example;/);
  assert.match(files['~+.shop.example.conf'] ?? '', /include \/etc\/nginx\/conf\.d\/\*@\+\.shop\.example\.location;/);
  assert.match(files['shop.api@shop.example.location'] ?? '', /^location \^~ \/ \{$/m);
});

test('the server of a host name is the same whichever service brings it', () => {
  assert.equal(routeOf(belowPath)['~shop.example.conf'], routeOf(input)['~shop.example.conf']);
});

test('a service below a path answers for that path and what is below it', () => {
  const text = routeOf(belowPath)['api@shop.example.location'] ?? '';
  assert.deepEqual(
    [...text.matchAll(/^location (.*) \{$/gm)].map((match) => match[1]),
    ['= /api', '^~ /api/'],
  );
  assert.doesNotMatch(text, /rewrite/);
  const stripped = routeOf({ ...belowPath, route: { ...belowPath.route, stripPath: true } });
  assert.match(stripped['api@shop.example.location'] ?? '', /rewrite "\^\/api\/\?\(\.\*\)\$" \/\$1 break;/);
});

test('a service without host names takes what no other one claims, also of host names that others have', () => {
  const files = routeOf(everywhere);
  assert.deepEqual(Object.keys(files), ['shop.api@.location', 'shop.api@.fallback', '~.conf']);
  assert.match(files['~.conf'] ?? '', /listen 80 default_server;/);
  assert.match(routeOf(input)['~shop.example.conf'] ?? '', /include \/etc\/nginx\/conf\.d\/\*@\.fallback;/);
  assert.deepEqual(
    renderRoute(everywhere).flatMap(({ path }) => restTakenBy(path) ?? []),
    ['shop.api'],
  );
});

test('long host names get room in nginx', () => {
  const hosts = [`${'long-name.'.repeat(6)}example`];
  assert.ok('+settings.conf' in routeOf({ ...input, route: { ...input.route, hosts } }));
  assert.ok(!('+settings.conf' in routeOf(input)));
});

test('the longest names fit into the name of a file', () => {
  const hosts = [`${'a23456789.'.repeat(25)}b`, `${'a23456789.'.repeat(25)}c`];
  const files = Object.keys(routeOf({ ...input, service: 's'.repeat(63), route: { ...input.route, hosts } }));
  assert.equal(new Set(files).size, 5);
  assert.ok(
    files.every((name) => `${name}.candidate`.length <= 255),
    files.join(),
  );
});

test('what leads to a service is found again, with the servers that lead to no other one', () => {
  const all = [...renderRoute(input), ...renderRoute(belowPath)];
  const both = all.map(({ path }) => path);
  assert.deepEqual(
    routePaths('api', both).map((path) => path.slice(CONF_DIRECTORY.length + 1)),
    ['api@shop.example.location', 'api@+.shop.example.location'],
  );
  const alone = renderRoute(belowPath).map(({ path }) => path);
  assert.deepEqual(
    routePaths('api', alone).map((path) => path.slice(CONF_DIRECTORY.length + 1)),
    ['~shop.example.conf', '~+.shop.example.conf', 'api@shop.example.location', 'api@+.shop.example.location'],
  );
  assert.deepEqual(
    all.flatMap((file) => readRoute(file, 'api') ?? []),
    ['shop.example/api', '*.shop.example/api'],
  );
  assert.deepEqual(
    renderRoute(everywhere).flatMap((file) => readRoute(file, 'shop.api') ?? []),
    ['*'],
  );
});

test('a change by hand is told from what a deployment wrote', () => {
  for (const text of [renderConf(input), ...renderRoute(belowPath).map((file) => file.text)]) {
    assert.equal(isEdited(text), false, text);
    assert.equal(isEdited(`${text}\n# mine`), true);
    assert.equal(isEdited(text.replace('Blue-Green: ', 'Blue-Green: x')), true);
    assert.equal(isEdited(text.replace(/^# Checksum.*\n/m, '')), true);
  }
  assert.equal(isEdited('server { listen 80; }'), false);
});

test('of files that are not ours, one may claim every host name', () => {
  assert.equal(claimsEveryHost('server { listen 80 default_server; }'), true);
  assert.equal(claimsEveryHost('# listen 80 default_server;'), false);
  assert.equal(claimsEveryHost('server { listen 443 ssl default_server; }'), false);
  assert.equal(claimsEveryHost('server { listen 443 default_server ssl; listen 80 default_server; }'), true);
  assert.equal(claimsEveryHost(routeOf(everywhere)['~.conf'] ?? ''), false);
});

test('a file that serves TLS is told by its directives, and not by its comments', () => {
  assert.equal(tlsLine('server {\n    listen 443 ssl;\n}'), 2);
  assert.equal(tlsLine('server{listen [::]:443 default_server ssl http2;}'), 1);
  assert.equal(tlsLine('# a\n\nserver { listen\n 443 quic; }'), 3);
  assert.equal(tlsLine('server {\n  listen 8443;\n  ssl_certificate a.pem;\n}'), 3);
  assert.equal(tlsLine('server { location ~ /a#b { return 200; } listen 443 ssl; }'), 1);
  for (const text of [
    '# listen 443 ssl;\nserver { listen 80; # ssl_certificate a.pem;\n}',
    'server { listen unix:/run/ssl.sock; listen 80; location / { proxy_ssl_certificate a.pem; } }',
    'server { listen 80; return 301 https://$host$request_uri; }',
    ...[input, everywhere].flatMap((it) => [renderConf(it), ...renderRoute(it).map((file) => file.text)]),
  ]) {
    assert.equal(tlsLine(text), undefined, text);
  }
});

test('what leads requests to a service is included by the name of its first host', () => {
  assert.equal(includeLine(input.route), 'include /etc/nginx/conf.d/*@shop.example.location;');
  assert.equal(includeLine(everywhere.route), 'include /etc/nginx/conf.d/*@.location;');
});

test('WebSockets, forwarded headers and streams go through', () => {
  const text = routeOf(input)['shop.api@shop.example.location'] ?? '';
  for (const directive of [
    'proxy_http_version 1.1;',
    'proxy_set_header Upgrade $http_upgrade;',
    'proxy_set_header Host $http_host;',
    'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
    'proxy_set_header X-Forwarded-Proto $scheme_shopapi_',
    'proxy_buffering off;',
    'proxy_request_buffering off;',
    'client_max_body_size 20m;',
  ]) {
    assert.ok(text.includes(directive), directive);
  }
});

test('gRPC is passed on as such, and the stream of a client that is silent is not cut', () => {
  const grpc: ConfInput = { ...input, route: { ...input.route, protocol: 'grpc' } };
  assert.match(renderConf(grpc), /default grpc:\/\/shop\.api_GREEN:8080;/);
  const text = routeOf(grpc)['shop.api@shop.example.location'] ?? '';
  assert.match(text, /grpc_pass \$slot_\w+;\n    client_body_timeout 3600s;/);
  assert.match(text, /grpc_set_header X-Forwarded-Proto \$scheme_shopapi_\w+;/);
  assert.doesNotMatch(text, /^ *proxy_/m);
});

test('idle connections are spared from 1.27.4 on, and not kept before it', () => {
  const line = (nginxVersion: string): string | undefined => {
    const files = routeOf({ ...input, nginxVersion });
    // In the server, and in what a server of somebody's own includes.
    const [server, location] = ['~shop.example.conf', 'shop.api@shop.example.location'].map(
      (name) => /^ *(keepalive\w+ .*;)$/m.exec(files[name] ?? '')?.[1],
    );
    assert.equal(location, server);
    return location;
  };
  assert.equal(line('1.27.4'), 'keepalive_min_timeout 10s;');
  assert.equal(line('2.0.0'), 'keepalive_min_timeout 10s;');
  assert.equal(line('1.27.3'), 'keepalive_timeout 0;');
  assert.equal(line('1.22.1'), 'keepalive_timeout 0;');
});

test('names in nginx stay short and differ for services that look alike', () => {
  const long = 'a'.repeat(63);
  assert.ok(markerHost(long).length < 32);
  assert.notEqual(markerHost('shop-api'), markerHost('shop.api'));
  assert.notEqual(markerHost('shop-api'), markerHost('shopapi'));
});

test('the workers answer is read back, and nothing else is', () => {
  assert.deepEqual(parseMarkerAnswer(`${markerAnswer(input)}\n`), {
    service: 'shop.api',
    slot: 'GREEN',
    deployment: 'abc123',
  });
  for (const wrong of ['', '<html>404</html>', 'shop.api RED abc', 'shop.api GREEN']) {
    assert.equal(parseMarkerAnswer(wrong), undefined, wrong);
  }
});

test('files written by hand or by the script of the article are understood', () => {
  const upstream = 'upstream x { server uptimer_BLUE:8080; }\nserver { location / { proxy_pass http://x; } }';
  assert.deepEqual(readConf(upstream), [{ service: 'uptimer', slot: 'BLUE', deployment: undefined }]);
  const direct = 'server { location / { proxy_pass http://my-app_GREEN:3000/; } }';
  assert.deepEqual(readConf(direct), [{ service: 'my-app', slot: 'GREEN', deployment: undefined }]);
  const variable = 'server { set $up "http://my-app_BLUE:3000"; location / { proxy_pass $up; } }';
  assert.deepEqual(readConf(variable), [{ service: 'my-app', slot: 'BLUE', deployment: undefined }]);
  const grpc = 'server { location / { grpc_pass grpc://shop_BLUE:50051; } location /s { grpc_pass shop_BLUE:50051; } }';
  assert.deepEqual(readConf(grpc), [{ service: 'shop', slot: 'BLUE', deployment: undefined }]);
  const php = "location / { fastcgi_pass 'php_GREEN:9000'; }";
  assert.deepEqual(readConf(php), [{ service: 'php', slot: 'GREEN', deployment: undefined }]);
  const map =
    'map $host $to {\n  default http://web_GREEN:80;\n  ~^api "http://api_BLUE";\n  no_BLUE 1;\n}\nserver_name x;';
  assert.deepEqual(readConf(map), [
    { service: 'web', slot: 'GREEN', deployment: undefined },
    { service: 'api', slot: 'BLUE', deployment: undefined },
  ]);
  assert.deepEqual(readConf('# proxy_pass http://old_BLUE;\nserver { return 204; }'), []);
});

test('the welcome page of the image is told from a site', () => {
  const welcome = 'server { listen 80; server_name localhost; location / { root /usr/share/nginx/html; } }';
  assert.equal(isStockWelcome(welcome), true);
  assert.equal(isStockWelcome(`${welcome}\n  proxy_pass http://x;`), false);
  assert.equal(isStockWelcome(renderConf(input)), false);
});

test('nginx -v is read', () => {
  assert.equal(parseNginxVersion('nginx version: nginx/1.22.1 (Debian)'), '1.22.1');
  assert.equal(parseNginxVersion('sh: nginx: not found'), undefined);
});

test('any change by hand to a file of ours is seen, and nothing else', () => {
  const text = renderConf(input);
  assert.equal(isEdited(text), false);
  for (const edited of [
    text.replace('default http', 'default  http'),
    `${text}# a note\n`,
    text.replace(/^# Checksum:.*\n/m, ''),
    text.replace(/^(# Checksum: )./m, '$1x'),
  ]) {
    assert.equal(isEdited(edited), true, edited);
  }
  assert.equal(isEdited('server { listen 80; }'), false, 'not ours');
});

test('the names that nginx looks up at its start are found; variables and addresses of ours are not', () => {
  const text = `upstream a { server app_BLUE:8080; server backup.example; }
    # server old_BLUE:1;
    server { server_name x.example; location / { proxy_pass http://a; } location /b/ { proxy_pass http://wiki:80/b/; } }`;
  assert.deepEqual(staticUpstreams(text), ['app_BLUE', 'backup.example', 'a', 'wiki']);
  const passed = 'grpc_pass grpcs://a:1; fastcgi_pass php:9000; uwsgi_pass b; proxy_pass http://$c; scgi_pass unix:/x;';
  assert.deepEqual(staticUpstreams(passed), ['a', 'php', 'b']);
  assert.deepEqual(staticUpstreams(renderConf(input)), []);
  assert.deepEqual(
    staticUpstreams(
      renderRoute(input)
        .map((file) => file.text)
        .join(''),
    ),
    [],
  );
});
