import * as vscode from 'vscode';
import { loadEngine } from './engineLoader';
import type { HostList } from './hostList';
import { hostChoices, type HostChoice } from './hostChoices';
import { LOCAL_HOST } from '../hostNames';
import { t } from '../l10n';
import { namedHosts } from './namedHosts';

/** Where hosts of a service are offered from, most likely first. */
export interface HostHints {
  /** The host this service was last deployed to from this workspace. */
  readonly last: string | undefined;
  /** Those that bluegreen.json names. */
  readonly configured: readonly string[];
}

interface Item extends vscode.QuickPickItem {
  readonly host?: string;
  readonly enter?: true;
}

/** Asks for a host: a known one, or one that is typed. Undefined when dismissed. */
export async function pickHost(title: string, hosts: HostList, hints: HostHints): Promise<string | undefined> {
  const choices = hostChoices({ ...hints, known: hosts.all(), aliases: await namedHosts() });
  const items: Item[] = choices.flatMap((choice, index) => {
    const separator = choice.group === choices[index - 1]?.group ? [] : [separatorOf(choice)];
    return [...separator, itemOf(choice.host)];
  });
  items.push({ label: '', kind: vscode.QuickPickItemKind.Separator });
  items.push({ label: t('$(edit) Enter a Host…'), description: 'user@host', alwaysShow: true, enter: true });
  const picked = await vscode.window.showQuickPick(items, {
    title,
    placeHolder: t('Host'),
    matchOnDescription: true,
  });
  if (picked === undefined) {
    return undefined;
  }
  return picked.enter === true ? enterHost(title) : picked.host;
}

/** Asks for one of these hosts. Undefined when dismissed. */
export async function pickOneOf(hosts: readonly string[], title: string): Promise<string | undefined> {
  const picked = await vscode.window.showQuickPick(hosts.map(itemOf), { title, placeHolder: t('Host') });
  return picked?.host;
}

async function enterHost(title: string): Promise<string | undefined> {
  const { checkDestination } = await loadEngine();
  const answer = await vscode.window.showInputBox({
    title,
    prompt: t('An alias of your ssh configuration, user@host or user@host:port.'),
    placeHolder: 'deploy@203.0.113.5',
    ignoreFocusOut: true,
    validateInput: (value) => {
      const checked = checkDestination(value.trim());
      return typeof checked === 'string' ? undefined : (checked.hint ?? t('This is not a valid host.'));
    },
  });
  return answer?.trim();
}

function separatorOf(choice: HostChoice): Item {
  const labels = {
    last: t('last used'),
    configured: t('bluegreen.json'),
    known: t('known hosts'),
    aliases: t('ssh configuration'),
    local: t('without SSH'),
  };
  return { label: labels[choice.group], kind: vscode.QuickPickItemKind.Separator };
}

function itemOf(host: string): Item {
  return host === LOCAL_HOST
    ? { label: t("$(device-desktop) This Machine's Docker"), description: LOCAL_HOST, host }
    : { label: `$(server) ${host}`, host };
}
