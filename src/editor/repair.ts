/** Repair and the restart drill, as commands on a host. */
import * as vscode from 'vscode';
import { personHere } from '../engine/person';
import { withProgress } from './actions';
import { loadEngine } from './engineLoader';
import { hostLabel } from '../hostNames';
import { t } from '../l10n';
import type { Parts } from './parts';
import type { KnownHost } from './treeRows';
import { untilAborted } from './untilAborted';

/**
 * Ends every unusual state that needs no person, of one service or of the whole host, after the person was told which
 * there are now and has agreed. Says what was done.
 */
export async function repair(app: Parts, host: string, service: string | undefined): Promise<void> {
  const name = service ?? hostLabel(host);
  const yes = t('Repair');
  const question = service === undefined ? t('Repair {0}?', name) : t('Repair {0} on {1}?', service, hostLabel(host));
  const now = await withProgress(t('Looking at {0}…', hostLabel(host)), (signal) =>
    untilAborted(app.hosts.observe(host, true), signal),
  );
  const detail = [
    ...repairable(now, service),
    t('What an interrupted run has left is ended or removed. A slot that serves is not touched.'),
  ].join('\n');
  if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, yes)) !== yes) {
    return;
  }
  try {
    const { repaired, failed, left } = await withProgress(t('Repairing {0}…', name), async (signal) => {
      const { repairHost } = await loadEngine();
      return app.hosts.use(host, signal, (open) =>
        repairHost(open, personHere(), (text) => app.log.info(`[${host}] ${text}`), signal, service),
      );
    });
    const open = [...failed, ...left.filter(({ remedy }) => remedy !== 'nobody').map(({ text }) => text)];
    if (open.length > 0) {
      void vscode.window.showWarningMessage([t('Not everything could be repaired.'), ...open].join(' '));
    } else {
      const done = repaired.length === 0 ? [t('There is nothing to repair on {0}.', name)] : repaired;
      void vscode.window.showInformationMessage(done.join(' '));
    }
  } finally {
    app.tree.lookAgain(host);
  }
}

/** What a repair would end, a sentence each. Of a host that does not answer nothing is known: the repair says why. */
function repairable(known: KnownHost, only: string | undefined): string[] {
  const state = known.kind === 'seen' ? known.state : undefined;
  const services = state?.services.filter(({ name }) => only === undefined || only === name) ?? [];
  const ofHost = only === undefined ? (state?.findings ?? []) : [];
  return [...ofHost, ...services.flatMap(({ findings }) => findings)]
    .filter(({ remedy }) => remedy === 'repair')
    .map(({ text }) => text);
}

/** Says whether everything comes back when the host restarts now. Nothing is touched. */
export async function drill(app: Parts, host: string): Promise<void> {
  const { comesBack, reasons, services } = await withProgress(t('Looking at {0}…', hostLabel(host)), async (signal) => {
    const { drillHost } = await loadEngine();
    return app.hosts.use(host, signal, (open) => drillHost(open, signal));
  });
  if (comesBack) {
    void vscode.window.showInformationMessage(t('If {0} restarts now, every service comes back.', hostLabel(host)));
    return;
  }
  const lines = [...reasons, ...services.flatMap((service) => service.reasons.map((it) => `${service.name}: ${it}`))];
  const details = t('Show Details');
  const text = t('If {0} restarts now, not every service comes back. {1}', hostLabel(host), lines[0] ?? '');
  if ((await vscode.window.showWarningMessage(text, details)) === details) {
    await app.documents.openText(t('Restart of {0}', hostLabel(host)), lines.join('\n'));
  }
}
