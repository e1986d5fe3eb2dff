import assert from 'node:assert/strict';
import { test } from 'node:test';
import { panelState, panelWords } from '../../../src/editor/panelState';
import { isFromPanel, isPanelMemory, isToPanel, PANEL_ACTIONS } from '../../../src/protocol';
import { run } from './samples';

test('the extension takes what the page may say, and nothing else', () => {
  assert.ok(isFromPanel({ type: 'ready' }));
  for (const action of PANEL_ACTIONS) {
    assert.ok(isFromPanel({ type: 'action', run: '1', action }));
  }
  assert.ok(isFromPanel({ type: 'diff', run: '1', path: '/x.conf' }));
  for (const stranger of [
    undefined,
    null,
    'ready',
    [],
    {},
    { type: 'Ready' },
    { type: 'action' },
    { type: 'action', action: 'cancel' },
    { type: 'action', run: '1', action: 'format disk' },
    { type: 'action', run: '1', action: ['cancel'] },
    { type: 'diff', run: '1' },
    { type: 'diff', path: '/x.conf' },
    { type: 'state', state: {} },
  ]) {
    assert.equal(isFromPanel(stranger), false, JSON.stringify(stranger));
  }
});

test('the page takes what the extension says, and nothing else', () => {
  assert.ok(isToPanel({ type: 'words', words: panelWords(), run: '1' }));
  assert.ok(isToPanel({ type: 'state', state: panelState(run(), 'running') }));
  assert.ok(isToPanel({ type: 'log', from: 0, dropped: 0, lines: [] }));
  for (const stranger of [
    null,
    7,
    { type: 'words', words: panelWords() },
    { type: 'state' },
    { type: 'state', state: { stages: [] } },
    { type: 'log', from: '0', dropped: 0, lines: [] },
    { type: 'log', from: 0, dropped: 0 },
    { type: 'ready' },
  ]) {
    assert.equal(isToPanel(stranger), false, JSON.stringify(stranger));
  }
});

test('what a panel remembers across a reload is a run, or nothing', () => {
  assert.ok(isPanelMemory({ run: '1' }));
  assert.ok(isPanelMemory({ run: '1', section: 'probes' }));
  assert.equal(isPanelMemory({ run: '1', section: 'elsewhere' }), false);
  assert.equal(isPanelMemory({ run: 1 }), false);
  assert.equal(isPanelMemory(undefined), false);
});
