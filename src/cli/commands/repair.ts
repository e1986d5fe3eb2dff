import { personHere } from '../../engine/person';
import type { RepairCommand } from '../arguments';
import type { Session } from '../session';
import { withHost } from '../session';
import { plainLine } from '../style';
import { hostOf } from '../targets';

/** `repair [SERVICE]`. Returns the exit code: 0 when nothing is left that `repair` could end. */
export async function repairCommand(session: Session, command: RepairCommand): Promise<number> {
  const { service, json } = command;
  const { output, signal } = session;
  const name = await hostOf(session, command);
  return withHost(session, command, name, async (host) => {
    const { repairHost } = await import('../../engine/repair');
    const say = (text: string): void => (json ? undefined : output.note(plainLine(text)));
    const report = await repairHost(host, personHere(), say, signal, service);
    const { repaired, failed, left } = report;
    const isDone = failed.length === 0 && left.every(({ remedy }) => remedy !== 'repair');
    if (json) {
      output.out(JSON.stringify({ type: 'result', ok: isDone, service: service ?? null, host: name, ...report }));
      return isDone ? 0 : 1;
    }
    const about = (one: (typeof left)[number]): string => (one.service === undefined ? '' : `${one.service}: `);
    left.forEach((one) => output.out(output.style.yellow(plainLine(`Left: ${about(one)}${one.text}`))));
    output.out(isDone ? (repaired.length === 0 ? 'Nothing to repair.' : 'Repaired.') : 'Not everything is repaired.');
    return isDone ? 0 : 1;
  });
}
