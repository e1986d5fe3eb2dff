/** What a written service names outside of its file is looked up on this machine: paths, env files, variables. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { t } from '../l10n';
import type { BuildSecret, Environment, ServiceConfig } from '../model';
import { quoted } from './complaint';
import type { WrittenService } from './format';
import type { Template } from './variables';
import { fillTemplate, parseEnvFile } from './variables';

/** Longest env file that is read; a longer one is no env file. */
const ENV_FILE_LIMIT = 1024 * 1024;

/** Takes what is missing here, with the place in the service that names it, or a line of another file. */
export type MissingReport = (
  about: 'build' | 'environment',
  place: readonly (string | number)[] | { readonly file: string; readonly line: number },
  message: string,
  hint?: string,
) => void;

/** Makes paths absolute and fills in variables. What is missing is reported; the rest is returned all the same. */
export function toServiceConfig(
  name: string,
  written: WrittenService,
  folder: string,
  environment: Environment,
  report: MissingReport,
): ServiceConfig {
  const context = absolutePath(folder, written.build.context);
  const dockerfile =
    written.build.dockerfile === undefined
      ? path.join(context, 'Dockerfile')
      : absolutePath(folder, written.build.dockerfile);
  checkBuildPaths(context, dockerfile, report);

  const fill = (place: readonly string[], template: Template): string => {
    const filled = fillTemplate(template, environment);
    if (typeof filled === 'string') {
      return filled;
    }
    for (const variable of filled.missing) {
      report(
        'environment',
        place,
        t('The variable {0} is not set in your environment.', quoted(variable)),
        place[0] === 'run'
          ? t('Set it and start VS Code or the command anew from there, or take it from an "envFile" instead.')
          : setIt(),
      );
    }
    return '';
  };
  const { run } = written;
  const env = new Map<string, string>();
  for (const [index, file] of run.envFile.entries()) {
    for (const [key, value] of readEnvFile(
      absolutePath(folder, file),
      ['run', 'envFile', index],
      environment,
      report,
    )) {
      env.set(key, value);
    }
  }
  for (const [key, template] of run.env) {
    env.set(key, fill(['run', 'env', key], template));
  }
  const secrets = [...written.build.secrets].map(([id, from]) => {
    const secret = 'env' in from ? from : { file: absolutePath(folder, from.file) };
    checkSecret(id, secret, environment, report);
    return [id, secret] as const;
  });
  const args = [...written.build.args].map(([key, template]) => [key, fill(['build', 'args', key], template)] as const);

  return {
    name,
    build: {
      context,
      dockerfile,
      target: written.build.target,
      args: Object.fromEntries(args),
      secrets: Object.fromEntries(secrets),
      ssh: written.build.ssh === 'agent',
    },
    hosts: written.hosts,
    port: written.port,
    health: {
      path: written.health.path,
      method: written.health.method,
      headers: Object.fromEntries(written.health.headers),
      status: written.health.status,
      body: written.health.body,
      startPeriodMs: written.health.startPeriod,
      intervalMs: written.health.interval,
      timeoutMs: written.health.timeout,
      attempts: written.health.attempts,
      successes: written.health.successes,
    },
    route: written.route,
    run: {
      env: Object.fromEntries(env),
      volumes: run.volumes,
      command: run.command,
      user: run.user,
      memoryBytes: run.memory,
      cpus: run.cpus,
      extraHosts: run.extraHosts,
    },
    proxy: written.proxy,
    verify: written.verify,
    drain: { timeoutMs: written.drain.timeout, atTimeout: written.drain.atTimeout },
    retire: {
      old: written.retire.old,
      keepImages: written.retire.keepImages,
      graceSeconds: written.retire.grace / 1000,
    },
    transfer: written.transfer,
  };
}

/** A path of the file, with either kind of separator, as this machine writes it. */
export function absolutePath(folder: string, written: string): string {
  return path.resolve(folder, path.sep === '/' ? written.replaceAll('\\', '/') : written);
}

/** What stands at a path; undefined when nothing does, or it cannot be looked at. */
export function kindOfPath(file: string): 'file' | 'folder' | undefined {
  try {
    const stat = statSync(file);
    return stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : undefined;
  } catch {
    return undefined;
  }
}

function checkSecret(id: string, secret: BuildSecret, environment: Environment, report: MissingReport): void {
  const place = ['build', 'secrets', id];
  if ('file' in secret && kindOfPath(secret.file) !== 'file') {
    report(
      'build',
      place,
      t('There is no file {0}.', quoted(secret.file)),
      t('It holds a secret of the build: put it there.'),
    );
  } else if ('env' in secret && environment[secret.env] === undefined) {
    report('environment', place, t('The variable {0} is not set in your environment.', quoted(secret.env)), setIt());
  }
}

/** A program has the environment that it was started with: VS Code, too, knows nothing of what is set later. */
function setIt(): string {
  return t('Set it and start VS Code or the command anew from there.');
}

function checkBuildPaths(context: string, dockerfile: string, report: MissingReport): void {
  if (kindOfPath(context) !== 'folder') {
    report(
      'build',
      ['build', 'context'],
      t('There is no folder {0}.', quoted(context)),
      t('It is the context of the build.'),
    );
    return;
  }
  const kind = kindOfPath(dockerfile);
  if (kind !== 'file') {
    const what =
      kind === 'folder' ? t('{0} is a folder.', quoted(dockerfile)) : t('There is no file {0}.', quoted(dockerfile));
    report('build', ['build', 'dockerfile'], what, t('Name the Dockerfile in "build", as "dockerfile".'));
  }
}

/**
 * A file that a configuration names, which may be a stranger's: a device or a pipe, which might never end, counts as
 * unreadable, like whatever cannot be read (undefined).
 */
function readShortFile(file: string, limit: number): Buffer | 'too long' | undefined {
  let handle: number | undefined;
  try {
    // Opening a pipe would wait for its writer; Windows has neither such files nor the flag.
    handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!fstatSync(handle).isFile()) {
      return undefined;
    }
    const content = Buffer.alloc(limit + 1);
    const length = readSync(handle, content);
    return length > limit ? 'too long' : content.subarray(0, length);
  } catch {
    return undefined;
  } finally {
    if (handle !== undefined) {
      closeSync(handle);
    }
  }
}

function readEnvFile(
  file: string,
  place: readonly (string | number)[],
  environment: Environment,
  report: MissingReport,
): ReadonlyMap<string, string> {
  const text = readShortFile(file, ENV_FILE_LIMIT);
  if (text === 'too long') {
    report('environment', place, t('{0} is too long for an env file.', quoted(file)));
    return new Map();
  }
  if (text === undefined) {
    report(
      'environment',
      place,
      t('The env file {0} cannot be read.', quoted(file)),
      t('Create it, or take it out of "envFile".'),
    );
    return new Map();
  }
  const { values, wrong } = parseEnvFile(text.toString(), environment);
  for (const line of wrong) {
    report('environment', { file, line }, t('This line is no variable.'), t('Write NAME=value.'));
  }
  return values;
}
