/**
 * A person at a VS Code, for tests: opens the workbench in Chromium and does and reads what a person would.
 *
 *     const vscode = await startVsCode({ folder, vsix, trust: true });
 *     const editor = await openEditor(vscode);
 *     await editor.runCommand('Blue-Green: Deploy');
 *     await editor.pick('production');
 *     const done = await editor.notification(/is live/);
 *     await done.click('Show');
 *
 * Nothing sleeps: each call waits for the thing itself, at most `limit` ms, and an error says what was on the screen.
 * Texts are named by a string (the whole text) or a RegExp (a part of it).
 */
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type Browser, type Frame, type Locator, type Page } from 'playwright-core';
import {
  findDialog,
  Notifications,
  recorder,
  type Dialog,
  type Notification,
  type NotificationState,
  type PastNotification,
} from './driver/notifications';
import * as parts from './driver/parts';
import { QuickInput, type InputBoxState, type QuickPickState } from './driver/quick-input';
import { actLimit, matches, plain, Screen, type Match } from './driver/screen';
import type { RowPath } from './driver/rows';
import { chooseInMenu, menuItems, readAndCloseMenu, Tree } from './driver/tree';
import { installEditor } from './install';
import { THEMES, type ColourTheme, type Opened, type VsCode } from './vscode';

export type { Dialog, Notification, NotificationState, PastNotification } from './driver/notifications';
export type { Problem, StatusItem, Tab } from './driver/parts';
export type { InputBoxState, QuickPickState } from './driver/quick-input';
export type { Row, RowPath } from './driver/rows';
export type { Match } from './driver/screen';
export type { Tree } from './driver/tree';

/** Names the folder that screenshots go into; a folder of the temporary directory, printed at the first picture, if not set. */
export const picturesVariable = 'BLUE_GREEN_SCREENSHOTS';

/** How the window is opened. */
export interface EditorOptions {
  /** How long each wait may take, in ms, where a call says nothing else. 30 seconds if not given. */
  readonly limit?: number;
  /** The window's size. 1280 × 800 if not given. */
  readonly size?: { readonly width: number; readonly height: number };
  /** What the window has open, if not the folder that the VS Code was started with. */
  readonly opened?: Opened;
}

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Nothing of a test goes out of this machine.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

const startLimit = 60_000;

/**
 * VS Code's own icons that turn and bars that run, as long as something is under way, are drawn by this machine's cores,
 * which have that very work to do. (The frames of the extension move as they do.)
 */
const standStill = `
if (window.top === window) {
  addEventListener('DOMContentLoaded', () => {
    const style = document.createElement('style');
    style.textContent = '*, *::before, *::after { animation: none !important; transition: none !important; }';
    document.head.append(style);
  });
}`;

/** What the list of themes calls them. */
const themeLabels: Readonly<Record<ColourTheme, string>> = {
  ...THEMES,
  'hc-black': 'Dark High Contrast',
  'hc-light': 'Light High Contrast',
};

/** Opens the workbench in a new browser and waits until it can be used. */
export async function openEditor(vscode: VsCode, options: EditorOptions = {}): Promise<Editor> {
  const { chromium: executablePath } = await installEditor();
  // The handlers of ./cleanup end the process, and the browser with it; playwright's own would race them.
  const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  const browser = await chromium.launch({ executablePath, args: flags, ...signals });
  try {
    const context = await browser.newContext({
      viewport: options.size ?? { width: 1280, height: 800 },
      reducedMotion: 'reduce',
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await context.addInitScript(recorder);
    await context.addInitScript(standStill);
    const page = await context.newPage();
    const url = options.opened === undefined ? vscode.url : vscode.urlOf(options.opened);
    const screen = new Screen(page, options.limit ?? 30_000, picturesFolder());
    const editor = new Editor(url, browser, screen, vscode.colourTheme);
    await editor.reload();
    return editor;
  } catch (error) {
    await browser.close();
    throw error;
  }
}

let pictures: string | undefined;

function picturesFolder(): string {
  if (pictures === undefined) {
    const named = process.env[picturesVariable];
    pictures =
      named !== undefined && named !== '' ? path.resolve(named) : path.join(tmpdir(), 'blue-green-screenshots');
    mkdirSync(pictures, { recursive: true });
    console.error(`screenshots: ${pictures}`);
  }
  return pictures;
}

/** One VS Code window. */
export class Editor {
  readonly #quickInput: QuickInput;
  readonly #notifications: Notifications;
  /** The files of the workspace. */
  readonly explorer: Tree;
  #theme: ColourTheme;

  constructor(
    private readonly url: string,
    readonly browser: Browser,
    readonly screen: Screen,
    colourTheme: ColourTheme,
  ) {
    this.#quickInput = new QuickInput(screen);
    this.#notifications = new Notifications(screen);
    this.explorer = new Tree(screen, 'Files Explorer');
    this.#theme = colourTheme;
  }

  /** The page, for what the driver has no word for. */
  get page(): Page {
    return this.screen.page;
  }

  /** What the page and the extension hosts wrote as errors, without what VS Code itself is known to write. */
  get consoleErrors(): readonly string[] {
    return this.screen.consoleErrors;
  }

  /* ---------- commands and questions ---------- */

  /** Runs a command by the name that the palette shows. Waits until the palette has it. */
  async runCommand(title: string, limit?: number): Promise<void> {
    // A tooltip of what the mouse rests on would lie over the list.
    await this.page.mouse.move(0, 0);
    await this.#quickInput.runCommand(title, limit);
  }

  /** Titles, beginning with `start`, of the commands that the palette offers now. */
  async commands(start: string): Promise<string[]> {
    return this.#quickInput.commands(start);
  }

  /** Waits for a list to pick from and reads it, with every item. */
  async quickPick(title?: Match, limit?: number): Promise<QuickPickState> {
    return this.#quickInput.quickPick(title, limit);
  }

  /** Waits for an item in a list and picks it, by its label or its label and description. */
  async pick(item: Match, limit?: number): Promise<void> {
    await this.#quickInput.pick(item, limit);
  }

  /** In a list of checkboxes: checks exactly these and accepts. */
  async pickMany(items: readonly Match[], limit?: number): Promise<void> {
    await this.#quickInput.pickMany(items, limit);
  }

  /** Types a filter into a list without picking anything. */
  async filter(text: string): Promise<void> {
    await this.#quickInput.filter(text);
  }

  /** Waits for a question to type an answer to and reads it. */
  async inputBox(title?: Match, limit?: number): Promise<InputBoxState> {
    return this.#quickInput.inputBox(title, limit);
  }

  /** Waits for a question, replaces what is in its box, and accepts with Enter; `accept: false` only types. */
  async type(text: string, options?: { readonly accept?: boolean; readonly limit?: number }): Promise<void> {
    await this.#quickInput.type(text, options);
  }

  /** Clicks a button in the title of a list or question, such as `Back`. */
  async quickButton(name: Match): Promise<void> {
    await this.#quickInput.button(name);
  }

  /** In a list: waits until Enter would pick an item whose label begins so. */
  async highlighted(start: string): Promise<void> {
    const label = this.page.locator('.quick-input-widget:visible .monaco-list-row.focused .label-name').first();
    await this.screen.until(
      `the item ${start} to be highlighted`,
      async () => plain((await label.textContent({ timeout: actLimit })) ?? '').startsWith(start) || undefined,
    );
  }

  /** Closes the list or question that is open, with Escape. */
  async dismiss(): Promise<void> {
    await this.#quickInput.dismiss();
  }

  /** Presses a key where the focus is: `Escape`, `Control+S`, `Shift+F10`. */
  async press(key: string): Promise<void> {
    await this.page.keyboard.press(key);
  }

  /* ---------- notifications and dialogs ---------- */

  /** Waits for a notification, wherever it is by now. */
  async notification(match: Match, limit?: number): Promise<Notification> {
    return this.#notifications.find(match, limit);
  }

  /** The notifications in sight. */
  async notifications(): Promise<NotificationState[]> {
    return this.#notifications.visible();
  }

  /** Every text a notification had since the window was opened, in order; progress adds a text a step. */
  async notificationHistory(): Promise<PastNotification[]> {
    return this.#notifications.history();
  }

  /** Closes all notifications in sight. */
  async clearNotifications(): Promise<void> {
    await this.#notifications.clear();
  }

  /** Waits for a modal dialog. */
  async dialog(match?: Match, limit?: number): Promise<Dialog> {
    return findDialog(this.screen, match, limit);
  }

  /* ---------- views ---------- */

  /** Opens a container of the activity bar, such as `Explorer` or `Blue-Green`, and leaves it open if it is. */
  async openView(name: Match): Promise<void> {
    const tab = this.page.locator('.activitybar .composite-bar .action-item');
    await this.screen.until(`the view ${String(name)} to be open`, async () => {
      const all = await tab.evaluateAll((items) =>
        items.map((item) => ({
          // The label ends with the key binding.
          label: (item.querySelector('.action-label')?.getAttribute('aria-label') ?? '').replace(/ \([^)]*\)$/, ''),
          open: item.getAttribute('aria-expanded') === 'true',
        })),
      );
      const index = all.findIndex(({ label }) => matches(name, label));
      if (index === -1) return undefined;
      if (all[index]?.open === true) return true;
      await tab.nth(index).locator('.action-label').click({ timeout: actLimit });
      return undefined;
    });
  }

  /** A tree view by its name. It need not be open yet. */
  tree(name: string): Tree {
    return new Tree(this.screen, name);
  }

  /** Clicks an action in the title of the side bar's view. */
  async viewAction(name: Match): Promise<void> {
    const action = this.page.locator(
      '.part.sidebar .composite.title .action-label, .part.sidebar .pane-header .action-label',
    );
    await this.screen.until(`the action ${String(name)} of the view`, async () => {
      const names = await action.evaluateAll((found) =>
        found.map((element) => element.getAttribute('aria-label') ?? ''),
      );
      const index = names.findIndex((label) => matches(name, label));
      if (index === -1) return undefined;
      // Actions of a view below others show on hovering.
      await action.nth(index).hover({ timeout: actLimit, force: true });
      await action.nth(index).click({ timeout: actLimit });
      return true;
    });
  }

  /** The welcome text of an empty view, as a person reads it, its buttons included. */
  async welcomeText(limit?: number): Promise<string> {
    return this.screen.until(
      'the welcome text of a view',
      async () =>
        (await this.screen.texts(this.page.locator('.part.sidebar .welcome-view-content'))).join('\n') || undefined,
      limit,
    );
  }

  /** The items of the status bar, from left to right. */
  async statusBar(): Promise<parts.StatusItem[]> {
    return parts.statusItems(this.screen);
  }

  /** Waits for an item of the status bar by its text or id. */
  async statusItem(match: Match, limit?: number): Promise<parts.StatusItem> {
    return parts.findStatusItem(this.screen, match, limit);
  }

  /** Clicks an item of the status bar. */
  async clickStatus(match: Match): Promise<void> {
    await parts.clickStatusItem(this.screen, match);
  }

  /** Chooses an item of the context menu of anything but a tree's row. */
  async menu(place: Locator, ...items: readonly Match[]): Promise<void> {
    await this.#openMenu(place);
    await chooseInMenu(this.screen, items);
  }

  /** The items of the context menu of anything but a tree's row. The menu is closed again. */
  async menuItems(place: Locator): Promise<string[]> {
    await this.#openMenu(place);
    return readAndCloseMenu(this.screen);
  }

  async #openMenu(place: Locator): Promise<void> {
    await this.screen.until('a context menu', async () => {
      await place.click({ button: 'right', timeout: actLimit });
      return (await this.screen.perhaps(async () => (await menuItems(this.screen)).length > 0, 1_000)) || undefined;
    });
  }

  /* ---------- editors, output, problems, webviews ---------- */

  /** The tabs of all editor groups. */
  async tabs(): Promise<parts.Tab[]> {
    return parts.tabs(this.screen);
  }

  /** Waits for a tab and makes it the active one. */
  async showTab(match: Match, limit?: number): Promise<parts.Tab> {
    return parts.showTab(this.screen, match, limit);
  }

  /** Opens a file of the workspace in an editor and waits until the cursor is in it. */
  async openFile(path: RowPath): Promise<void> {
    await this.openView('Explorer');
    // A file that comes while VS Code is only beginning to watch the folder shows when that is read anew.
    if (!(await this.explorer.has(path, 10_000))) await this.runCommand('Refresh Explorer');
    await this.explorer.click(path, { double: true });
    const name = typeof path === 'string' || path instanceof RegExp ? path : (path.at(-1) ?? '');
    await this.showTab(name);
    const focused = this.page.locator('.editor-group-container.active .monaco-editor.focused');
    await this.screen.until(`the cursor to be in ${String(name)}`, async () =>
      (await focused.isVisible()) ? true : undefined,
    );
  }

  /** The whole text of the active editor; of a diff, its right side. */
  async text(): Promise<string> {
    return parts.editorText(this.screen);
  }

  /** Asks for suggestions where the cursor is, waits for one of them and reads all. */
  async suggestions(match: Match): Promise<string[]> {
    const rows = this.page.locator('.suggest-widget.visible .monaco-list-row .label-name');
    const found = await this.screen.until(`the suggestion ${String(match)}`, async () => {
      const labels = (await this.screen.texts(rows)).map(plain);
      if (labels.some((label) => matches(match, label))) return labels;
      await this.press('Control+Space');
      await this.screen.perhaps(async () => (await rows.count()) > 0, 2_000);
      return undefined;
    });
    await this.press('Escape');
    return found;
  }

  /** What is told of the word that the cursor is in. */
  async hover(match: RegExp): Promise<string> {
    const box = this.page.locator('.monaco-editor .monaco-hover:visible');
    const told = await this.screen.until(`a hover that tells ${String(match)}`, async () => {
      const text = plain((await this.screen.texts(box)).join('\n'));
      if (match.test(text)) return text;
      await this.runCommand('Show or Focus Hover');
      await this.screen.perhaps(async () => (await box.count()) > 0, 2_000);
      return undefined;
    });
    await this.press('Escape');
    return told;
  }

  /** Opens an output channel and waits until its whole text matches. @returns the text. */
  async output(channel: string, match: RegExp = /^/, limit?: number): Promise<string> {
    // The menu is there twice, for wide and for narrow panels.
    const menu = this.page.locator('.part.panel select[aria-label="Switch Output"]:visible').first();
    if (!(await menu.isVisible())) await this.runCommand('Output: Focus on Output View', limit);
    return this.screen.until(
      `the output of ${channel} to have ${String(match)}`,
      async () => {
        const shown = await menu.evaluate(
          (select) => (select as HTMLSelectElement).selectedOptions[0]?.text,
          undefined,
          {
            timeout: actLimit,
          },
        );
        if (shown !== channel) {
          await menu.selectOption({ label: channel }, { timeout: actLimit });
          return undefined;
        }
        const text = await parts.outputText(this.screen);
        return match.test(text) ? text : undefined;
      },
      limit,
    );
  }

  /** Opens the problems panel and waits until it has `count` of them, at least one if not said. */
  async problems(count?: number, limit?: number): Promise<parts.Problem[]> {
    await this.runCommand('Problems: Focus on Problems View', limit);
    return this.screen.until(
      `${count ?? 'some'} problems`,
      async () => {
        const found = await parts.problems(this.screen);
        return (count === undefined ? found.length > 0 : found.length === count) ? found : undefined;
      },
      limit,
    );
  }

  /** Waits for a webview in sight whose text matches. @returns the frame with the extension's page. */
  async webview(match: RegExp = /\S/, limit?: number): Promise<Frame> {
    return parts.findWebview(this.screen, match, limit);
  }

  /* ---------- the window ---------- */

  /** Puts the cursor of the active editor to a line and column, both from 1. */
  async goTo(line: number, column: number): Promise<void> {
    await this.press('Control+Home');
    for (let down = 1; down < line; down++) await this.press('ArrowDown');
    for (let right = 1; right < column; right++) await this.press('ArrowRight');
  }

  /** Waits until `probe` answers true or with something, with the driver's limit and errors. */
  async until<T>(what: string, probe: () => Promise<T | undefined>, limit?: number): Promise<T> {
    return this.screen.until(what, probe, limit);
  }

  /** Changes the colour theme as a person would, which writes it into the settings, and waits until the window has it. */
  async theme(theme: ColourTheme): Promise<void> {
    // Not by the settings file: once an output channel was shown, VS Code for the web no longer sees it change.
    await this.runCommand('Preferences: Color Theme');
    await this.pick(themeLabels[theme]);
    await this.#themed(theme);
  }

  async #themed(theme: ColourTheme, limit?: number): Promise<void> {
    this.#theme = theme;
    const name = { light: 'vs', dark: 'vs-dark' }[theme as string] ?? theme;
    const window = this.page.locator('.monaco-workbench').first();
    await this.screen.until(
      `the ${theme} theme`,
      async () => ((await window.getAttribute('class'))?.split(' ').includes(name) === true ? true : undefined),
      limit,
    );
  }

  /** Trusts the folder, by the editor that VS Code has for it. */
  async trustFolder(): Promise<void> {
    await this.runCommand('Workspaces: Manage Workspace Trust');
    const button = this.page.locator('.workspace-trust-editor .monaco-button').filter({ hasText: /^Trust$/ });
    await this.screen.until('the folder to be trusted', async () => {
      const restricted = (await parts.statusItems(this.screen)).some(({ text }) => text === 'Restricted Mode');
      if (!restricted) return true;
      await button.click({ timeout: actLimit });
      return undefined;
    });
  }

  /** Closes whatever an earlier step has left open: menus, dialogs, questions, notifications and all editors. */
  async tidy(): Promise<void> {
    const open = this.page.locator('.monaco-dialog-box:visible, .monaco-menu:visible, .quick-input-widget:visible');
    await this.screen.until('menus, dialogs and questions to close', async () => {
      if ((await open.count()) === 0) return true;
      await this.press('Escape');
      return undefined;
    });
    if ((await this.tabs()).length > 0) {
      await this.runCommand('View: Close All Editors');
      await this.screen.until('the editors to close', async () => (await this.tabs()).length === 0 || undefined);
    }
    await this.clearNotifications();
  }

  /** Takes a picture of the window. @returns the file's path. */
  async screenshot(name: string): Promise<string> {
    return this.screen.screenshot(name);
  }

  /** Reloads the window, as after a lost connection, and waits until it can be used. */
  async reload(): Promise<void> {
    await this.screen.go(this.url, startLimit);
    // With nothing open the side bar is closed.
    const usable = new URL(this.url).searchParams.has('ew')
      ? '.activitybar .action-item'
      : '.part.sidebar .monaco-list-row, .part.sidebar .welcome-view-content';
    await this.screen.until(
      'the workbench',
      async () =>
        ((await this.page.locator(usable).first().isVisible()) && (await parts.statusItems(this.screen)).length > 0) ||
        undefined,
      startLimit,
    );
    // The settings come later than the window, which is light until then.
    await this.#themed(this.#theme, startLimit);
  }

  /** Closes the window and its browser. The VS Code behind it goes on. */
  async close(): Promise<void> {
    await this.browser.close();
  }
}
