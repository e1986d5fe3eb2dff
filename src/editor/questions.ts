import * as vscode from 'vscode';
import type { HostKeyQuestion, Questions } from '../model';
import { t } from '../l10n';

/**
 * The engine's questions, asked in VS Code's own dialogs. Passphrases and passwords go to the secret storage when the
 * person says so, and nowhere else; one that turned out wrong is forgotten.
 */
export class EditorQuestions implements Questions {
  /** Stored passwords that a connection attempt was given already: the same question again means they were wrong. */
  private readonly given = new WeakMap<AbortSignal, Set<string>>();

  constructor(private readonly secrets: vscode.SecretStorage) {}

  async trustHostKey(question: HostKeyQuestion, signal: AbortSignal): Promise<boolean> {
    const trust = t('Trust and Remember');
    const host = question.port === 22 ? question.host : `${question.host}:${question.port}`;
    const answer = await beforeAbort(
      signal,
      vscode.window.showWarningMessage(
        t('Do you trust {0}?', host),
        {
          modal: true,
          detail: t(
            'This host is not known yet. Compare its fingerprint with one from a source you trust.\n\n{0} key\n{1}\n\nIf you trust it, the key is added to your known hosts.',
            question.keyType,
            question.fingerprint,
          ),
        },
        trust,
      ),
    );
    return answer === trust;
  }

  async passphrase(keyFile: string, retry: boolean, signal: AbortSignal): Promise<string | undefined> {
    const key = `passphrase:${keyFile}`;
    if (retry) {
      await this.secrets.delete(key);
    } else {
      const stored = await this.secrets.get(key);
      if (stored !== undefined) {
        return stored;
      }
    }
    const answer = await askSecret(
      t('Passphrase of {0}', keyFile),
      retry ? t('That passphrase was wrong. Try again.') : t('The private key is encrypted.'),
      signal,
    );
    if (answer !== undefined && (await askToRemember(t('Remember this passphrase?'), signal))) {
      await this.secrets.store(key, answer);
    }
    return answer;
  }

  async password(host: string, prompt: string, signal: AbortSignal): Promise<string | undefined> {
    // A one-time code must never be kept, so only what calls itself a password can be.
    const keepable = /password/i.test(prompt) && !/one.?time|otp|token|code/i.test(prompt);
    const key = `password:${host}`;
    if (keepable) {
      const stored = await this.secrets.get(key);
      if (stored !== undefined && this.giveOnce(key, signal)) {
        return stored;
      }
      await this.secrets.delete(key);
    }
    const answer = await askSecret(t('Log in to {0}', host), prompt.trim(), signal);
    if (answer !== undefined && keepable && (await askToRemember(t('Remember this password?'), signal))) {
      await this.secrets.store(key, answer);
      this.giveOnce(key, signal);
    }
    return answer;
  }

  async confirm(message: string, action: string, signal: AbortSignal): Promise<boolean> {
    return (await beforeAbort(signal, vscode.window.showWarningMessage(message, { modal: true }, action))) === action;
  }

  /** False when this attempt was given the stored answer before. */
  private giveOnce(key: string, signal: AbortSignal): boolean {
    const given = this.given.get(signal) ?? new Set<string>();
    this.given.set(signal, given);
    const first = !given.has(key);
    given.add(key);
    return first;
  }
}

/** A dialog of VS Code cannot be closed from code; its answer no longer counts once the signal is aborted. */
async function beforeAbort<T>(signal: AbortSignal, answer: Thenable<T | undefined>): Promise<T | undefined> {
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  return signal.aborted ? undefined : Promise.race([answer, aborted]);
}

function askSecret(title: string, prompt: string, signal: AbortSignal): Promise<string | undefined> {
  const box = vscode.window.createInputBox();
  box.title = title;
  box.prompt = prompt;
  box.password = true;
  box.ignoreFocusOut = true;
  return answerOf(box, signal, () => box.value);
}

function askToRemember(title: string, signal: AbortSignal): Promise<boolean> {
  const once = { label: t('Only this time') };
  const keep = { label: t('Remember on this machine'), description: t("kept in VS Code's secret storage") };
  const pick = vscode.window.createQuickPick();
  pick.title = title;
  pick.items = [once, keep];
  pick.ignoreFocusOut = true;
  return answerOf(pick, signal, () => pick.selectedItems[0] === keep).then((answer) => answer === true);
}

/** Shows a box until it is answered, dismissed or the signal is aborted; the latter two are no answer. */
function answerOf<T>(
  box: vscode.InputBox | vscode.QuickPick<vscode.QuickPickItem>,
  signal: AbortSignal,
  value: () => T,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const finish = (answer: T | undefined): void => {
      signal.removeEventListener('abort', dismiss);
      resolve(answer);
      box.dispose();
    };
    const dismiss = (): void => finish(undefined);
    signal.addEventListener('abort', dismiss, { once: true });
    box.onDidAccept(() => finish(value()));
    box.onDidHide(dismiss);
    if (signal.aborted) {
      dismiss();
    } else {
      box.show();
    }
  });
}
