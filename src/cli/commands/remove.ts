import { DeployError, PROXY_CONTAINER } from '../../model';
import type { RemoveCommand } from '../arguments';
import type { Session } from '../session';
import { personName, withHost } from '../session';
import { configuredServices, locateService, onlyHost } from '../targets';

/** `remove SERVICE` and `remove --proxy`. Returns the exit code. */
export async function removeCommand(session: Session, command: RemoveCommand): Promise<number> {
  const { service, json } = command;
  const { output, signal } = session;
  const name = await hostName(session, command);
  const message =
    service === undefined
      ? `This removes the container ${PROXY_CONTAINER} from ${name}.`
      : `This removes ${service} from ${name}: its containers, its images and its nginx configuration.`;
  if (!(await session.questions.confirm(message, 'Remove', signal))) {
    throw new DeployError('usage', 'Nothing was removed, because it was not confirmed.', {
      hint: 'Answer yes, or give --yes.',
    });
  }
  const removed = await withHost(session, command, name, async (host) => {
    const { removeProxy, removeService } = await import('../../engine/remove');
    return service === undefined ? removeProxy(host, signal) : removeService(host, service, personName(), signal);
  });
  if (json) {
    output.out(JSON.stringify({ type: 'result', ok: true, service: service ?? null, host: name, removed }));
  } else {
    removed.forEach((sentence) => output.out(sentence));
  }
  return 0;
}

async function hostName(session: Session, command: RemoveCommand): Promise<string> {
  if (command.service !== undefined) {
    return (await locateService(session, command, command.service)).host;
  }
  const services = command.host === undefined ? (await configuredServices(session, command)).services : [];
  return onlyHost(command.host, services, command.sshConfigFile);
}
