/** The command line, read and checked. */
import { parseArgs } from 'node:util';
import { quoted } from '../config/complaint';
import { nearest } from '../config/nearest';
import type { SlotName } from '../model';
import { DeployError, SLOT_NAMES } from '../model';

export type CommandName = 'deploy' | 'plan' | 'status' | 'rollback' | 'switch' | 'repair' | 'logs' | 'remove';

/** What every command that reaches a host understands. */
interface CommonOptions {
  readonly host: string | undefined;
  readonly configFile: string | undefined;
  readonly json: boolean;
  readonly yes: boolean;
  readonly sshConfigFile: string | undefined;
  readonly knownHostsFile: string | undefined;
  readonly identityFiles: readonly string[];
}

export interface DeployCommand extends CommonOptions {
  readonly command: 'deploy' | 'plan';
  readonly service: string | undefined;
  readonly dockerfile: string | undefined;
  readonly context: string | undefined;
  readonly port: number | undefined;
  readonly health: string | undefined;
  readonly publish: number | undefined;
}

export interface StatusCommand extends CommonOptions {
  readonly command: 'status';
  /** Say what would come back after a restart of the host. */
  readonly drill: boolean;
}

export interface SwitchCommand extends CommonOptions {
  readonly command: 'rollback' | 'switch';
  readonly service: string;
  /** The slot that is to be live; undefined: the one that is not. */
  readonly slot: SlotName | undefined;
}

export interface RepairCommand extends CommonOptions {
  readonly command: 'repair';
  /** Undefined: everything on the host. */
  readonly service: string | undefined;
}

export interface LogsCommand extends CommonOptions {
  readonly command: 'logs';
  readonly service: string;
  readonly follow: boolean;
  readonly tail: number;
  readonly slot: SlotName | undefined;
}

export interface RemoveCommand extends CommonOptions {
  readonly command: 'remove';
  /** Undefined: the proxy. */
  readonly service: string | undefined;
}

export type HostCommand = DeployCommand | StatusCommand | SwitchCommand | RepairCommand | LogsCommand | RemoveCommand;
export type Command =
  HostCommand | { readonly command: 'help'; readonly topic: CommandName | undefined } | { readonly command: 'version' };

const OPTIONS = {
  host: { type: 'string' },
  config: { type: 'string' },
  dockerfile: { type: 'string' },
  context: { type: 'string' },
  port: { type: 'string' },
  health: { type: 'string' },
  publish: { type: 'string' },
  json: { type: 'boolean' },
  yes: { type: 'boolean' },
  'ssh-config': { type: 'string' },
  'known-hosts': { type: 'string' },
  identity: { type: 'string', multiple: true },
  follow: { type: 'boolean' },
  tail: { type: 'string' },
  slot: { type: 'string' },
  proxy: { type: 'boolean' },
  drill: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

type OptionName = keyof typeof OPTIONS;

const COMMON: readonly OptionName[] = [
  'host',
  'config',
  'json',
  'yes',
  'ssh-config',
  'known-hosts',
  'identity',
  'help',
];
const BUILD: readonly OptionName[] = ['dockerfile', 'context', 'port', 'health', 'publish'];

/** The options of each command. `--yes` is taken everywhere, so that a script may always give it. */
export const COMMAND_OPTIONS: Readonly<Record<CommandName, readonly OptionName[]>> = {
  deploy: [...COMMON, ...BUILD],
  plan: [...COMMON, ...BUILD],
  status: [...COMMON, 'drill'],
  rollback: COMMON,
  switch: [...COMMON, 'slot'],
  repair: COMMON,
  logs: [...COMMON, 'follow', 'tail', 'slot'],
  remove: [...COMMON, 'proxy'],
};

const COMMAND_NAMES = Object.keys(COMMAND_OPTIONS);
const DEFAULT_TAIL = 100;

/** Reads the arguments behind the program's name. Throws `usage`. */
export function parseArguments(argv: readonly string[]): Command {
  const { values, positionals, tokens } = parseArgs({
    args: [...argv],
    options: OPTIONS,
    allowPositionals: true,
    strict: false, // Checked below instead, with sentences that say what would be right.
    tokens: true,
  });
  if (values.version === true) {
    return { command: 'version' };
  }
  const [name, ...rest] = positionals;
  if (name === undefined || name === 'help' || values.help === true) {
    const topic = name === 'help' ? rest[0] : name;
    return { command: 'help', topic: topic === undefined ? undefined : commandName(topic) };
  }
  const command = commandName(name);
  checkOptions(command, tokens);

  const one = (option: OptionName): string | undefined => {
    const value = values[option];
    return typeof value === 'string' ? value : undefined;
  };
  const given = (option: OptionName): boolean => values[option] === true;
  const common: CommonOptions = {
    host: one('host'),
    configFile: one('config'),
    json: given('json'),
    yes: given('yes'),
    sshConfigFile: one('ssh-config'),
    knownHostsFile: one('known-hosts'),
    identityFiles: (values.identity ?? []).filter((file) => typeof file === 'string'),
  };
  const most = command === 'status' ? 0 : 1;
  if (rest.length > most) {
    throw usageError(command, `${quoted(rest[most] ?? '')} is one argument too many.`);
  }
  switch (command) {
    case 'deploy':
    case 'plan':
      return {
        ...common,
        command,
        service: rest[0],
        dockerfile: one('dockerfile'),
        context: one('context'),
        port: wholeNumber(command, 'port', one('port'), 1, 65_535),
        health: one('health'),
        publish: wholeNumber(command, 'publish', one('publish'), 1, 65_535),
      };
    case 'status':
      return { ...common, command, drill: given('drill') };
    case 'rollback':
    case 'switch':
      return { ...common, command, service: required(command, rest[0]), slot: slotName(command, one('slot')) };
    case 'repair':
      return { ...common, command, service: rest[0] };
    case 'logs':
      return {
        ...common,
        command,
        service: required(command, rest[0]),
        follow: given('follow'),
        tail: wholeNumber(command, 'tail', one('tail'), 0, 1_000_000) ?? DEFAULT_TAIL,
        slot: slotName(command, one('slot')),
      };
    case 'remove':
      if (given('proxy') && rest[0] !== undefined) {
        throw usageError(command, 'Remove either a service or the proxy, one at a time.');
      }
      return {
        ...common,
        command,
        service: given('proxy') ? undefined : required(command, rest[0]),
      };
  }
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];

function checkOptions(command: CommandName, tokens: readonly Token[]): void {
  const known = COMMAND_OPTIONS[command];
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') {
      continue;
    }
    const { name, rawName, value, inlineValue } = token;
    if (!isOption(name)) {
      const guess = nearest(name, known);
      throw usageError(
        command,
        `${rawName} is no option.`,
        guess === undefined ? undefined : `Did you mean --${guess}?`,
      );
    }
    if (!known.includes(name)) {
      throw usageError(command, `${rawName} is no option of ${command}.`);
    }
    if (OPTIONS[name].type === 'boolean') {
      if (value !== undefined) {
        throw usageError(command, `${rawName} takes no value.`);
      }
    } else if (value === undefined || value === '' || (value.startsWith('-') && !inlineValue)) {
      throw usageError(command, `${rawName} needs a value.`);
    }
    if (seen.has(name) && !('multiple' in OPTIONS[name])) {
      throw usageError(command, `${rawName} is given twice.`);
    }
    seen.add(name);
  }
}

function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

function commandName(text: string): CommandName {
  if (isCommand(text)) {
    return text;
  }
  const guess = nearest(text, COMMAND_NAMES);
  throw new DeployError('usage', `${quoted(text)} is no command.`, {
    hint: guess === undefined ? `Commands: ${COMMAND_NAMES.join(', ')}, help.` : `Did you mean ${quoted(guess)}?`,
  });
}

function isCommand(text: string): text is CommandName {
  return Object.hasOwn(COMMAND_OPTIONS, text);
}

function required(command: CommandName, service: string | undefined): string {
  if (service === undefined) {
    const hint =
      command === 'remove' ? 'Write "blue-green remove SERVICE", or "blue-green remove --proxy".' : undefined;
    throw usageError(command, 'The name of a service is missing.', hint);
  }
  return service;
}

function wholeNumber(
  command: CommandName,
  option: OptionName,
  text: string | undefined,
  least: number,
  most: number,
): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) {
    return value;
  }
  throw usageError(command, `--${option} takes a whole number from ${least} to ${most}, not ${quoted(text)}.`);
}

function slotName(command: CommandName, text: string | undefined): SlotName | undefined {
  const slot = SLOT_NAMES.find((name) => name === text?.toUpperCase());
  if (slot === undefined && text !== undefined) {
    throw usageError(command, `--slot takes BLUE or GREEN, not ${quoted(text)}.`);
  }
  return slot;
}

function usageError(command: CommandName, message: string, hint?: string): DeployError {
  return new DeployError('usage', message, { hint: hint ?? `See "blue-green ${command} --help".` });
}
