/** What every part of the driver stands on: the page, waiting with a limit, and errors that say what was on the screen. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Frame, Locator, Page } from 'playwright-core';

/** How a text is named in a test: a string for the exact text, a RegExp for a part of it. */
export type Match = string | RegExp;

/** Whether one of the texts is what was asked for. */
export function matches(match: Match, ...texts: readonly string[]): boolean {
  return texts.some((text) => (typeof match === 'string' ? text === match : match.test(text)));
}

/** How long one click may take, in ms, before the thing to click is looked for anew. Generous, for a busy machine. */
export const actLimit = 3_000;

/** The page with a limit for every wait. */
export class Screen {
  /** What the page and the extension hosts wrote as errors, without what VS Code itself is known to write. */
  readonly consoleErrors: string[] = [];
  #failures = 0;
  #leaving = false;

  constructor(
    readonly page: Page,
    /** How long a wait may take, in ms, where a call says nothing else. */
    readonly limit: number,
    readonly pictures: string,
  ) {
    page.on('console', (message) => {
      if (message.type() === 'error') this.#addError(`${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => this.#addError(error.stack ?? error.message));
  }

  /** Goes to an address. What the page that is left says on its way out is nobody's error. */
  async go(url: string, limit: number): Promise<void> {
    const arrived = (frame: Frame): void => {
      if (frame === this.page.mainFrame()) this.#leaving = false;
    };
    this.#leaving = true;
    this.page.on('framenavigated', arrived);
    try {
      await this.page.goto(url, { timeout: limit });
    } finally {
      this.page.off('framenavigated', arrived);
      this.#leaving = false;
    }
  }

  #addError(text: string): void {
    if (this.#leaving) return;
    // The styling of the console's log lines is not part of the message.
    const plain = text.replace(/^%c\s*|color: #\w+\s*/g, '').trim();
    if (!ownNoise.some((noise) => noise.test(plain))) this.consoleErrors.push(plain);
  }

  /**
   * Asks again and again until `probe` answers with something, at most `limit` ms.
   * Errors of a probe are asked again too: the workbench redraws under the driver's hands.
   * @throws Error naming `what`, the last error, what was on the screen, and a screenshot.
   */
  async until<T>(what: string, probe: () => Promise<T | undefined>, limit = this.limit): Promise<T> {
    const deadline = performance.now() + limit;
    let last: unknown;
    for (let tries = 1; ; tries += 1) {
      try {
        const answer = await probe();
        if (answer !== undefined) return answer;
        last = undefined;
      } catch (error) {
        last = error;
      }
      if (performance.now() > deadline || this.page.isClosed()) break;
      await this.#pause(tries);
    }
    throw await this.failure(`waited ${limit / 1000} s for ${what}`, last);
  }

  /** Like `until`, but not having it is an answer too. */
  async perhaps(probe: () => Promise<boolean>, limit: number): Promise<boolean> {
    const deadline = performance.now() + limit;
    for (let tries = 1; ; tries += 1) {
      if (await probe().catch(() => false)) return true;
      if (performance.now() > deadline) return false;
      await this.#pause(tries);
    }
  }

  /** Longer from try to try: a question to the page keeps the very machine busy whose work is waited for. */
  #pause(tries: number): Promise<void> {
    return this.page.waitForTimeout(Math.min(30 * 1.2 ** tries, 300));
  }

  /** An error that tells a person, who was not there, what was on the screen. */
  async failure(message: string, cause?: unknown): Promise<Error> {
    const parts = [message];
    if (cause instanceof Error) parts.push(`last error: ${cause.message.split('\n')[0] ?? ''}`);
    if (this.page.isClosed()) parts.push('the page is closed');
    else {
      parts.push(`on the screen:\n${await this.describe()}`);
      if (this.consoleErrors.length > 0) parts.push(`console errors:\n${indent(this.consoleErrors.slice(-5))}`);
      const picture = await this.screenshot(`failure-${++this.#failures}`).catch(() => undefined);
      if (picture !== undefined) parts.push(`screenshot: ${picture}`);
    }
    return new Error(parts.join('\n'), { cause });
  }

  /** The visible texts of each part of the workbench. */
  async describe(): Promise<string> {
    const lines: string[] = [];
    for (const [name, selector] of Object.entries(landmarks)) {
      const texts = await this.texts(this.page.locator(selector)).catch(() => []);
      if (texts.length > 0) lines.push(`  ${name}:`, indent(texts.slice(0, 15), '    '));
    }
    return lines.join('\n');
  }

  /** The texts of those of the elements that can be seen, white space made plain. */
  async texts(elements: Locator): Promise<string[]> {
    const texts = await elements.evaluateAll((found) =>
      found.filter((element) => element.checkVisibility()).map((element) => (element as HTMLElement).innerText),
    );
    return texts.map(plain).filter((text) => text !== '');
  }

  /** Takes a picture of the whole window. @returns the file's path. */
  async screenshot(name: string): Promise<string> {
    mkdirSync(this.pictures, { recursive: true });
    const file = path.join(this.pictures, `${name.replace(/[^\w.-]+/g, '-')}.png`);
    await this.page.screenshot({ path: file, animations: 'disabled', caret: 'hide' });
    return file;
  }
}

/** One line, one space between words, and no non-breaking ones. */
export function plain(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** What VS Code for the web writes as errors by itself. */
const ownNoise: readonly RegExp[] = [
  // An optional module that only Microsoft's own builds have.
  /\/vsda\//,
  /authentication provider 'github'/,
  // Its built-in extensions.
  /[`']vscode\.[\w-]+[`']/,
  // A busy machine.
  /Aborted onWillSaveTextDocument-event/,
  // The browser cuts what it loads whenever a network of this machine comes or goes, as those of other tests do.
  /net::ERR_NETWORK_CHANGED/,
  /Failed to fetch\s[^]*readExtensionResource/,
  // A terminal that ends while its size is being told.
  /CodeExpectedError: Could not find pty \d+ on pty host/,
  // Reloading the window.
  /Long running operations during shutdown/,
];

const landmarks: Readonly<Record<string, string>> = {
  dialog: '.monaco-dialog-box',
  menu: '.monaco-menu .action-menu-item',
  'quick input': '.quick-input-titlebar, .quick-input-message, .quick-input-list .monaco-list-row',
  notifications: '.notification-list-item-message, .notification-list-item-buttons-container .monaco-text-button',
  'side bar': '.part.sidebar .title-label, .part.sidebar .monaco-list-row, .part.sidebar .welcome-view-content',
  tabs: '.tabs-container .tab .label-name',
  panel: '.part.panel .title .action-item.checked, .part.panel .monaco-list-row, .part.panel .view-line',
  'status bar': '.statusbar-item',
};

function indent(lines: readonly string[], by = '  '): string {
  return lines.map((line) => by + line).join('\n');
}
