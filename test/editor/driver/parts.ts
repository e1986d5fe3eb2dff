/** The status bar, editor tabs and text, output channels, the problems panel and webviews. */
import type { Frame, Locator } from 'playwright-core';
import { actLimit, matches, plain, type Match, type Screen } from './screen';

/** An item of the status bar. */
export interface StatusItem {
  readonly text: string;
  /** Name of its codicon, such as `rocket`. */
  readonly icon: string | undefined;
  /** What a screen reader says: text and tooltip. */
  readonly spoken: string;
  /** `<publisher>.<extension>.<id>` for an extension's item. */
  readonly id: string;
  /** Whether it has the background of a warning or an error. */
  readonly emphasis: 'warning' | 'error' | undefined;
}

/** The items of the status bar, from left to right. */
export async function statusItems(screen: Screen): Promise<StatusItem[]> {
  const found = await screen.page.locator('.statusbar-item').evaluateAll((items) =>
    items
      .filter((item) => item.checkVisibility())
      .map((item) => ({
        text: item.textContent,
        icon: /codicon-(?!modifier)([\w-]+)/.exec(item.querySelector('.codicon')?.getAttribute('class') ?? '')?.[1],
        spoken: item.getAttribute('aria-label') ?? '',
        id: item.id,
        emphasis: item.classList.contains('error-kind')
          ? ('error' as const)
          : item.classList.contains('warning-kind')
            ? ('warning' as const)
            : undefined,
      })),
  );
  return found.map((item) => ({ ...item, text: plain(item.text), spoken: plain(item.spoken) }));
}

/** Waits for an item of the status bar by its text or id. */
export async function findStatusItem(screen: Screen, match: Match, limit?: number): Promise<StatusItem> {
  return screen.until(
    `the status bar item ${String(match)}`,
    async () => (await statusItems(screen)).find((item) => matches(match, item.text, item.id)),
    limit,
  );
}

/** Clicks an item of the status bar. */
export async function clickStatusItem(screen: Screen, match: Match): Promise<void> {
  const { id } = await findStatusItem(screen, match);
  await screen.page.locator(`[id="${id}"] .statusbar-item-label`).click({ timeout: screen.limit });
}

/** A tab of the editor area. */
export interface Tab {
  readonly label: string;
  readonly active: boolean;
  /** Whether it has changes that are not saved. */
  readonly dirty: boolean;
}

/** The tabs of all editor groups. */
export async function tabs(screen: Screen): Promise<Tab[]> {
  const found = await screen.page.locator('.tabs-container .tab').evaluateAll((elements) =>
    elements.map((tab) => ({
      // The ending of a file's name is an element of its own.
      label: [...tab.querySelectorAll('.label-name, .label-suffix')].map((part) => part.textContent).join(''),
      active: tab.classList.contains('active'),
      dirty: tab.classList.contains('dirty'),
    })),
  );
  return found.map((tab) => ({ ...tab, label: plain(tab.label) }));
}

/** Waits for a tab, and clicks it if it is not the active one. */
export async function showTab(screen: Screen, match: Match, limit?: number): Promise<Tab> {
  return screen.until(
    `the tab ${String(match)}`,
    async () => {
      const all = await tabs(screen);
      const index = all.findIndex((tab) => matches(match, tab.label));
      const tab = all[index];
      if (tab === undefined || tab.active) return tab;
      await screen.page.locator('.tabs-container .tab').nth(index).click({ timeout: actLimit });
      return undefined;
    },
    limit,
  );
}

/** The whole text of the active editor; of a diff, its right side. */
export async function editorText(screen: Screen): Promise<string> {
  return wholeText(
    screen,
    screen.page.locator('.editor-group-container.active .monaco-editor').last(),
    'the active editor',
  );
}

/** The whole text of the output channel that is shown in the panel. */
export async function outputText(screen: Screen): Promise<string> {
  return wholeText(
    screen,
    screen.page.locator('.part.panel .output-view .monaco-editor, .part.panel .monaco-editor').first(),
    'the output',
  );
}

/** Selects all and copies, as a person would: only the lines in sight are in the page. */
async function wholeText(screen: Screen, editor: Locator, what: string): Promise<string> {
  return screen.until(`the text of ${what}`, async () => {
    const lines = await editor.locator('.view-line').allTextContents();
    if (lines.length === 0) return undefined;
    await editor.locator('.native-edit-context, textarea.inputarea').first().focus({ timeout: actLimit });
    await screen.page.evaluate(() => navigator.clipboard.writeText('nothing was copied'));
    await screen.page.keyboard.press('Control+A');
    await screen.page.keyboard.press('Control+C');
    const text = await screen.page.evaluate(() => navigator.clipboard.readText());
    await screen.page.keyboard.press('Control+End');
    if (text === 'nothing was copied') return undefined;
    // Copying nothing copies the line that the cursor is on.
    return lines.length === 1 && text.trim() === '' ? '' : text.replace(/\r\n/g, '\n');
  });
}

/** A line of the problems panel. */
export interface Problem {
  readonly severity: 'error' | 'warning' | 'info';
  readonly message: string;
  readonly source: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly file: string;
}

/** The rows of the problems panel, which must be open. */
export async function problems(screen: Screen): Promise<Problem[]> {
  const rows = await screen.page.locator('.markers-panel .monaco-list-row').evaluateAll((elements) =>
    elements
      .sort((one, other) => Number(one.getAttribute('data-index')) - Number(other.getAttribute('data-index')))
      .map((row) => {
        const text = (selector: string): string => row.querySelector(selector)?.textContent ?? '';
        return {
          file: text('.label-name'),
          message: text('.marker-message'),
          source: text('.marker-source'),
          place: text('.marker-line'),
          icon: row.querySelector('.marker-icon')?.getAttribute('class') ?? '',
        };
      }),
  );
  const found: Problem[] = [];
  let file = '';
  for (const row of rows) {
    if (row.message === '') file = plain(row.file);
    else {
      const [, line, column] = /Ln (\d+), Col (\d+)/.exec(row.place) ?? [];
      const severity = row.icon.includes('error') ? 'error' : row.icon.includes('warning') ? 'warning' : 'info';
      found.push({
        severity,
        message: plain(row.message),
        source: plain(row.source),
        line: Number(line),
        column: Number(column),
        file,
      });
    }
  }
  return found;
}

/**
 * Waits for a webview in sight whose text matches, and returns the frame that the extension's page is in.
 * A webview is two frames deep: VS Code's own page, and in it the extension's.
 */
export async function findWebview(screen: Screen, match: RegExp, limit?: number): Promise<Frame> {
  return screen.until(
    `a webview with ${String(match)}`,
    async () => {
      for (const frame of screen.page.frames()) {
        const outer = frame.parentFrame();
        if (outer === null || outer.parentFrame() === null || !frame.url().includes('/webview/browser/pre/fake.html'))
          continue;
        const element = await outer.frameElement();
        // A hidden webview keeps its size and is only made invisible.
        const shown = await element.evaluate((found) =>
          (found as HTMLElement).checkVisibility({ visibilityProperty: true }),
        );
        if (shown && match.test(plain(await frame.locator('body').innerText({ timeout: actLimit })))) return frame;
      }
      return undefined;
    },
    limit,
  );
}
