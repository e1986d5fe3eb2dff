/** The panel's page by itself, in the browser: what needs no VS Code around it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type Browser, chromium, type Frame, type Page } from 'playwright-core';
import { panelState, panelWords } from '../../src/editor/panelState';
import type { FromPanel, ToPanel } from '../../src/protocol';
import { fold, plan, run } from '../unit/editor/samples';
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
async function openPage(width = 900): Promise<{ around: Page; page: Frame }> {
  const around = await browser.newPage();
  await around.route(`${ORIGIN}/**`, (route) => {
    const { pathname } = new URL(route.request().url());
    const pages: Readonly<Record<string, string>> = {
      '/': `<input><iframe src="/panel" style="width: ${width}px; height: 600px"></iframe>`,
      '/panel': `<!DOCTYPE html><html lang="en"><head><link rel="stylesheet" href="/panel.css"><script>
        window.posted = [];
        window.acquireVsCodeApi = () => ({ postMessage: (it) => posted.push(it), getState() {}, setState() {} });
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

const words: ToPanel = { type: 'words', words: panelWords(), run: run().id };
const planned = run({ snapshot: fold({ type: 'plan', plan }) });

function stateOf(...state: Parameters<typeof panelState>): ToPanel {
  return { type: 'state', state: panelState(...state) };
}

/** What has the keyboard's focus in the page, by its words. */
function focused(page: Frame): Promise<string> {
  return page.evaluate(() => (document.hasFocus() ? (document.activeElement?.textContent ?? '') : 'not the page'));
}

test('a plan that is to be read leaves the keyboard where it is, and puts it at the title when it comes', async () => {
  const { around, page } = await openPage();
  await around.locator('input').focus();
  await send(page, words, stateOf(planned, 'running'), stateOf(planned, 'asking'));
  await page.getByRole('button', { name: 'Deploy' }).waitFor();
  await around.keyboard.type('still here ');
  assert.equal(await around.locator('input').inputValue(), 'still here ');
  await page.evaluate(() => window.focus());
  await page.waitForFunction(() => document.activeElement?.localName === 'h1');
  assert.equal(await focused(page), 'uptimer → prod');
  await around.keyboard.press('Space');
  await around.keyboard.press('Enter');
  assert.deepEqual(await posted(page), []);

  // Nor does a button that goes call it back.
  await page.getByRole('button', { name: 'Deploy' }).focus();
  await around.locator('input').focus();
  await send(page, stateOf(planned, 'running'));
  await page.getByRole('button', { name: 'Deploy' }).waitFor({ state: 'detached' });
  assert.equal(await focused(page), 'not the page');
});

/** The buttons whose press the page has told. */
function posted(page: Frame): Promise<unknown[]> {
  return page.evaluate(() =>
    (window as unknown as { posted: FromPanel[] }).posted.flatMap((it) => (it.type === 'action' ? [it] : [])),
  );
}

test('a double click presses one button once, and Cancel does not move under it', async () => {
  const { page } = await openPage();
  await send(page, words, stateOf(planned, 'asking'));
  const cancel = page.getByRole('button', { name: 'Cancel' });
  const before = await cancel.boundingBox();
  await page.getByRole('button', { name: 'Deploy' }).dblclick();
  assert.deepEqual(await posted(page), [{ type: 'action', run: 'run-1', action: 'approve' }]);
  await send(page, stateOf(planned, 'running'));
  await page.getByRole('button', { name: 'Deploy' }).waitFor({ state: 'detached' });
  assert.deepEqual(await cancel.boundingBox(), before);
});

test('for screen readers and less motion: the stage that runs, a countdown said once, and no turning', async () => {
  const { around, page } = await openPage();
  await around.emulateMedia({ reducedMotion: 'no-preference' });
  const waiting = (left: number): ToPanel =>
    stateOf(
      run({
        snapshot: fold(
          { type: 'stage', stage: 'probe', status: 'running' },
          { type: 'wait', stage: 'probe', left, given: 60 },
        ),
      }),
      'running',
    );
  await send(page, words, waiting(30));
  const current = page.locator('[aria-current]');
  assert.equal(await current.getAttribute('aria-current'), 'step');
  assert.match((await current.textContent()) ?? '', /^Probe/);
  await send(page, waiting(29));
  await page.locator('.hint').getByText('giving up: 29.').waitFor();
  assert.match((await page.locator('.words [aria-live]:not([role])').textContent()) ?? '', /giving up: 30\.$/);

  const turning = (): Promise<string> => current.locator('.icon').evaluate((it) => getComputedStyle(it).animationName);
  assert.equal(await turning(), 'turn');
  await page.evaluate(() => document.body.classList.add('vscode-reduce-motion'));
  assert.equal(await turning(), 'none');
  await page.evaluate(() => document.body.classList.remove('vscode-reduce-motion'));
  await around.emulateMedia({ reducedMotion: 'reduce' });
  assert.equal(await turning(), 'none');
});

test('a tab that is no longer offered gives way: the log, once its plan is made', async () => {
  const { page } = await openPage();
  const made = run({ kind: 'plan', snapshot: fold({ type: 'plan', plan }) });
  await send(page, words, stateOf(made, 'running'));
  await page.getByRole('tab', { name: 'Plan' }).click();
  await page.getByRole('tab', { name: 'Log' }).click();
  await page.getByText('Nothing has been logged.').waitFor();
  await send(page, stateOf({ ...made, over: true }, 'over'));
  await page.locator('.facts').getByText(plan.release).waitFor();
  assert.equal(await page.getByRole('tab', { name: 'Log' }).count(), 0);
});

test('Follow leaves the keyboard in the log', async () => {
  const { page } = await openPage();
  const lines = Array.from({ length: 500 }, () => ({ time: '', source: '', level: 'info' as const, text: 'line' }));
  await send(page, words, stateOf(run(), 'running'), { type: 'log', from: 0, dropped: 0, lines });
  const log = page.getByRole('log');
  await log.evaluate((it) => it.scrollTo(0, 0));
  const follow = page.getByRole('button', { name: 'Follow' });
  await follow.press('Enter');
  await follow.waitFor({ state: 'hidden' });
  assert.ok(await log.evaluate((it) => it === document.activeElement));
});

test('tries: the verdict has the room, and headers that were opened stay open beyond the last try that is kept', async () => {
  // As wide as the panel is beside the tree in a small window.
  const { page } = await openPage(780);
  const tries = (from: number): ToPanel =>
    stateOf(
      run({
        snapshot: fold(
          ...Array.from({ length: 500 }, (_, index) => ({
            type: 'probe' as const,
            slot: 'GREEN' as const,
            probe: {
              attempt: from + index,
              ok: false,
              status: 503,
              ms: 117,
              headers: { server: 'nginx' },
              reason: 'The answer is 503, and 2xx or 3xx is accepted.',
            },
          })),
        ),
      }),
      'running',
    );
  await send(page, words, tries(1));
  await page.getByRole('tab', { name: /Probes/ }).click();
  const newest = page.locator('tbody tr').first();
  await newest.locator('summary').click();
  const row = await newest.elementHandle();
  await send(page, tries(3));
  await page.locator('tbody tr').first().getByText('502', { exact: true }).waitFor();
  assert.equal(await page.locator('tbody tr').count(), 500);
  assert.deepEqual(
    await row.evaluate((it) => [it.isConnected, it.querySelector('details')?.open, it.firstChild?.textContent]),
    [true, true, '500'],
  );
  const [table, verdict] = await Promise.all(
    [page.locator('table'), page.locator('tbody td:last-child').first()].map((it) => it.boundingBox()),
  );
  assert.ok((verdict?.width ?? 0) > (table?.width ?? 0) / 2, `${verdict?.width} of ${table?.width}`);
});
