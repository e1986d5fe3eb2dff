/**
 * The nginx configuration of one service: written by us, and read back, ours or that of the article's script.
 */
import { createHash } from 'node:crypto';
import type { RouteConfig, SlotName } from '../model';
import { slotContainer } from '../model';

const OWN_HEADER = /^# Blue-Green: service=(\S+) slot=(BLUE|GREEN) deployment=(\S+)$/m;

/** Folder that nginx includes its sites from, in the official image as in Debian's package. */
export const CONF_DIRECTORY = '/etc/nginx/conf.d';

/**
 * Loopback port inside the proxy on which the running workers say which slot they serve. Outside of the container it
 * cannot be reached.
 */
export const MARKER_PORT = 9187;

/** End of the host names that the workers are asked by. */
const MARKER_SUFFIX = '.slot';

/** How long an old worker of nginx keeps a client's connection open on which nothing is asked, in milliseconds. */
export const KEEPALIVE_MINIMUM_MS = 10_000;

export interface ConfInput {
  readonly service: string;
  readonly slot: SlotName;
  readonly deployment: string;
  /** Port the service listens on in its container. */
  readonly port: number;
  readonly route: RouteConfig;
  /** nginx's version as `nginx -v` prints it, such as `1.30.6`. */
  readonly nginxVersion: string;
}

type RouteInput = Pick<ConfInput, 'service' | 'route' | 'nginxVersion'>;

/** A file inside the proxy. */
export interface ConfFile {
  readonly path: string;
  readonly text: string;
}

/** What a configuration file says about itself. `deployment` is absent in files that we did not write. */
export interface ConfSummary {
  readonly service: string;
  readonly slot: SlotName;
  readonly deployment: string | undefined;
}

/** Added to the name of a file for the copy of what somebody changed in it by hand. nginx does not read it. */
export const EDITED_SUFFIX = '.edited';

export function confPath(service: string): string {
  return `${CONF_DIRECTORY}/${service}.conf`;
}

/** Host name under which the marker server of a service answers on {@link MARKER_PORT}. */
export function markerHost(service: string): string {
  return `${identifier(service)}${MARKER_SUFFIX}`;
}

/** nginx's variable that holds the address of the live slot. */
export function slotVariable(service: string): string {
  return `$slot_${identifier(service)}`;
}

/** The one line that running workers answer with. */
export function markerAnswer(input: Pick<ConfInput, 'service' | 'slot' | 'deployment'>): string {
  return `${input.service} ${input.slot} ${input.deployment}`;
}

export function parseMarkerAnswer(text: string): ConfSummary | undefined {
  const match = /^(\S+) (BLUE|GREEN) (\S+)\s*$/.exec(text);
  return match === null ? undefined : { service: match[1] ?? '', slot: match[2] as SlotName, deployment: match[3] };
}

/**
 * The service's own file: which slot serves. It alone changes from one deployment to the next. The values come from a
 * checked {@link RouteConfig} and a checked service name, so that nothing in them can end a directive.
 */
export function renderConf(input: ConfInput): string {
  const id = identifier(input.service);
  return sealed(`# Blue-Green: service=${input.service} slot=${input.slot} deployment=${input.deployment}
# Written by a deployment. The next one replaces this file and keeps a copy of what you changed by hand.

map $host ${slotVariable(input.service)} {
    default ${input.route.protocol}://${slotContainer(input.service, input.slot)}:${input.port};
}

map $http_upgrade $connection_${id} {
    default upgrade;
    ''      '';
}

# TLS may have ended in front of this proxy.
map "$scheme:$http_x_forwarded_proto" $scheme_${id} {
    default      $scheme;
    "http:https" https;
}

# Lets a deployment ask the running workers which slot they serve.
server {
    listen 127.0.0.1:${MARKER_PORT};
    server_name ${markerHost(input.service)};
    access_log off;
    default_type text/plain;
    return 200 "${markerAnswer(input)}\\n";
}
`);
}

/**
 * The files that lead requests to a service, the same for both slots. Services may share a host name: each has its
 * locations in a file of its own, and the server of a host name includes those of all. That server is the same text
 * whichever service brings it, so that no service ever changes a file of another.
 *
 * They follow the service's own file, in the order in which they are put in place: nginx can start at any moment
 * between two of them.
 */
export function renderRoute(input: RouteInput): ConfFile[] {
  const { service, route, nginxVersion } = input;
  const hosts = route.hosts.length === 0 ? [EVERY_HOST] : route.hosts;
  const head = `# Blue-Green: requests to ${service}\n# Written by a deployment. The next one replaces this file.\n\n`;
  // Both kinds win over the fallback, whose regular expression matches everything.
  const matches = route.path === '/' ? ['^~ /'] : [`= ${route.path}`, `^~ ${route.path}/`];
  const location = (match: string): string => renderLocation(match, input);
  const locations = sealed(head + matches.map(location).join('\n'));
  const files = hosts.map((host) => ({ path: locationPath(service, host), text: locations }));
  if (takesTheRest(route)) {
    files.push({ path: fallbackPath(service), text: sealed(head + location('~ ^/')) });
  }
  if (hosts.some((host) => host.length > LONGEST_PLAIN_NAME)) {
    files.push({ path: SETTINGS_FILE, text: sealed(SETTINGS) });
  }
  return [...files, ...hosts.map((host) => ({ path: serverPath(host), text: renderServer(host, nginxVersion) }))];
}

/** True for a service that takes every request which no other one claims. */
export function takesTheRest(route: RouteConfig): boolean {
  return route.hosts.length === 0 && route.path === '/';
}

/** The service whose file of {@link renderRoute} takes every request that no other one claims. */
export function restTakenBy(path: string): string | undefined {
  return path.startsWith(`${CONF_DIRECTORY}/`) && path.endsWith(FALLBACK)
    ? path.slice(CONF_DIRECTORY.length + 1, -FALLBACK.length)
    : undefined;
}

/**
 * The paths among `paths` that lead to a service, in the order in which they are taken away; servers of host names that
 * lead to no other service are among them.
 */
export function routePaths(service: string, paths: readonly string[]): string[] {
  const isItsOwn = (path: string): boolean => path.startsWith(`${CONF_DIRECTORY}/${service}@`);
  const locations = paths.filter((path) => path.endsWith(LOCATION));
  const servers = locations.filter(isItsOwn).flatMap((location) => {
    const server = serverOf(location);
    const isShared = locations.some((other) => !isItsOwn(other) && serverOf(other) === server);
    return isShared || !paths.includes(server) ? [] : [server];
  });
  return [...servers, ...paths.filter(isItsOwn)];
}

/** The first file, or the pattern of all, that is not among `paths` and without which nothing leads to a service. */
export function missingRoute(service: string, paths: readonly string[]): string | undefined {
  const locations = paths.filter((path) => path.startsWith(`${CONF_DIRECTORY}/${service}@`) && path.endsWith(LOCATION));
  return locations.length === 0
    ? `${CONF_DIRECTORY}/${service}@*${LOCATION}`
    : locations.map(serverOf).find((server) => !paths.includes(server));
}

/** True when a text, a path or what nginx says, names a file that belongs to this service alone. */
export function namesFileOf(service: string, text: string): boolean {
  return text.includes(confPath(service)) || text.includes(`${CONF_DIRECTORY}/${service}@`);
}

/** What a file of {@link renderRoute} leads to its service: `shop.example/api`, `/api` for every host name, or `*`. */
export function readRoute(file: ConfFile, service: string): string | undefined {
  const prefix = `${CONF_DIRECTORY}/${service}@`;
  if (!file.path.startsWith(prefix) || !file.path.endsWith(LOCATION)) {
    return undefined;
  }
  const host = file.path.slice(prefix.length, -LOCATION.length).replace('+', '*');
  const path = /^location (?:=|\^~) (\S+) \{/m.exec(file.text)?.[1] ?? '/';
  return `${host}${path === '/' ? '' : path}` || '*';
}

/** True for the text of a file that a deployment wrote. */
export function isOurs(text: string): boolean {
  return text.startsWith('# Blue-Green: ');
}

/** Stands for every host name that has no server of its own. */
const EVERY_HOST = '';
const LOCATION = '.location';
const FALLBACK = '@.fallback';
/** The longest host name that fits nginx's hash of server names as it is by default, with buckets of 64 bytes. */
const LONGEST_PLAIN_NAME = 40;
/** Leaves room for a service's name and for what is added to a file's name. */
const LONGEST_IN_FILE_NAME = 160;
/** What nginx takes once only. No service has such a name. */
export const SETTINGS_FILE = `${CONF_DIRECTORY}/+settings.conf`;
const SETTINGS = `# Blue-Green: settings for all services
# Room for long host names (ngx_http_core_module, server_names_hash_bucket_size).
server_names_hash_bucket_size 512;
`;

function locationPath(service: string, host: string): string {
  return `${CONF_DIRECTORY}/${service}@${fileNameOf(host)}${LOCATION}`;
}

/** The file of the server that includes a file of locations. */
function serverOf(location: string): string {
  return `${CONF_DIRECTORY}/~${location.slice(location.indexOf('@') + 1, -LOCATION.length)}.conf`;
}

function fallbackPath(service: string): string {
  return `${CONF_DIRECTORY}/${service}${FALLBACK}`;
}

function serverPath(host: string): string {
  return `${CONF_DIRECTORY}/~${fileNameOf(host)}.conf`;
}

/** A `*` would be a pattern in nginx's include, and a file's name has at most 255 bytes. */
function fileNameOf(host: string): string {
  const name = host.replace('*', '+');
  return name.length <= LONGEST_IN_FILE_NAME ? name : `${name.slice(0, LONGEST_IN_FILE_NAME - 17)}-${checksum(name)}`;
}

/**
 * `keepalive_min_timeout` (nginx 1.27.4 and newer) lets idle connections of an old worker finish instead of being reset
 * by the reload. Older versions have no such way; there, answers close their connection.
 */
function keepSafe(nginxVersion: string): string {
  return isAtLeast(nginxVersion, [1, 27, 4])
    ? `keepalive_min_timeout ${KEEPALIVE_MINIMUM_MS / 1000}s;`
    : 'keepalive_timeout 0;';
}

/**
 * To nginx a connection is idle only once it has been asked something. On one that is new an old worker waits for a
 * request for `client_header_timeout` (60 s by default), and would pass it on to a slot that is gone. So it waits no longer
 * than for those that are idle.
 */
function renderServer(host: string, nginxVersion: string): string {
  const [listen, name] = host === EVERY_HOST ? ['80 default_server', '_'] : ['80', host];
  const fallback = host === EVERY_HOST ? '' : `\n    include ${CONF_DIRECTORY}/*${FALLBACK};`;
  return sealed(`# Blue-Green: requests for ${host === EVERY_HOST ? 'every other host name' : host}
# The same for all services that answer for it.

server {
    listen ${listen};
    server_name ${name};
    root /nonexistent;
    client_header_timeout ${KEEPALIVE_MINIMUM_MS / 1000}s;
    ${keepSafe(nginxVersion)}
    include ${CONF_DIRECTORY}/*@${fileNameOf(host)}${LOCATION};${fallback}
}
`);
}

/**
 * - `resolver` + variable: nginx starts and reloads while the container is absent (ngx_http_proxy_module, proxy_pass).
 * - Nothing is buffered: events and downloads pass as they come, and an upload is connected to its slot from its first
 *   byte on, which is how the drain sees it.
 * - Its connections are kept safe in the location as well as in the server: a server of somebody's own, such as one that
 *   serves TLS, includes the location only.
 */
function renderLocation(match: string, input: RouteInput): string {
  const { route, nginxVersion } = input;
  const strip = route.stripPath && route.path !== '/' ? `rewrite "^${escapeRegExp(route.path)}/?(.*)$" /$1 break;` : '';
  return `location ${match} {
    ${strip}
    client_max_body_size ${route.maxBody};
    ${keepSafe(nginxVersion)}
    resolver 127.0.0.11 valid=2s ipv6=off;
    ${(route.protocol === 'grpc' ? passGrpc(input) : passHttp(input)).join('\n    ')}
}
`.replace('    \n', '');
}

function passHttp({ service }: RouteInput): string[] {
  const id = identifier(service);
  return [
    `proxy_pass ${slotVariable(service)};`,
    'proxy_http_version 1.1;',
    'proxy_buffering off;',
    'proxy_request_buffering off;',
    'proxy_set_header Host $http_host;',
    'proxy_set_header Upgrade $http_upgrade;',
    `proxy_set_header Connection $connection_${id};`,
    ...forwarded('proxy', service),
  ];
}

/** A stream of a client that says nothing for a while is not one that has ended (client_body_timeout). */
function passGrpc({ service }: RouteInput): string[] {
  return [
    `grpc_pass ${slotVariable(service)};`,
    'client_body_timeout 3600s;',
    'grpc_set_header Host $http_host;',
    ...forwarded('grpc', service),
  ];
}

function forwarded(module: 'proxy' | 'grpc', service: string): string[] {
  return [
    `${module}_set_header X-Real-IP $remote_addr;`,
    `${module}_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`,
    `${module}_set_header X-Forwarded-Proto $scheme_${identifier(service)};`,
    `${module}_set_header X-Forwarded-Host $http_host;`,
    `${module}_read_timeout 3600s;`,
    `${module}_send_timeout 3600s;`,
  ];
}

const SEAL = /^# Checksum: ([0-9a-f]{16})\n/m;

/** Puts a checksum below the first line, so that a change by hand can be told. */
function sealed(text: string): string {
  return text.replace('\n', `\n# Checksum: ${checksum(text)}\n`);
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** True for a file of ours that somebody has changed since a deployment wrote it. */
export function isEdited(text: string): boolean {
  return isOurs(text) && SEAL.exec(text)?.[1] !== checksum(text.replace(SEAL, ''));
}

/** Directives of nginx's modules that pass a request on; all but proxy_pass may do without a scheme. */
const PASS = '(?:proxy|grpc|fastcgi|uwsgi|scgi)_pass';
const SLOT_ADDRESS = `["']?(?:[a-z]+://)?([A-Za-z0-9][\\w.-]*)_(BLUE|GREEN)\\b`;
/** Addresses of slots as they are given to a directive, and as the values of a map (ngx_http_map_module). */
const NAMED_SLOT = new RegExp(`\\b(?:${PASS}|server|set\\s+\\$\\w+)\\s+${SLOT_ADDRESS}`, 'g');
const MAP_BODY = /\bmap\s[^{;]*\{([^}]*)\}/g;
const MAPPED_SLOT = new RegExp(`\\S\\s+${SLOT_ADDRESS}[^;]*;`, 'g');

/** Every service and slot that a configuration file sends requests to, ours and hand-written ones alike. */
export function readConf(text: string): ConfSummary[] {
  const own = OWN_HEADER.exec(text);
  if (own !== null) {
    return [{ service: own[1] ?? '', slot: own[2] as SlotName, deployment: own[3] }];
  }
  const found = new Map<string, ConfSummary>();
  const withoutComments = text.replace(/#.*$/gm, '');
  const bodies = [...withoutComments.matchAll(MAP_BODY)].map((match) => match[1] ?? '');
  for (const match of [
    ...withoutComments.matchAll(NAMED_SLOT),
    ...bodies.flatMap((body) => [...body.matchAll(MAPPED_SLOT)]),
  ]) {
    const service = match[1] ?? '';
    found.set(service, { service, slot: match[2] as SlotName, deployment: undefined });
  }
  return [...found.values()];
}

const LOOKED_UP = new RegExp(`\\b(?:${PASS}\\s+(?:[a-z]+://)?|server\\s+)([A-Za-z0-9][\\w.-]*)(?::\\d+)?[\\s;/]`, 'g');

/**
 * Host names that nginx looks up when it starts, and without which it does not: those of upstream servers and of what is
 * passed on without a variable (ngx_http_upstream_module, ngx_http_proxy_module and its like).
 */
export function staticUpstreams(text: string): string[] {
  const matches = text.replace(/#.*$/gm, '').matchAll(LOOKED_UP);
  return [...new Set([...matches].map((match) => match[1] ?? ''))];
}

/** True for a file, not one of ours, whose server takes every request without TLS that no other one claims. */
export function claimsEveryHost(text: string): boolean {
  const listens = text.replace(/#.*$/gm, '').match(/\blisten\s[^;]*;/g) ?? [];
  return !isOurs(text) && listens.some((listen) => /\sdefault_server\b/.test(listen) && !TLS_LISTEN.test(listen));
}

/** What makes a port one for TLS (ngx_http_core_module, listen). */
const TLS_LISTEN = /\s(?:ssl|quic)(?=[\s;])/;

/** Line, counted from 1, of the first directive in a file that serves TLS; undefined where there is none. */
export function tlsLine(text: string): number | undefined {
  // A # begins a comment only where a word begins. What is taken out leaves its length behind.
  const plain = text.replace(/(?<![^\s;{}])#.*$/gm, (comment) => ' '.repeat(comment.length));
  for (const match of plain.matchAll(/(?<=^|[;{}\s])(?:listen\s[^;]*;|ssl_certificate\s)/g)) {
    if (match[0].startsWith('ssl') || TLS_LISTEN.test(match[0])) {
      return plain.slice(0, match.index).split('\n').length;
    }
  }
  return undefined;
}

/** The line by which a server of somebody's own leads requests to a service. */
export function includeLine({ hosts }: RouteConfig): string {
  return `include ${CONF_DIRECTORY}/*@${fileNameOf(hosts[0] ?? EVERY_HOST)}${LOCATION};`;
}

/** The welcome page's server of the official image: it would answer for `localhost` in the place of a service. */
export function isStockWelcome(text: string): boolean {
  return (
    /\bserver_name\s+localhost\s*;/.test(text) &&
    /\/usr\/share\/nginx\/html/.test(text) &&
    !/^\s*proxy_pass/m.test(text)
  );
}

/** `nginx version: nginx/1.30.6` → `1.30.6`; undefined when the text is no such line. */
export function parseNginxVersion(text: string): string | undefined {
  return /nginx\/(\d+\.\d+\.\d+)/.exec(text)?.[1];
}

function isAtLeast(version: string, wanted: readonly [number, number, number]): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, want] of wanted.entries()) {
    const have = parts[index] ?? 0;
    if (have !== want) {
      return have > want;
    }
  }
  return true;
}

/**
 * A short name for nginx variables and host names, different for each service. A hash keeps it short: nginx's hash
 * tables refuse names that are longer than a bucket (64 bytes by default).
 */
function identifier(service: string): string {
  const readable = service.replace(/[^a-z0-9]/gi, '').slice(0, 12);
  return `${readable}_${createHash('sha256').update(service).digest('hex').slice(0, 6)}`;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
