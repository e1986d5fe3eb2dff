/** Notifications, as toasts or in the notification centre, and modal dialogs. */
import type { Locator } from 'playwright-core';
import { actLimit, matches, plain, type Match, type Screen } from './screen';

/** How a notification looks at one moment. */
export interface NotificationState {
  readonly text: string;
  readonly severity: 'info' | 'warning' | 'error';
  /** Name of the extension, empty for VS Code itself. */
  readonly source: string;
  readonly buttons: readonly string[];
  /** undefined without progress, `running` while nobody knows how far it is, else percent. */
  readonly progress: number | 'running' | undefined;
}

/** A text that a notification had at some time. */
export interface PastNotification extends Pick<NotificationState, 'text' | 'severity'> {
  /** Closed by `clear()`, so that it is not looked for any more. */
  readonly cleared: boolean;
}

/** A notification that a test acts on. */
export interface Notification extends NotificationState {
  /** Clicks a button, in the notification centre if the toast has gone there. */
  click(button: Match): Promise<void>;
  /** Clicks the Cancel of a progress notification. */
  cancel(): Promise<void>;
  /** Closes it with its cross. */
  close(): Promise<void>;
  /** Waits until it is neither a toast nor in the centre. */
  gone(limit?: number): Promise<void>;
}

const item = '.notifications-toasts .notification-list-item, .notifications-center.visible .notification-list-item';

/** Run in the page from its start: remembers every text that a toast ever had, also those that were there for a moment. */
export const recorder = `
globalThis.__name ??= (anything) => anything;
globalThis.blueGreenNotifications ??= [];
new MutationObserver((_, first) => {
  const toasts = document.querySelector('.notifications-toasts');
  if (toasts === null) return;
  first.disconnect();
  const seen = new WeakMap();
  const read = () => {
    for (const message of toasts.querySelectorAll('.notification-list-item-message')) {
      const text = message.textContent.replace(/\\s+/g, ' ').trim();
      if (text === '') continue;
      let entry = seen.get(message);
      if (entry?.text !== text) {
        entry = { text, severity: 'info', cleared: false };
        seen.set(message, entry);
        globalThis.blueGreenNotifications.push(entry);
      }
      // The icon is drawn after the text.
      const icon = message.parentElement?.querySelector('.notification-list-item-icon')?.className ?? '';
      entry.severity = icon.includes('codicon-error') ? 'error' : icon.includes('codicon-warning') ? 'warning' : 'info';
    }
  };
  new MutationObserver(read).observe(toasts, {
    childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ['class'],
  });
  read();
}).observe(document, { childList: true, subtree: true });
`;

/** Drives notifications. */
export class Notifications {
  constructor(readonly screen: Screen) {}

  /** Every text that a notification had since the window was opened, in order. Progress adds a text a step. */
  async history(): Promise<PastNotification[]> {
    return this.screen.page.evaluate(
      () => (globalThis as { blueGreenNotifications?: PastNotification[] }).blueGreenNotifications ?? [],
    );
  }

  /** The notifications in sight. */
  async visible(): Promise<NotificationState[]> {
    return (await this.#read()).map(({ state }) => state);
  }

  /** Waits for a notification. A string is its whole text, a RegExp a part of it. */
  async find(match: Match, limit?: number): Promise<Notification> {
    const { state } = await this.screen.until(`the notification ${String(match)}`, () => this.#locate(match), limit);
    return {
      ...state,
      click: (button) => this.#click(match, button),
      cancel: () => this.#click(match, 'Cancel'),
      close: () => this.#clickElement(match, '.codicon-notifications-clear', 'its cross'),
      gone: async (most) => {
        await this.screen.until(
          `the notification ${String(match)} to go`,
          async () => ((await this.#read()).some((found) => matches(match, found.state.text)) ? undefined : true),
          most,
        );
      },
    };
  }

  /** Closes all, also those in the centre. */
  async clear(): Promise<void> {
    await this.screen.until('no notification to be left', async () => {
      const [first] = await this.#read();
      if (first === undefined) return true;
      await first.element.hover({ timeout: actLimit });
      await first.element
        .locator('.codicon-notifications-clear, .codicon-notifications-hide')
        .first()
        .click({ timeout: actLimit });
      return undefined;
    });
    await this.screen.page.evaluate(() => {
      const past = (globalThis as { blueGreenNotifications?: { cleared: boolean }[] }).blueGreenNotifications ?? [];
      for (const entry of past) entry.cleared = true;
    });
  }

  async #click(match: Match, button: Match): Promise<void> {
    let pressed = false;
    await this.screen.until(`the button ${String(button)} of the notification ${String(match)}`, async () => {
      const found = await this.#locate(match);
      const index = found?.state.buttons.findIndex((name) => matches(button, name)) ?? -1;
      // A click that took effect may be told as failed: its button went before it was done with.
      if (found === undefined || index === -1) return pressed || undefined;
      pressed = true;
      await found.element.locator(buttonIn).nth(index).click({ timeout: actLimit });
      return true;
    });
  }

  async #clickElement(match: Match, selector: string, what: string): Promise<void> {
    await this.screen.until(`${what} of the notification ${String(match)}`, async () => {
      const found = await this.#locate(match);
      if (found === undefined) return undefined;
      await found.element.hover({ timeout: actLimit });
      await found.element.locator(selector).first().click({ timeout: actLimit });
      return true;
    });
  }

  /** Looks among those in sight, and opens the centre for one that was a toast and is no longer. */
  async #locate(match: Match): Promise<Located | undefined> {
    const look = async (): Promise<Located | undefined> =>
      (await this.#read()).find(({ state }) => matches(match, state.text));
    const found = await look();
    if (found !== undefined) return found;
    if (!(await this.history()).some(({ text, cleared }) => !cleared && matches(match, text))) return undefined;
    // A toast is out of sight for a moment while it is moved or redrawn.
    if (await this.screen.perhaps(async () => (await look()) !== undefined, 1_000)) return look();
    const centre = this.screen.page.locator('.notifications-center.visible');
    if (await centre.isVisible()) return undefined;
    await this.screen.page.locator('[id="status.notifications"]').click({ timeout: actLimit });
    await this.screen.perhaps(() => centre.isVisible(), 1_000);
    // The bell's tooltip would cover the buttons.
    await this.screen.page.mouse.move(0, 0);
    return look();
  }

  async #read(): Promise<Located[]> {
    const all = this.screen.page.locator(item);
    const states = await all.evaluateAll((elements) =>
      elements.map((element) => {
        const icon = element.querySelector('.notification-list-item-icon')?.getAttribute('class') ?? '';
        const bar = element.parentElement?.querySelector('.monaco-progress-container');
        const bit = bar?.querySelector<HTMLElement>('.progress-bit');
        const source = element.querySelector('.notification-list-item-source');
        return {
          visible: element.checkVisibility(),
          text: element.querySelector('.notification-list-item-message')?.textContent ?? '',
          severity: icon.includes('codicon-error')
            ? ('error' as const)
            : icon.includes('codicon-warning')
              ? ('warning' as const)
              : ('info' as const),
          source: source?.textContent ?? '',
          buttons: [...element.querySelectorAll('.notification-list-item-buttons-container .monaco-text-button')].map(
            (button) => button.textContent,
          ),
          progress:
            bar?.classList.contains('active') !== true
              ? undefined
              : bar.classList.contains('discrete')
                ? Number.parseFloat(bit?.style.width ?? '0')
                : ('running' as const),
        };
      }),
    );
    return states
      .map(({ visible, ...state }, index) => ({
        visible,
        element: all.nth(index),
        state: {
          ...state,
          text: plain(state.text),
          source: plain(state.source).replace(/^Source: /, ''),
          buttons: state.buttons.map(plain),
        },
      }))
      .filter(({ visible }) => visible);
  }
}

interface Located {
  readonly state: NotificationState;
  readonly element: Locator;
}

const buttonIn = '.notification-list-item-buttons-container .monaco-text-button';

/** A modal dialog that a test acts on. */
export interface Dialog {
  readonly message: string;
  readonly detail: string;
  /** In the order on the screen. */
  readonly buttons: readonly string[];
  /** Clicks a button and waits until the dialog is gone. */
  click(button: Match): Promise<void>;
}

/** Waits for a modal dialog. A string is its whole message, a RegExp a part of it. */
export async function findDialog(screen: Screen, match: Match = /^/, limit?: number): Promise<Dialog> {
  const box = screen.page.locator('.monaco-dialog-box');
  const text = async (selector: string): Promise<string> => (await screen.texts(box.locator(selector))).join(' ');
  return screen.until(
    `the dialog ${String(match)}`,
    async () => {
      const message = await text('.dialog-message-text');
      if (!(await box.isVisible()) || !matches(match, message)) return undefined;
      const buttons = await screen.texts(box.locator('.dialog-buttons .monaco-button'));
      const click = async (button: Match): Promise<void> => {
        await screen.until(`the button ${String(button)} of the dialog ${message}`, async () => {
          const index = buttons.findIndex((name) => matches(button, name));
          if (index === -1) return undefined;
          await box.locator('.dialog-buttons .monaco-button').nth(index).click({ timeout: actLimit });
          return true;
        });
        await screen.until(`the dialog ${message} to close`, async () =>
          (await box.isVisible()) && (await text('.dialog-message-text')) === message ? undefined : true,
        );
      };
      return { message, detail: await text('.dialog-message-detail'), buttons, click };
    },
    limit,
  );
}
