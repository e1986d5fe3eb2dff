/** Hosts as they are called inside a sentence. */
import { t } from './l10n';
import type { SlotName } from './model';

/** The name under which this machine's own engine is a host. */
export const LOCAL_HOST = 'local';

export function hostLabel(host: string): string {
  return host === LOCAL_HOST ? t('this machine') : host;
}

/** What serves on a host, in a sentence. */
export function liveSentence(service: string, live: SlotName | undefined, host: string): string {
  if (live === undefined) {
    return host === LOCAL_HOST
      ? t('No slot of {0} is live on this machine.', service)
      : t('No slot of {0} is live at {1}.', service, host);
  }
  return host === LOCAL_HOST ? t('{0} is live on this machine.', live) : t('{0} is live at {1}.', live, host);
}
