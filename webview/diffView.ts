import type { DiffLine, DiffView as Diff, PanelWords } from '../src/protocol';
import { element, setHidden, setText } from './dom';
import { button } from './ui/toolkit';

const SIGNS: Readonly<Record<DiffLine['kind'], string>> = { added: '+', removed: '−', same: ' ', hunk: '' };

/** What changes in nginx's configuration, as a unified diff. */
export class DiffView {
  readonly element = element('div', 'diff-view');
  private readonly path = element('code', 'path');
  private readonly counts = element('span', 'counts');
  private readonly lines = element('div', 'diff');
  private readonly head: HTMLElement;
  private readonly empty: HTMLElement;
  private shown = '';

  constructor(words: PanelWords, openDiff: () => void) {
    this.empty = element('p', 'empty', words.noDiff);
    this.lines.tabIndex = 0;
    this.lines.setAttribute('role', 'region');
    this.lines.setAttribute('aria-label', words.sections.nginx);
    this.head = element('div', 'diff-head', this.path, this.counts, button(words.openDiff, false, openDiff));
    this.element.append(this.empty, this.head, this.lines);
    this.update(undefined);
  }

  update(diff: Diff | undefined): void {
    setHidden(this.empty, diff !== undefined);
    setHidden(this.head, diff === undefined);
    setHidden(this.lines, diff === undefined);
    const key = JSON.stringify(diff);
    if (diff === undefined || key === this.shown) {
      return;
    }
    this.shown = key;
    setText(this.path, diff.path);
    this.counts.replaceChildren(
      element('span', 'added', `+${diff.added}`),
      ' ',
      element('span', 'removed', `−${diff.removed}`),
    );
    this.lines.replaceChildren(...diff.lines.map(line));
  }
}

function line({ kind, text }: DiffLine): HTMLElement {
  return element('div', `line ${kind}`, element('span', 'sign', SIGNS[kind]), element('span', 'text', text));
}
