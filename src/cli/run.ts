import type { DeploymentSnapshot } from '../engine/snapshot';
import { foldEvent } from '../engine/snapshot';
import type { DeployResult, Emit } from '../model';
import { EXIT_CODES } from '../model';
import { eventLine } from './json';
import { liveText, newRenderState, renderError, renderEvent, renderResult } from './render';
import type { Session } from './session';

/** Runs a deployment or a rollback and tells of it as it goes. Returns the exit code. */
export async function reportRun(
  { output }: Session,
  json: boolean,
  start: (emit: Emit) => Promise<DeployResult>,
): Promise<number> {
  let snapshot: DeploymentSnapshot | undefined;
  let state = newRenderState(output.isLive);
  const emit: Emit = (event) => {
    if (json) {
      output.out(eventLine(event));
      return;
    }
    snapshot = foldEvent(snapshot, event);
    const rendered = renderEvent(state, event, output.progressStyle);
    state = rendered.state;
    rendered.lines.forEach((line) => output.note(line));
  };
  if (!json) {
    output.startLive(() => liveText(snapshot, Date.now()));
  }
  const result = await start(emit).finally(() => output.stopLive());
  const { error } = result;
  if (!json) {
    renderResult(result, output.style).forEach((line) => output.out(line));
  }
  if (error === undefined) {
    return 0;
  }
  // Cancelling is no error; the sentence above says which slot is live.
  if (error.code !== 'cancelled') {
    renderError(error, output.progressStyle).forEach((line) => output.note(line));
  }
  return EXIT_CODES[error.code];
}
