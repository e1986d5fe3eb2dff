import { personHere } from '../../engine/person';
import type { SwitchCommand } from '../arguments';
import { reportRun } from '../run';
import type { Session } from '../session';
import { withHost } from '../session';
import { locateService } from '../targets';

/** `rollback SERVICE` and `switch SERVICE`: go live with a slot that the host has. Returns the exit code. */
export async function switchCommand(session: Session, command: SwitchCommand): Promise<number> {
  const { service, slot } = command;
  const { config, host: name } = await locateService(session, command, service);
  return withHost(session, command, name, async (host) => {
    const { switchSlot } = await import('../../engine/rollback');
    const request = {
      service,
      host,
      person: personHere(),
      ...(config === undefined ? {} : { config }),
      ...(slot === undefined ? {} : { to: slot }),
    };
    return reportRun(session, command.json, (emit) => switchSlot(request, emit, session.signal));
  });
}
