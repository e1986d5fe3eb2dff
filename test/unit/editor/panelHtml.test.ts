import assert from 'node:assert/strict';
import { test } from 'node:test';
import { panelHtml } from '../../../src/editor/panelHtml';

const page = panelHtml({
  language: 'en',
  title: 'Blue-Green: <img src=x onerror=alert(1)> → "prod"',
  scriptUri: 'https://webview.test/panel.js',
  styleUri: 'https://webview.test/panel.css',
  cspSource: 'https://webview.test',
  nonce: 'bm9uY2U=',
});

test('the page allows nothing but its own style and the script with the nonce', () => {
  const policy = /Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1]?.replaceAll('&#39;', "'");
  assert.equal(
    policy,
    "default-src 'none'; style-src https://webview.test 'nonce-bm9uY2U='; font-src https://webview.test; script-src 'nonce-bm9uY2U='",
  );
  assert.equal(page.match(/<script/g)?.length, 1);
  assert.ok(!/unsafe|style="|onerror="/.test(page));
});

test('a name cannot become markup', () => {
  assert.ok(!page.includes('<img'));
});
