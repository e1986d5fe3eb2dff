/** The format of bluegreen.json: every key, what it means, what it is when left out. */
import {
  type BuildSecret,
  DEFAULT_PROXY_IMAGE,
  DRAIN_CHOICES,
  HEALTH_METHODS,
  ROUTE_PROTOCOLS,
  type TransferConfig,
} from '../model';
import { t } from '../l10n';
import { Complaint, quoted } from './complaint';
import {
  checkDestination,
  checkExtraHost,
  checkHealthPath,
  checkRouteHost,
  checkRoutePath,
  checkServiceName,
  checkVolume,
  DESTINATION_PATTERN,
  HEADER_NAME_PATTERN,
  HEADER_VALUE_PATTERN,
  HEALTH_PATH_PATTERN,
  IMAGE_PATTERN,
  ROUTE_HOST_PATTERN,
  ROUTE_PATH_PATTERN,
  SERVICE_NAME_PATTERN,
  TARGET_PATTERN,
  USER_PATTERN,
  VARIABLE_PATTERN,
  VOLUME_PATTERN,
} from './names';
import type { Shape } from './shapes';
import {
  choice,
  defaultsOf,
  either,
  labelOf,
  list,
  mapped,
  matching,
  numeric,
  object,
  optional,
  record,
  text,
  truth,
  unique,
  withDefault,
} from './shapes';
import {
  checkNginxSize,
  DURATION_PATTERN,
  formatDuration,
  NGINX_SIZE_PATTERN,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from './units';
import type { Template } from './variables';
import { parseTemplate } from './variables';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** What Docker grants at least (docs.docker.com, "Limit a container's access to memory"). */
const LEAST_MEMORY = 6 * 1024 * 1024;

/** A duration in milliseconds between two bounds, both included. */
function duration(least: number, most: number, step = 1): Shape<number> {
  return text({ pattern: DURATION_PATTERN }, (written) => {
    const ms = parseDuration(written);
    if (ms instanceof Complaint) {
      return ms;
    }
    if (ms < least || ms > most) {
      return new Complaint((it) =>
        t('{0} must be from {1} to {2}, not {3}.', it, formatDuration(least), formatDuration(most), quoted(written)),
      );
    }
    return ms % step === 0
      ? ms
      : new Complaint((it) => t('{0} must be in steps of {1}, not {2}.', it, formatDuration(step), quoted(written)));
  });
}

const path = text({ minLength: 1 }, (written) =>
  written === '' || written.includes('\0') ? new Complaint((it) => t('{0} is no path.', it)) : written,
);
const port = numeric(1, 65_535);
const healthPath = text({ pattern: HEALTH_PATH_PATTERN }, checkHealthPath);
const routeHost = text({ pattern: ROUTE_HOST_PATTERN }, checkRouteHost);
const template = text<Template>({}, parseTemplate);

const variable = {
  schema: { pattern: VARIABLE_PATTERN },
  check: (name: string) =>
    new RegExp(VARIABLE_PATTERN).test(name)
      ? name
      : new Complaint((it) => t('{0} is no name of a variable.', it), t('Use letters, digits and underscores.')),
};

/** A number or a truth value where a text is meant, taken as it is written; a number that would not be is refused. */
const plainValue: Shape<Template> = {
  schema: { type: ['number', 'boolean'] },
  types: ['number', 'boolean'],
  read(node, report) {
    const value: unknown = node.value;
    const text = String(value);
    const unsafe = Number.isInteger(value) && !Number.isSafeInteger(value);
    if (unsafe || text.length !== node.length) {
      report(node, t('{0} would become {1}.', labelOf(node), text), t('Write it in quotes.'));
      return undefined;
    }
    return { value: [text] };
  },
};

const buildArgument: Shape<Template> = either(() => t('a text, a number, or true or false'), template, plainValue);

const environmentValue: Shape<Template> = either(
  () => t('a text, a number, true or false, or { "fromEnv": "NAME" }'),
  template,
  plainValue,
  mapped(
    object({
      fromEnv: optional(
        matching(
          VARIABLE_PATTERN,
          (it, written) => t('{0} is no name of a variable: {1}.', it, written),
          () => t('Use letters, digits and underscores.'),
        ),
        'Name of the variable in the environment of whoever deploys.',
      ),
    }),
    ({ fromEnv }): Template | Complaint =>
      fromEnv === undefined
        ? new Complaint((it) => t('{0} names no variable.', it), t('Write { "fromEnv": "NAME" }.'))
        : [{ variable: fromEnv }],
  ),
);

const buildSecret = mapped(
  object({
    fromEnv: optional(
      matching(
        VARIABLE_PATTERN,
        (it, written) => t('{0} is no name of a variable: {1}.', it, written),
        () => t('Use letters, digits and underscores.'),
      ),
      'Name of the variable in the environment of whoever deploys.',
    ),
    file: optional(path, 'File that holds the secret, relative to this file.'),
  }),
  ({ fromEnv, file }): BuildSecret | Complaint => {
    if ((fromEnv === undefined) === (file === undefined)) {
      return new Complaint(
        (it) => t('{0} names no single source.', it),
        t('Write { "fromEnv": "NAME" } or { "file": "PATH" }.'),
      );
    }
    return fromEnv === undefined ? { file: file ?? '' } : { env: fromEnv };
  },
);

const SECRET_ID_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9_.-]*$';

const build = object({
  context: withDefault(path, 'Folder that is sent to the build, relative to this file.', '.'),
  dockerfile: optional(path, 'The Dockerfile, relative to this file. Left out: "Dockerfile" in the context.'),
  target: optional(
    matching(
      TARGET_PATTERN,
      (it, written) => t('{0} is no name of a build stage: {1}.', it, written),
      () => t('Write the name behind AS in the Dockerfile.'),
    ),
    'Stage of the Dockerfile to build. Left out: the last one.',
  ),
  args: withDefault(
    record(variable, buildArgument),
    'Values for the ARG lines. "${env:NAME}" takes a value from the environment of whoever deploys. Not for secrets: they stay visible in the image.',
    {},
  ),
  secrets: withDefault(
    record(
      {
        schema: { pattern: SECRET_ID_PATTERN },
        check: (id: string) =>
          new RegExp(SECRET_ID_PATTERN).test(id)
            ? id
            : new Complaint((it) => t('{0} is no id of a secret.', it), t('Use letters and digits.')),
      },
      buildSecret,
    ),
    'Secrets for RUN --mount=type=secret, by their ids. They do not stay in the image. Needs the docker command.',
    {},
  ),
  ssh: withDefault(
    choice(['agent', 'none']),
    'Whether RUN --mount=type=ssh gets your ssh agent. Needs the docker command.',
    'none',
  ),
});

const statusCode = either(
  () => t('a number such as 200, or a class such as "2xx"'),
  numeric(100, 599),
  matching(
    '^[1-5]xx$',
    (it, written) => t('{0} is no class of status codes: {1}.', it, written),
    () => t('Write "2xx", or a number such as 204 without quotes.'),
  ),
);

const headerName = {
  schema: { pattern: HEADER_NAME_PATTERN },
  check: (name: string) =>
    new RegExp(HEADER_NAME_PATTERN).test(name)
      ? name
      : new Complaint((it) => t('{0} is no name of a header.', it), t('Write a name such as "X-Forwarded-Proto".')),
};
const headerValue = matching(
  HEADER_VALUE_PATTERN,
  (it, written) => t('{0} is no value of a header: {1}.', it, written),
  () => t('Leave out line breaks and control characters.'),
);

const healthObject = mapped(
  object({
    path: withDefault(healthPath, 'Path that is asked for.', '/'),
    method: withDefault(choice(HEALTH_METHODS), 'Method of the request.', 'GET'),
    headers: withDefault(
      record(headerName, headerValue),
      'Request headers. Not for secrets: they stay visible on the host.',
      {},
    ),
    status: withDefault(
      either(
        () => t('a status code, or a list of them'),
        mapped(statusCode, (one) => [one]),
        list(statusCode, { minimum: 1 }),
      ),
      'Status codes that count as healthy: codes such as 204 and classes such as "2xx".',
      ['2xx', '3xx'],
    ),
    body: optional(
      text({ minLength: 1 }, (written) => (written === '' ? new Complaint((it) => t('{0} is empty.', it)) : written)),
      "Text that the answer's body has to hold. Left out: any body.",
    ),
    startPeriod: withDefault(duration(0, HOUR), 'Time after the start in which tries that fail are not counted.', '0s'),
    interval: withDefault(
      duration(100, HOUR),
      'Time between two tries. A port on which nothing listens yet is asked again sooner.',
      '1s',
    ),
    timeout: withDefault(duration(100, HOUR), 'Time one try may take.', '5s'),
    attempts: withDefault(numeric(1, 10_000), 'Tries before the new slot counts as never healthy.', 60),
    successes: withDefault(numeric(1, 100), 'Healthy answers in a row that are needed.', 2),
  }),
  (health) =>
    health.method === 'HEAD' && health.body !== undefined
      ? new Complaint(
          (it) => t('{0} asks for a body, which an answer to HEAD does not have.', it),
          t('Use another "method".'),
        )
      : health.successes > health.attempts
        ? new Complaint((it) =>
            t('{0} needs {1} successes, but allows only {2} attempts.', it, health.successes, health.attempts),
          )
        : health,
);

const health = either(
  () => t('a path, or an object'),
  mapped(healthPath, (written) => ({ ...defaultsOf(healthObject), path: written })),
  healthObject,
);

const maxBody = withDefault(
  either(
    () => t('a size such as "100m"'),
    text({ pattern: NGINX_SIZE_PATTERN }, checkNginxSize),
    mapped(numeric(0, Number.MAX_SAFE_INTEGER), String),
  ),
  'Largest request body that nginx passes on (client_max_body_size); "0" = no limit.',
  '100m',
);

const routeHosts = unique(
  list(routeHost),
  (host) => host,
  (it, repeated) => t('{0} repeats a host name: {1}.', it, repeated),
);
const routeObject = object({
  hosts: withDefault(
    either(
      () => t('a host name, or a list of them'),
      mapped(routeHost, (one) => [one]),
      routeHosts,
    ),
    'Host names that nginx answers for. Empty: every request that no other service claims.',
    [],
  ),
  path: withDefault(
    text({ pattern: ROUTE_PATH_PATTERN }, checkRoutePath),
    'Beginning of the paths that the service answers for. Other services may have other paths of the same host names.',
    '/',
  ),
  stripPath: withDefault(
    truth,
    'Whether the service is asked without that beginning: "/api/users" as "/users".',
    false,
  ),
  maxBody,
  protocol: withDefault(
    choice(ROUTE_PROTOCOLS),
    'What the service speaks: "http" (HTTP/1.1), or "grpc" (gRPC over HTTP/2, without TLS on its own port).',
    'http',
  ),
});

const route = either(
  () => t('a host name, a list of them, or an object'),
  mapped(routeHost, (one) => ({ ...defaultsOf(routeObject), hosts: [one] })),
  mapped(routeHosts, (hosts) => ({ ...defaultsOf(routeObject), hosts })),
  routeObject,
);

const run = object({
  env: withDefault(
    record(variable, environmentValue),
    'Environment variables of the container. { "fromEnv": "NAME" } and "${env:NAME}" take a value from the environment of whoever deploys, so that secrets stay out of this file.',
    {},
  ),
  envFile: withDefault(
    either(
      () => t('a path, or a list of them'),
      mapped(path, (one) => [one]),
      list(path),
    ),
    'Files with a variable a line, as docker run --env-file reads them, relative to this file. "env" wins over them, a later file over an earlier one.',
    [],
  ),
  volumes: withDefault(
    unique(
      list(text({ pattern: VOLUME_PATTERN }, checkVolume)),
      (volume) => volume.split(':')[1] ?? volume,
      (it, repeated) => t('{0} repeats the target of another volume: {1}.', it, repeated),
    ),
    'Volumes: "/folder/on/host:/folder" or "name:/folder", with ":ro" to read only.',
    [],
  ),
  command: optional(
    list(
      text({}, (written) =>
        written.includes('\0') ? new Complaint((it) => t('{0} holds a NUL character.', it)) : written,
      ),
      {
        minimum: 1,
        hint: () => t('Write one entry an argument: ["node", "server.js"], or ["sh", "-c", "…"] for a shell.'),
      },
    ),
    "Command in the place of the image's own.",
  ),
  user: optional(
    matching(
      USER_PATTERN,
      (it, written) => t('{0} is no user: {1}.', it, written),
      () => t('Write a name or a number: "app", "1000" or "1000:1000".'),
    ),
    'User in the place of the image\'s own: name or number, with ":group" where needed.',
  ),
  memory: optional(
    text({ pattern: SIZE_PATTERN }, (written) => {
      const bytes = parseSize(written);
      return typeof bytes === 'number' && bytes < LEAST_MEMORY
        ? new Complaint((it) => t('{0} is below the 6 MB that Docker asks for: {1}.', it, quoted(written)))
        : bytes;
    }),
    'Most memory the container may use, such as "512m". Left out: no limit.',
  ),
  cpus: optional(
    numeric(0.01, 1024, 'number'),
    'Most CPUs the container may use; fractions are fine. Left out: no limit.',
  ),
  extraHosts: withDefault(
    list(text({ pattern: '^[^:]+:.+$' }, checkExtraHost)),
    'Lines for /etc/hosts: "name:address". "name:host-gateway" stands for the host itself.',
    [],
  ),
});

const REPOSITORY_PATTERN =
  '^(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$';

const transfer = either(
  () => t('"ssh", "host" or { "registry": "NAME" }'),
  mapped(choice(['ssh', 'host']), (way): TransferConfig => ({ way })),
  mapped(
    object({
      registry: optional(
        matching(
          REPOSITORY_PATTERN,
          (it, written) => t('{0} is no name of a repository: {1}.', it, written),
          () => t('Write a name without a tag: "ghcr.io/ann/shop".'),
        ),
        'Repository that releases are pushed to from here and pulled from on the host, with the credentials of `docker login` here.',
      ),
    }),
    ({ registry }): TransferConfig | Complaint =>
      registry === undefined
        ? new Complaint((it) => t('{0} names no registry.', it), t('Write { "registry": "ghcr.io/ann/shop" }.'))
        : { way: 'registry', repository: registry },
  ),
);

/** One service. */
export const serviceFormat = object({
  build: withDefault(build, 'How the image is built.', {}),
  hosts: withDefault(
    unique(
      list(text({ pattern: DESTINATION_PATTERN }, checkDestination), { hint: () => t('Write ["prod"].') }),
      (host) => host,
      (it, repeated) => t('{0} repeats a host: {1}.', it, repeated),
    ),
    'Where the service runs: aliases of your ssh configuration, "user@host", "user@host:2222", "context:NAME" for a Docker context, or "local" for this machine.',
    [],
  ),
  port: optional(port, "Port the service listens on in its container. Left out: the image's single EXPOSEd port."),
  health: withDefault(health, 'How to tell that a new slot is ready. A path alone is enough.', {}),
  route: withDefault(
    route,
    'Requests the service answers: a host name, a list of them, or an object. Left out: every request that no other service claims.',
    {},
  ),
  run: withDefault(run, 'How the container runs.', {}),
  proxy: withDefault(
    object({
      image: withDefault(
        matching(
          IMAGE_PATTERN,
          (it, written) => t('{0} is no image: {1}.', it, written),
          () => t('Write a name and a tag, such as "nginx:1.30-alpine".'),
        ),
        'Image that the proxy is created from.',
        DEFAULT_PROXY_IMAGE,
      ),
      publish: withDefault(port, 'Port of the host that the proxy answers on.', 80),
    }),
    'The nginx in front. All services of a host share it.',
    {},
  ),
  verify: withDefault(
    object({
      allowedFailures: withDefault(
        numeric(0, 1_000_000),
        'Failed requests that are put up with before the switch is taken back.',
        0,
      ),
    }),
    'The check of the traffic while nginx is switched.',
    {},
  ),
  drain: withDefault(
    object({
      timeout: withDefault(
        duration(0, 24 * HOUR),
        'Longest wait for connections that are still open on the old slot.',
        '60s',
      ),
      atTimeout: withDefault(
        choice(DRAIN_CHOICES),
        'What becomes of connections that are open even then: cut with the old slot, left to it while it runs on, or waited for.',
        'cut',
      ),
    }),
    'The wait for requests that the old slot still serves.',
    {},
  ),
  retire: withDefault(
    object({
      old: withDefault(
        choice(['stop', 'keep', 'remove']),
        'What becomes of the old slot: stopped and kept for a rollback, left running, or removed.',
        'stop',
      ),
      keepImages: withDefault(
        numeric(1, 100),
        'Releases whose images stay on the host, the live and the previous one included.',
        3,
      ),
      grace: withDefault(
        duration(0, HOUR, 1000),
        'Time a container has between its stop signal and being killed, in whole seconds.',
        '30s',
      ),
    }),
    'What happens after the switch.',
    {},
  ),
  transfer: withDefault(
    transfer,
    'How the image gets to the host: "ssh" sends the missing layers, "host" builds on the host itself, { "registry": "NAME" } pushes from here and pulls there.',
    'ssh',
  ),
});

/** A service as it is written, defaults filled in, before paths and variables are looked up. */
export type WrittenService = typeof serviceFormat extends Shape<infer T> ? T : never;

export const fileFormat = object({
  $schema: optional(
    text({}, (written) => written),
    'Where the JSON schema of this file is, for editors.',
  ),
  services: withDefault(
    record({ schema: { pattern: SERVICE_NAME_PATTERN }, check: checkServiceName }, serviceFormat, { partial: true }),
    'The services by name. Containers, images and files on the host are named after them.',
    {},
  ),
});
