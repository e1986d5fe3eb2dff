import { EXIT_CODES } from '../../model';
import type { LogsCommand } from '../arguments';
import type { Session } from '../session';
import { withHost } from '../session';
import { outputLine } from '../style';
import { locateService } from '../targets';

/** `logs SERVICE`. Returns the exit code. Ends when nobody reads any more. */
export async function logsCommand(session: Session, command: LogsCommand): Promise<number> {
  const { service, tail, follow, slot, json } = command;
  const { host: name } = await locateService(session, command, service);
  const { output } = session;
  const signal = AbortSignal.any([session.signal, output.broken]);
  return withHost(session, command, name, async (host) => {
    const { serviceLogs } = await import('../../engine/logs');
    const options = { tail, follow, ...(slot === undefined ? {} : { slot }) };
    try {
      for await (const line of serviceLogs(host, service, options, signal)) {
        output.out(json ? JSON.stringify(line) : outputLine(line.text, output.colours));
      }
    } catch (error) {
      if (!signal.aborted) {
        throw error;
      }
    }
    return session.signal.aborted ? EXIT_CODES.cancelled : 0;
  });
}
