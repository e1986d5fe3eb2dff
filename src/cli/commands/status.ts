import type { DrillReport } from '../../engine/drill';
import type { StatusCommand } from '../arguments';
import type { Session } from '../session';
import { withHost } from '../session';
import { drillLines, statusLines } from '../statusTable';
import { hostOf } from '../targets';

/** `status`. Returns the exit code: with `--drill`, 1 when something would not come back. */
export async function statusCommand(session: Session, command: StatusCommand): Promise<number> {
  const name = await hostOf(session, command);
  return withHost(session, command, name, async (host) => {
    const { observeHost } = await import('../../engine/hostState');
    const state = await observeHost(host, session.signal);
    let drill: DrillReport | undefined;
    if (command.drill) {
      const { drillHost } = await import('../../engine/drill');
      drill = await drillHost(host, session.signal);
    }
    const { output } = session;
    const lines = command.json
      ? [JSON.stringify({ ...state, ...(drill !== undefined && { drill }) })]
      : [
          ...statusLines(state, Date.now(), output.style),
          ...(drill === undefined ? [] : drillLines(drill, output.style)),
        ];
    lines.forEach((line) => output.out(line));
    return drill?.comesBack === false ? 1 : 0;
  });
}
