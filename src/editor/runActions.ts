/** What a person can have done with a run, by a button of its panel or of the message at its end. */
import { hostLabel } from '../hostNames';
import type { PanelAction } from '../protocol';
import { deployAsPlanned, openSite, repeatRun, rollbackRun, showError, showServiceLogs } from './actions';
import type { Parts } from './parts';
import { plainText } from './plainText';
import { openPosition } from './problems';
import type { EndAction } from './runText';
import type { RunRecord } from './runs';

/** Does it, or says why that could not be done. */
export function performRunAction(app: Parts, run: RunRecord, action: PanelAction | EndAction): void {
  perform(app, run, action).catch((error: unknown) => showError(app, error));
}

async function perform(app: Parts, run: RunRecord, action: PanelAction | EndAction): Promise<void> {
  switch (action) {
    case 'approve':
      run.answer?.(true);
      break;
    case 'decline':
      run.answer?.(false);
      break;
    case 'cancel':
      app.runs.cancel(run.id);
      break;
    case 'keepWaiting':
      run.patience.keepWaiting();
      break;
    case 'deploy':
      await deployAsPlanned(app, run);
      break;
    case 'repeat':
      await repeatRun(app, run);
      break;
    case 'rollback':
      await rollbackRun(app, run);
      break;
    case 'openSite':
      await openSite(app, run.host, run.service);
      break;
    case 'containerLogs':
      showServiceLogs(app, run.host, run.service);
      break;
    case 'lastLines':
      await showLastLines(app, run);
      break;
    case 'showLog':
      app.log.show(true);
      break;
    case 'showPanel':
      app.panels.show(run, false);
      break;
    case 'showProbes':
      app.panels.show(run, false, 'probes');
      break;
    case 'openSource': {
      const position = run.snapshot?.result?.error?.position;
      if (position !== undefined) {
        await openPosition(position);
      }
    }
  }
}

/** What the container of a failed slot wrote last: it is gone by now, so its own log is too. */
async function showLastLines(app: Parts, run: RunRecord): Promise<void> {
  const detail = run.snapshot?.result?.error?.detail;
  if (detail !== undefined) {
    await app.documents.openText(`${run.service} @ ${hostLabel(run.host)}.log`, plainText(detail));
  }
}
