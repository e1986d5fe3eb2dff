import { t } from '../l10n';
import { DeployError } from '../model';
import { shellQuote } from '../ssh/quote';
import type { HostTransport } from '../ssh/transport';

/** What a look around on a host whose Docker does not answer has found. */
export interface RemoteFindings {
  /** Empty when the look was not possible: the account may run no commands, or has another kind of shell. */
  readonly user: string;
  /** Groups this login has. */
  readonly groups: readonly string[];
  /** The user is in the group docker by the host's files, whether or not this login has it already. */
  readonly memberOfDocker: boolean;
  /** The docker command is there, or dockerd is. */
  readonly installed: boolean;
  readonly dockerdRuns: boolean;
  readonly sockets: readonly string[];
  /** Sockets that this login may write to. */
  readonly usableSockets: readonly string[];
  /** The docker command reaches its engine from there. */
  readonly cliWorks: boolean;
  /** What the docker command says when it does not. */
  readonly cliError: string;
}

/** Where the docker command may be, also for a login that is no shell's. */
const SEARCH_PATH = 'PATH="$PATH:/usr/bin:/usr/local/bin:/usr/sbin:/sbin:/snap/bin"';

/** The engine's API as a command's input and output, by the docker command that a look around would find. */
export const DIAL_STDIO = `sh -c ${shellQuote(`${SEARCH_PATH}; exec docker system dial-stdio`)}`;

/**
 * One `key value` a line. Socket places: Docker's own, rootless Docker's, and the one that DOCKER_HOST of the login
 * shell names. Needs nothing but POSIX sh and id; an engine that does not answer is waited for as long as `timeout` says,
 * where there is one.
 */
const LOOK = `
say() { printf '%s %s\\n' "$1" "$2"; }
say user "$(id -un)"
say groups "$(id -Gn)"
${SEARCH_PATH}
say members "$( (getent group docker || grep '^docker:' /etc/group) 2>/dev/null | cut -d: -f4)"
if command -v docker >/dev/null 2>&1 || command -v dockerd >/dev/null 2>&1; then say installed yes; fi
for pid in /proc/[0-9]*; do
  if [ "$(cat "$pid/comm" 2>/dev/null)" = dockerd ]; then say dockerd runs; break; fi
done
named="$DOCKER_HOST"
if [ -z "$named" ] && [ -n "$SHELL" ]; then
  named="$("$SHELL" -lc 'printf "\\n@%s\\n" "$DOCKER_HOST"' </dev/null 2>/dev/null | sed -n 's/^@//p' | tail -n 1)"
fi
case "$named" in unix://*) named="\${named#unix://}" ;; *) named="" ;; esac
runtime="\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
for socket in "$named" /var/run/docker.sock "$runtime/docker.sock"; do
  if [ -n "$socket" ] && [ -S "$socket" ]; then
    say socket "$socket"
    if [ -w "$socket" ]; then say usable "$socket"; fi
  fi
done
if command -v docker >/dev/null 2>&1; then
  limit=""
  if timeout 1 true 2>/dev/null; then limit="timeout 5"; fi
  if error="$($limit docker version --format '{{.Server.Version}}' 2>&1 >/dev/null)"; then say cli works; else
    say cli-error "$(printf '%s' "\${error:-docker version does not end}" | tr '\\n' ' ')"; fi
fi
`;
const LOOK_LIMIT_MS = 20_000;

/**
 * Looks around on a host whose Docker does not answer.
 * @throws DeployError 'host-unreachable' when the host runs no command for us, or does not end it in time; 'cancelled'.
 */
export async function lookForCause(transport: HostTransport, signal: AbortSignal): Promise<RemoteFindings> {
  const { stdout } = await transport.exec(`sh -c ${shellQuote(LOOK)}`, { timeoutMs: LOOK_LIMIT_MS, signal });
  return parseFindings(stdout);
}

/** Reads what the look around has written; lines of others, such as a greeting of the login shell, are passed over. */
export function parseFindings(output: string): RemoteFindings {
  const values = new Map<string, string[]>();
  for (const line of output.split('\n')) {
    const [, key, value] = /^([a-z-]+) (.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) {
      values.set(key, [...(values.get(key) ?? []), value.trim()]);
    }
  }
  const all = (key: string): string[] => [...new Set(values.get(key) ?? [])];
  const one = (key: string): string => values.get(key)?.[0] ?? '';
  const user = one('user');
  return {
    user,
    groups: one('groups').split(' '),
    memberOfDocker: one('members').split(',').includes(user),
    installed: values.has('installed'),
    dockerdRuns: values.has('dockerd'),
    sockets: all('socket'),
    usableSockets: all('usable'),
    cliWorks: values.has('cli'),
    cliError: one('cli-error'),
  };
}

/** The true cause in one sentence, with what to do about it. */
export function unreachableError(name: string, found: RemoteFindings, cause: Error): DeployError {
  const detail = found.cliError === '' ? cause.message : found.cliError;
  const fail = (message: string, hint: string): DeployError =>
    new DeployError('docker-unreachable', message, { hint, detail, cause });
  const usable = found.usableSockets.length > 0;
  if (found.user === '') {
    return fail(
      t('Docker on {0} cannot be reached, and a look at why is not possible there.', name),
      t('Log in there with ssh and look whether `docker version` works.'),
    );
  }
  if (!found.installed && found.sockets.length === 0) {
    return fail(
      t('Docker is not installed on {0}.', name),
      t('Install it there (https://docs.docker.com/engine/install/), then try again.'),
    );
  }
  if (found.sockets.length > 0 && !usable) {
    if (found.memberOfDocker) {
      return fail(
        t('User {0} is in the group docker on {1}, but this login does not have it yet.', found.user, name),
        t('End every session of {0} there, shared SSH connections included, then try again.', found.user),
      );
    }
    return fail(
      t('User {0} may not use Docker on {1}.', found.user, name),
      t('Run `sudo usermod -aG docker {0}` there and log in again.', found.user),
    );
  }
  if (!usable || (!found.dockerdRuns && !found.cliWorks)) {
    return fail(
      t('Docker is not running on {0}.', name),
      t('Start it there with `sudo systemctl enable --now docker`, then try again.'),
    );
  }
  if (!found.cliWorks && found.cliError !== '') {
    return fail(
      t('Docker runs on {0}, but does not answer even there.', name),
      t('Look at it there with `docker version` and `sudo systemctl status docker`.'),
    );
  }
  const allow = t('Set `AllowStreamLocalForwarding yes` in /etc/ssh/sshd_config there and reload sshd.');
  return found.cliWorks
    ? fail(t("sshd on {0} lets neither Docker's socket nor a command through.", name), allow)
    : fail(t('sshd on {0} does not let us through to Docker.', name), allow);
}
