import type { CommandName } from './arguments';

const USAGE: Readonly<Record<CommandName, { readonly line: string; readonly does: string }>> = {
  deploy: { line: 'deploy [SERVICE]', does: 'Build, send, start, probe and switch.' },
  plan: { line: 'plan [SERVICE]', does: 'Show what deploy would change. Touches nothing.' },
  status: { line: 'status', does: 'Show the services and slots of a host.' },
  rollback: { line: 'rollback SERVICE', does: 'Switch back to the slot that was kept.' },
  switch: { line: 'switch SERVICE', does: 'Make the idle slot live, or the one that --slot names.' },
  repair: { line: 'repair [SERVICE]', does: 'Clean up what an interrupted run or a person left.' },
  logs: { line: 'logs SERVICE', does: 'Show what a service prints.' },
  remove: { line: 'remove SERVICE | --proxy', does: 'Remove a service, or the proxy when no service is left.' },
};

const COMMON_OPTIONS = `Options
  --host NAME         Alias of your ssh configuration, user@host[:port], or local.
  --config FILE       Configuration in the place of ./bluegreen.json.
  --json              Print JSON on stdout. The last line is the result.
  --yes               Answer yes to confirmations. Never accepts an unknown host key.
  --ssh-config FILE   ssh configuration in the place of ~/.ssh/config.
  --known-hosts FILE  Known hosts in the place of those that ssh uses.
  --identity FILE     Private key to log in with. May be repeated.
  --help              Show this.`;

const BUILD_OPTIONS = `Options of deploy and plan
  --dockerfile FILE   Dockerfile to build.
  --context FOLDER    Folder that is sent to the build.
  --port PORT         Port the service listens on in its container.
  --health PATH       Path of the health check.
  --publish PORT      Port of the host that the proxy answers on.`;

const STATUS_OPTIONS = `Options of status
  --drill             Say whether everything comes back when the host restarts.`;

const SWITCH_OPTIONS = `Options of switch
  --slot BLUE|GREEN   The slot that is to be live. Default: the idle one.`;

const LOGS_OPTIONS = `Options of logs
  --follow            Go on until Ctrl-C.
  --tail N            Lines to begin with. Default 100.
  --slot BLUE|GREEN   The slot to show. Default: the live one.`;

const OWN_OPTIONS: Readonly<Partial<Record<CommandName, string>>> = {
  deploy: BUILD_OPTIONS,
  plan: BUILD_OPTIONS,
  status: STATUS_OPTIONS,
  switch: SWITCH_OPTIONS,
  logs: LOGS_OPTIONS,
};

const EXIT_CODES = `Exit codes
  0 done · 1 wrong use or configuration · 2 proxy · 3 container did not start · 4 nginx refused
  5 never healthy, or requests failed · 6 build · 7 transfer · 8 host or Docker out of reach
  9 locked by another deployment · 130 cancelled`;

/** The help for one command, or for all. */
export function helpText(topic: CommandName | undefined): string {
  if (topic !== undefined) {
    const { line, does } = USAGE[topic];
    const own = OWN_OPTIONS[topic];
    return [`blue-green ${line}`, does, COMMON_OPTIONS, own].filter((part) => part !== undefined).join('\n\n');
  }
  const width = Math.max(...Object.values(USAGE).map(({ line }) => line.length));
  const commands = Object.values(USAGE).map(({ line, does }) => `  ${line.padEnd(width)}  ${does}`);
  return [
    'blue-green: deploy a Dockerfile to a Linux machine over SSH without losing a request.',
    `Commands\n${commands.join('\n')}`,
    COMMON_OPTIONS,
    ...new Set(Object.values(OWN_OPTIONS)),
    EXIT_CODES,
  ].join('\n\n');
}
