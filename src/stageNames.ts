/** The stages as they are called inside a sentence. */
import { t } from './l10n';

/** The word for a stage's name as another machine wrote it down; a name that is not known stays as it is. */
export function stageName(stage: string): string {
  switch (stage) {
    case 'plan':
      return t('plan');
    case 'build':
      return t('build');
    case 'transfer':
      return t('transfer');
    case 'proxy':
      return t('proxy');
    case 'start':
      return t('start');
    case 'probe':
      return t('probe');
    case 'switch':
      return t('switch');
    case 'verify':
      return t('verify');
    case 'drain':
      return t('drain');
    case 'retire':
      return t('retire');
    default:
      return stage;
  }
}
