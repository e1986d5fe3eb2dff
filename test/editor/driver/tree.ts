/** Tree views, the Explorer among them, and context menus. */
import type { Locator } from 'playwright-core';
import { named, Rows, type Row, type RowPath } from './rows';
import { actLimit, matches, plain, type Match, type Screen } from './screen';

/** A tree view in the side bar or the panel. */
export class Tree {
  readonly #rows: Rows;

  constructor(
    readonly screen: Screen,
    /** The view's name, which is also what a screen reader calls the tree. */
    readonly name: string,
  ) {
    const spoken = name.replace(/["\\]/g, '\\$&');
    this.#rows = new Rows(
      screen,
      screen.page
        .locator(
          `.monaco-list[role="tree"][aria-label="${spoken}"], .monaco-list[role="tree"][aria-label^="${spoken}:"]`,
        )
        .first(),
      name,
    );
  }

  /** All rows in order, those inside collapsed ones not counted. */
  async rows(): Promise<Row[]> {
    return this.#rows.all();
  }

  /** The rows as text: two spaces a level, label and description. For a look at the whole in one assertion. */
  async text(): Promise<string> {
    return (await this.rows())
      .map((row) => '  '.repeat(row.level - 1) + plain(`${row.label} ${row.description}`))
      .join('\n');
  }

  /** Waits for a row; rows above it in `path` are expanded. */
  async row(path: RowPath, limit?: number): Promise<Row> {
    return this.#rows.find(path, limit);
  }

  /** Whether there is such a row, or comes within the limit. */
  async has(path: RowPath, limit: number): Promise<boolean> {
    return this.screen.perhaps(async () => (await this.#rows.locate(path)) !== undefined, limit);
  }

  async expand(path: RowPath): Promise<void> {
    await this.#rows.expand(path);
  }

  async collapse(path: RowPath): Promise<void> {
    await this.#rows.collapse(path);
  }

  async click(path: RowPath, options: { readonly double?: boolean } = {}): Promise<void> {
    const clickCount = options.double === true ? 2 : 1;
    await this.#rows.act(path, 'clicked', async (element) => {
      // Where the mouse rests there may be a tooltip, and it may lie over the row.
      await this.screen.page.mouse.move(0, 0);
      await element.click({ clickCount, timeout: actLimit });
    });
  }

  /**
   * Chooses an item of the row's context menu; a path goes through submenus. A menu that lacks the item is opened anew:
   * it stays as it was opened while the row may become one that has it.
   */
  async menu(path: RowPath, ...items: readonly Match[]): Promise<void> {
    const [first = /^/] = items;
    await this.screen.until(`the menu of ${named(path)} in ${this.name} to have ${String(first)}`, async () => {
      await this.openMenu(path);
      if ((await menuItems(this.screen)).some((label) => matches(first, label))) return true;
      await closeMenu(this.screen);
      return undefined;
    });
    await chooseInMenu(this.screen, items);
  }

  /** The items of the row's context menu. The menu is closed again. */
  async menuItems(path: RowPath): Promise<string[]> {
    await this.openMenu(path);
    return readAndCloseMenu(this.screen);
  }

  /** Names of the row's inline actions, which show on hovering. */
  async actions(path: RowPath): Promise<string[]> {
    return actionNames(await this.#hover(path));
  }

  /** Clicks an inline action of the row. */
  async action(path: RowPath, name: Match): Promise<void> {
    await this.#rows.act(path, `acted on with ${String(name)}`, async (element) => {
      await element.hover({ timeout: actLimit });
      const index = (await actionNames(element)).findIndex((action) => matches(name, action));
      if (index === -1) return false;
      await element.locator(inlineAction).nth(index).click({ timeout: actLimit });
      return true;
    });
  }

  /** The text that hovering over the row shows. */
  async tooltip(path: RowPath): Promise<string> {
    // The hover appears for a mouse that comes, not for one that was there.
    await this.screen.page.mouse.move(0, 0);
    await this.#hover(path);
    return this.screen.until(`the tooltip of ${named(path)} in ${this.name}`, async () => {
      const [text] = await this.screen.texts(this.screen.page.locator('.workbench-hover'));
      return text;
    });
  }

  async #hover(path: RowPath): Promise<Locator> {
    return this.#rows.act(path, 'hovered over', (element) => element.hover({ timeout: actLimit }));
  }

  /** Opens the row's context menu and leaves it open. */
  async openMenu(path: RowPath): Promise<void> {
    await this.#rows.act(path, 'asked for its menu', async (element) => {
      await element.click({ button: 'right', timeout: actLimit });
      return this.screen.perhaps(async () => (await menuItems(this.screen)).length > 0, 1_000);
    });
  }
}

/** Not those that say only that there is nothing to do. */
const inlineAction = '.actions .action-label[aria-label]:not([aria-label=""], .disabled)';

async function actionNames(row: Locator): Promise<string[]> {
  return row
    .locator(inlineAction)
    .evaluateAll((found) => found.map((action) => action.getAttribute('aria-label') ?? ''));
}

/** Separators are items too, without a name. */
const menuItem = '.monaco-menu .action-menu-item:has(.action-label[aria-label]:not([aria-label=""]))';

/** The items of the context menu that is open. It is closed then. */
export async function readAndCloseMenu(screen: Screen): Promise<string[]> {
  const items = await menuItems(screen);
  await closeMenu(screen);
  return items;
}

async function closeMenu(screen: Screen): Promise<void> {
  await screen.until('the context menu to close', async () => {
    await screen.page.keyboard.press('Escape');
    return (await menuClosed(screen)) || undefined;
  });
}

export async function menuItems(screen: Screen): Promise<string[]> {
  return screen.page
    .locator(`${menuItem} .action-label`)
    .evaluateAll((found) => found.map((item) => item.getAttribute('aria-label') ?? ''));
}

/** Chooses an item of the context menu that is open; a path goes through submenus. */
export async function chooseInMenu(screen: Screen, items: readonly Match[]): Promise<void> {
  for (const [depth, item] of items.entries()) {
    await screen.until(`the menu item ${String(item)}`, async () => {
      const index = (await menuItems(screen)).findIndex((label) => matches(item, label));
      if (index === -1) return undefined;
      const element = screen.page.locator(menuItem).nth(index);
      if (depth < items.length - 1) await element.hover({ timeout: actLimit });
      else {
        // A menu takes no click in its first moments, so that the one which opened it chooses nothing.
        await element.click({ timeout: actLimit });
        return (await menuClosed(screen)) || undefined;
      }
      return true;
    });
  }
}

async function menuClosed(screen: Screen): Promise<boolean> {
  return screen.perhaps(async () => (await menuItems(screen)).length === 0, 500);
}
