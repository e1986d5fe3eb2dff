/** The stages in the person's words. */
import { t } from '../l10n';
import type { Stage, StageStatus } from '../model';
import { stageName } from '../stageNames';

export function stageLabel(stage: Stage): string {
  const name = stageName(stage);
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** What is being done while a stage runs. */
export function stageActivity(stage: Stage): string {
  switch (stage) {
    case 'plan':
      return t('Looking at the host');
    case 'build':
      return t('Building the image');
    case 'transfer':
      return t('Sending what the host lacks');
    case 'proxy':
      return t('Making sure the proxy runs');
    case 'start':
      return t('Starting the idle slot');
    case 'probe':
      return t('Waiting until the new slot is healthy');
    case 'switch':
      return t('Switching nginx to the new slot');
    case 'verify':
      return t('Checking requests through nginx');
    case 'drain':
      return t('Letting open connections finish');
    case 'retire':
      return t('Retiring the old slot');
  }
}

export function statusText(status: StageStatus | 'waiting'): string {
  switch (status) {
    case 'waiting':
      return t('not started');
    case 'running':
      return t('running');
    case 'done':
      return t('done');
    case 'skipped':
      return t('skipped');
    case 'failed':
      return t('failed');
    case 'cancelled':
      return t('cancelled');
  }
}
