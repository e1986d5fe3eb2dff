/** Which service and which host a command means. */
import { Complaint, quoted } from '../config/complaint';
import type { LoadedConfig } from '../config/load';
import { findService, loadConfig } from '../config/load';
import { checkDestination } from '../config/names';
import type { ServiceConfig } from '../model';
import { DeployError, toDeployError } from '../model';
import type { HostCommand } from './arguments';
import type { Session } from './session';
import { noteWarnings } from './warnings';

/** The one service that is meant. Throws `usage` with the choices. */
export function onlyService(loaded: LoadedConfig): ServiceConfig {
  const [service, ...others] = loaded.services;
  if (service === undefined) {
    throw new DeployError('usage', 'There is no service here.');
  }
  if (others.length > 0) {
    throw new DeployError('usage', 'There are several services, and none is named.', {
      hint: `Name one: ${loaded.services.map(({ name }) => name).join(', ')}.`,
    });
  }
  return service;
}

/**
 * The host that is meant: the one that was given, else the only one that the services name. Throws `usage` with the
 * choices; the aliases of the ssh configuration are looked up for those who have configured none.
 */
export async function onlyHost(
  given: string | undefined,
  services: readonly ServiceConfig[],
  sshConfigFile: string | undefined,
): Promise<string> {
  if (given !== undefined) {
    const checked = checkDestination(given);
    if (checked instanceof Complaint) {
      throw new DeployError('usage', checked.says('--host'), checked.hint === undefined ? {} : { hint: checked.hint });
    }
    return checked;
  }
  const hosts = [...new Set(services.flatMap((service) => service.hosts))];
  const [host, ...others] = hosts;
  if (host !== undefined && others.length === 0) {
    return host;
  }
  if (host !== undefined) {
    throw new DeployError('usage', 'There are several hosts, and none is named.', {
      hint: `Name one with --host: ${hosts.join(', ')}.`,
    });
  }
  const { listAliases } = await import('../ssh/config');
  const aliases = await listAliases(sshConfigFile).catch((): string[] => []);
  throw new DeployError('usage', 'No host is named.', {
    hint: `Name one with --host: ${[...aliases.map(quotedIfNeeded), 'user@host', 'local'].join(', ')}.`,
  });
}

function quotedIfNeeded(alias: string): string {
  return /^[\w.-]+$/.test(alias) ? alias : quoted(alias);
}

/**
 * The configured services, for a command that only looks at a host or changes what is there. When the host is given,
 * a configuration that cannot be read is said but stands in nobody's way: going back must work on a bad day.
 */
export async function configuredServices(
  session: Session,
  command: HostCommand,
): Promise<Pick<LoadedConfig, 'file' | 'services'>> {
  const { configFile, host } = command;
  try {
    const loaded = await loadConfig(session.folder, {
      ...(configFile === undefined ? {} : { configFile }),
      overrides: {},
      purpose: 'look',
      environment: session.environment,
    });
    noteWarnings(session.output, loaded.warnings);
    return loaded;
  } catch (error) {
    if (host === undefined || configFile !== undefined) {
      throw error;
    }
    session.output.note(`The configuration is not used: ${toDeployError(error).message}`);
    return { file: undefined, services: [] };
  }
}

/** The configuration and the host of a service that is to be on a host already; it need not be configured any more. */
export async function locateService(
  session: Session,
  command: HostCommand,
  name: string,
): Promise<{ readonly config: ServiceConfig | undefined; readonly host: string }> {
  session.subject.service = name;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    throw new DeployError('usage', `${quoted(name)} is no name of a service.`);
  }
  const loaded = await configuredServices(session, command);
  const isKnown = loaded.services.some((service) => service.name === name);
  if (!isKnown && loaded.file !== undefined && command.host === undefined) {
    findService(loaded, name);
  }
  const services = loaded.services.filter((service) => service.name === name);
  return { config: services[0], host: await onlyHost(command.host, services, command.sshConfigFile) };
}

/** The host that a command means which is about a service, or about a whole host. */
export async function hostOf(
  session: Session,
  command: HostCommand & { readonly service?: string | undefined },
): Promise<string> {
  if (command.service !== undefined) {
    return (await locateService(session, command, command.service)).host;
  }
  const services = command.host === undefined ? (await configuredServices(session, command)).services : [];
  return onlyHost(command.host, services, command.sshConfigFile);
}
