import { personHere } from '../../engine/person';
import { DeployError, PROXY_CONTAINER, throwIfCancelled } from '../../model';
import type { RemoveCommand } from '../arguments';
import type { Session } from '../session';
import { withHost } from '../session';
import { hostOf } from '../targets';

/** `remove SERVICE` and `remove --proxy`. Returns the exit code. */
export async function removeCommand(session: Session, command: RemoveCommand): Promise<number> {
  const { service, json } = command;
  const { output, signal } = session;
  const name = await hostOf(session, command);
  const message =
    service === undefined
      ? `This removes the container ${PROXY_CONTAINER} from ${name}.`
      : `This removes ${service} from ${name}: its containers, its images and its nginx configuration.`;
  const isConfirmed = await session.questions.confirm(message, 'Remove', signal);
  throwIfCancelled(signal);
  if (!isConfirmed) {
    throw new DeployError('usage', 'Nothing was removed, because it was not confirmed.', {
      hint: 'Answer yes, or give --yes.',
    });
  }
  const removed = await withHost(session, command, name, async (host) => {
    const { removeProxy, removeService } = await import('../../engine/remove');
    return service === undefined ? removeProxy(host, signal) : removeService(host, service, personHere(), signal);
  });
  if (json) {
    output.out(JSON.stringify({ type: 'result', ok: true, service: service ?? null, host: name, removed }));
  } else {
    removed.forEach((sentence) => output.out(sentence));
  }
  return 0;
}
