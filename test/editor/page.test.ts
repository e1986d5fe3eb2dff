/** The panel's page by itself, in the browser: what needs no VS Code around it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type Browser, chromium, type Frame, type Page } from 'playwright-core';
import { panelState, panelWords } from '../../src/editor/panelState';
import type { ToPanel } from '../../src/protocol';
import { run } from '../unit/editor/samples';
import { installEditor } from './install';
import { packExtension } from './package';

const webview = path.join(import.meta.dirname, '../../dist/webview');
const LINES = 3_000;
/** No other line has it as a part. */
const SOUGHT = '1234';
/** Nothing is listening there: the browser is answered by the test. */
const ORIGIN = 'http://panel.test';

let browser: Browser;

before(async () => {
  await packExtension();
  const { chromium: executablePath } = await installEditor();
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
});
after(() => browser.close());

/** A window with a field of its own around the page, as VS Code's find has one. */
async function openPage(): Promise<{ around: Page; page: Frame }> {
  const around = await browser.newPage();
  await around.route(`${ORIGIN}/**`, (route) => {
    const { pathname } = new URL(route.request().url());
    const pages: Readonly<Record<string, string>> = {
      '/': '<input><iframe src="/panel" style="width: 900px; height: 600px"></iframe>',
      '/panel': `<!DOCTYPE html><html lang="en"><head><link rel="stylesheet" href="/panel.css"><script>
        window.acquireVsCodeApi = () => ({ postMessage() {}, getState() {}, setState() {} });
        </script><script src="/panel.js" defer></script></head><body></body></html>`,
    };
    const body = pages[pathname];
    return body === undefined
      ? route.fulfill({ path: path.join(webview, pathname) })
      : route.fulfill({ contentType: 'text/html', body });
  });
  await around.goto(`${ORIGIN}/`);
  const page = around.frame({ url: `${ORIGIN}/panel` });
  assert.ok(page !== null);
  await page.waitForLoadState();
  return { around, page };
}

async function send(page: Frame, ...messages: readonly ToPanel[]): Promise<void> {
  await page.evaluate((all) => all.forEach((message) => window.postMessage(message)), messages);
}

test('what is found in a long log comes into sight, although the focus stays in the box of the find', async () => {
  const { around, page } = await openPage();
  const lines = Array.from({ length: LINES }, (_, index) => ({
    time: '09:00:00',
    source: 'build',
    level: 'info' as const,
    text: String(index + 1),
  }));
  await send(
    page,
    { type: 'words', words: panelWords(), run: 'one' },
    { type: 'state', state: panelState(run(), 'running') },
    { type: 'log', from: 0, dropped: 0, lines },
  );
  await page
    .locator('.log .line')
    .nth(LINES - 1)
    .waitFor();
  await around.locator('input').focus();
  // This is how VS Code looks for something in a webview, when it runs in a browser itself.
  assert.ok(await page.evaluate((text) => (window as unknown as { find(text: string): boolean }).find(text), SOUGHT));
  await page.waitForFunction((text) => {
    const box = document.querySelector('.log')?.getBoundingClientRect();
    const found = document.getSelection();
    const at = found?.rangeCount === 1 ? found.getRangeAt(0).getBoundingClientRect() : undefined;
    return (
      box !== undefined && at !== undefined && String(found) === text && at.top >= box.top && at.bottom <= box.bottom
    );
  }, SOUGHT);
});
