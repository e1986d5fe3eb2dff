/** The box at the top of the window: the command palette, lists to pick from, and questions to type an answer to. */
import type { Locator } from 'playwright-core';
import { fits, Rows, type Row } from './rows';
import { actLimit, matches, type Match, type Screen } from './screen';

/** A list to pick from. */
export interface QuickPickState {
  readonly title: string;
  readonly placeholder: string;
  /** What was typed as a filter. */
  readonly value: string;
  /** The line under the filter: a message, or why nothing can be picked. */
  readonly message: string;
  readonly busy: boolean;
  readonly items: readonly Row[];
  /** Names of the buttons in the title, such as `Back`. */
  readonly buttons: readonly string[];
}

/** A question to type an answer to. */
export interface InputBoxState {
  readonly title: string;
  readonly placeholder: string;
  readonly value: string;
  /** The prompt, or what is wrong with the value. */
  readonly message: string;
  /** Whether the message is an error, so that Enter does nothing. */
  readonly invalid: boolean;
  /** Whether what is typed is hidden. */
  readonly password: boolean;
  readonly buttons: readonly string[];
}

const widget = '.quick-input-widget';

/** Drives the quick input. */
export class QuickInput {
  readonly #rows: Rows;

  constructor(readonly screen: Screen) {
    this.#rows = new Rows(screen, screen.page.locator(`${widget} .quick-input-list .monaco-list`), 'the quick pick');
  }

  /** Runs a command by the name that the palette shows, such as `View: Show Output`. Waits until it is there. */
  async runCommand(title: string, limit?: number): Promise<void> {
    const { page } = this.screen;
    const input = this.#input();
    await this.screen.until(
      `the command "${title}" in the palette`,
      async () => {
        if (!(await this.#isPalette())) {
          await page.keyboard.press('F1');
          if (!(await this.screen.perhaps(() => this.#isPalette(), 1_000))) return undefined;
        }
        // The list is not redrawn for a command that comes later: ask anew each time.
        await input.fill('>');
        await input.fill(`>${title}`);
        const shown = await this.screen.perhaps(async () => (await this.#commandRow(title)) !== undefined, 1_000);
        const row = shown ? await this.#commandRow(title) : undefined;
        return row !== undefined && (await this.#rows.click(row)) ? true : undefined;
      },
      limit,
    );
    await this.screen.until('the palette to close', async () => ((await this.#isPalette()) ? undefined : true));
  }

  /** Titles, beginning with `start`, of the commands that the palette offers. The palette is closed again. */
  async commands(start: string): Promise<string[]> {
    await this.screen.until('the palette', async () => {
      await this.screen.page.keyboard.press('F1');
      return (await this.screen.perhaps(() => this.#isPalette(), 1_000)) || undefined;
    });
    await this.#input().fill(`>${start}`);
    // The palette fills in two steps: what is known at once, and then the rest.
    let before: string[] | undefined;
    const titles = await this.screen.until('the list of commands to settle', async () => {
      await this.screen.page.waitForTimeout(200);
      const now = (await this.#rows.all()).map((row) => row.label);
      const settled = before !== undefined && now.length > 0 && now.join('\n') === before.join('\n');
      before = now;
      return settled ? now : undefined;
    });
    await this.dismiss();
    return titles.filter((title) => title.startsWith(start));
  }

  /** Waits for a list to pick from and reads all of it. */
  async quickPick(title?: Match, limit?: number): Promise<QuickPickState> {
    return this.screen.until(
      title === undefined ? 'a quick pick' : `the quick pick ${String(title)}`,
      async () => {
        const state = await this.#look();
        if (state?.kind !== 'list' || state.value.startsWith('>')) return undefined;
        if (title !== undefined && !matches(title, state.title)) return undefined;
        const { placeholder, value, message, busy, buttons } = state;
        const items = await this.#rows.all();
        return items.length === 0 && busy
          ? undefined
          : { title: state.title, placeholder, value, message, busy, buttons, items };
      },
      limit,
    );
  }

  /** Waits for an item of a quick pick, by its label or its label and description, and picks it. */
  async pick(item: Match, limit?: number): Promise<void> {
    let before: string | undefined;
    await this.screen.until(
      `the item ${String(item)} in a quick pick`,
      async () => {
        if (await this.#isPalette()) return undefined;
        const row = await this.#rows.locate(item);
        if (row === undefined) return undefined;
        const now = await this.#signature();
        const drawn = before === now;
        before = now;
        // A list is drawn twice in its first moments.
        return drawn && (await this.#rows.click(row)) ? true : undefined;
      },
      limit,
    );
    await this.#moved(before ?? '');
  }

  /** In a list of checkboxes: checks exactly these and accepts. */
  async pickMany(items: readonly Match[], limit?: number): Promise<void> {
    await this.screen.until(
      `the items ${items.map(String).join(', ')} to be checked`,
      async () => {
        const rows = await this.#rows.all();
        const wanted = (row: Row): boolean => items.some((item) => fits(item, row));
        if (rows.filter(wanted).length < items.length) return undefined;
        const wrong = rows.find((row) => row.checked !== undefined && row.checked !== wanted(row));
        if (wrong === undefined) return true;
        await this.#rows.click(wrong);
        return undefined;
      },
      limit,
    );
    await this.accept();
  }

  /** Waits for a question to type an answer to. */
  async inputBox(title?: Match, limit?: number): Promise<InputBoxState> {
    return this.screen.until(
      title === undefined ? 'an input box' : `the input box ${String(title)}`,
      async () => {
        const state = await this.#look();
        if (state?.kind !== 'box' || (title !== undefined && !matches(title, state.title))) return undefined;
        const { placeholder, value, message, invalid, password, buttons } = state;
        return { title: state.title, placeholder, value, message, invalid, password, buttons };
      },
      limit,
    );
  }

  /** Waits for an input box, replaces what is in it, and accepts it with Enter unless told not to. */
  async type(text: string, options: { readonly accept?: boolean; readonly limit?: number } = {}): Promise<void> {
    await this.screen.until(
      'an input box',
      async () => ((await this.#look())?.kind === 'box' ? true : undefined),
      options.limit,
    );
    await this.#input().fill(text);
    if (options.accept !== false) await this.accept();
  }

  /** Types a filter into a quick pick without picking anything. */
  async filter(text: string): Promise<void> {
    await this.quickPick();
    await this.#input().fill(text);
  }

  /** Presses Enter in the quick input. */
  async accept(): Promise<void> {
    const before = await this.#signature();
    await this.#input().press('Enter');
    await this.#moved(before);
  }

  /** Clicks a button in the title, such as `Back`. */
  async button(name: Match): Promise<void> {
    const before = await this.#signature();
    await this.screen.until(`the button ${String(name)} of the quick input`, async () => {
      const index = ((await this.#look())?.buttons ?? []).findIndex((button) => matches(name, button));
      if (index === -1) return undefined;
      await this.screen.page.locator(titleButton).nth(index).click({ timeout: actLimit });
      return true;
    });
    await this.#moved(before);
  }

  /** Closes whatever quick input is open, with Escape. */
  async dismiss(): Promise<void> {
    await this.screen.until('the quick input to close', async () => {
      if ((await this.#look()) === undefined) return true;
      await this.#input().press('Escape', { timeout: actLimit });
      return (await this.screen.perhaps(async () => (await this.#look()) === undefined, 500)) || undefined;
    });
  }

  #input(): Locator {
    return this.screen.page.locator(`${widget} .quick-input-filter input`);
  }

  async #isPalette(): Promise<boolean> {
    return (await this.#look())?.value.startsWith('>') === true;
  }

  async #commandRow(title: string): Promise<Row | undefined> {
    return (await this.#rows.all()).find((row) => row.label === title);
  }

  /** What is asked at this moment, read in one go; undefined when nothing is. */
  async #look(): Promise<Look | undefined> {
    const [look] = await this.screen.page.locator(widget).evaluateAll((widgets) =>
      widgets
        .filter((element) => element.checkVisibility())
        .map((element) => {
          const shown = (selector: string): Element | undefined =>
            [...element.querySelectorAll(selector)].find((found) => found.checkVisibility());
          const text = (selector: string): string => (shown(selector)?.textContent ?? '').replace(/\s+/g, ' ').trim();
          const input = element.querySelector<HTMLInputElement>('.quick-input-filter input');
          const list = shown('.quick-input-list, .quick-input-tree') !== undefined;
          return {
            kind: list ? ('list' as const) : input?.checkVisibility() === true ? ('box' as const) : ('other' as const),
            title: text('.quick-input-title'),
            placeholder: input?.placeholder ?? '',
            value: input?.value ?? '',
            message: text('.quick-input-message'),
            invalid: shown('.monaco-inputbox.error') !== undefined,
            password: input?.type === 'password',
            busy: shown('.quick-input-progress.active') !== undefined,
            buttons: [...element.querySelectorAll('.quick-input-titlebar .action-label[aria-label]')].map(
              (button) => button.getAttribute('aria-label') ?? '',
            ),
            labels: list
              ? [...element.querySelectorAll('.monaco-list-row')].map((row) => row.getAttribute('aria-label') ?? '')
              : [],
          };
        }),
    );
    return look;
  }

  /** What tells one step of a conversation from the next. Empty when nothing is asked. */
  async #signature(): Promise<string> {
    const look = await this.#look();
    return look === undefined
      ? ''
      : JSON.stringify([look.kind, look.title, look.placeholder, look.message, look.labels]);
  }

  /** Waits until the answer had an effect, so that the next call does not meet the same question. */
  async #moved(before: string): Promise<void> {
    await this.screen.perhaps(async () => (await this.#signature()) !== before, 1_000);
  }
}

/** The state of the widget. */
type Look = Omit<QuickPickState & InputBoxState, 'items'> & {
  readonly kind: 'list' | 'box' | 'other';
  readonly labels: readonly string[];
};

const titleButton = `${widget} .quick-input-titlebar .action-label[aria-label]`;
