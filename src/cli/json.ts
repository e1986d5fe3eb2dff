/** What `--json` prints: one object a line, the last one always a result. */
import { type DeployError, type DeployEvent, type DeployResult, NO_TRAFFIC } from '../model';

/** One line for an event. A result is flattened, so that a script reads `.ok` and `.live` at once. */
export function eventLine(event: DeployEvent): string {
  if (event.type !== 'result') {
    return JSON.stringify(event);
  }
  const { at, deployment, result } = event;
  return JSON.stringify({ ...resultFields(result), at, deployment });
}

/** The last line when a command ended before or without a deployment. */
export function failureLine(error: DeployError, known: { service?: string; host?: string } = {}): string {
  const { code, message, hint, detail, position } = error;
  return JSON.stringify(
    resultFields({
      ok: false,
      service: known.service,
      host: known.host,
      live: undefined,
      release: undefined,
      summary: message,
      bytesSent: 0,
      durations: {},
      requests: NO_TRAFFIC,
      error: { code, stage: undefined, message, hint, detail, position },
    }),
  );
}

type ResultFields = Omit<DeployResult, 'service' | 'host'> & {
  readonly service: string | undefined;
  readonly host: string | undefined;
};

function resultFields(result: ResultFields): object {
  const { ok, service, host, live, release, bytesSent, durations, requests, summary, error } = result;
  return {
    type: 'result',
    ok,
    service: service ?? null,
    host: host ?? null,
    live: live ?? null,
    release: release ?? null,
    bytesSent,
    durations,
    requests,
    summary,
    ...(error === undefined ? {} : { error }),
  };
}
