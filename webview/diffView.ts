import type { DiffLine, DiffView as Diff, PanelWords } from '../src/protocol';
import { element, setHidden } from './dom';
import { button } from './ui/toolkit';

const SIGNS: Readonly<Record<DiffLine['kind'], string>> = { added: '+', removed: '−', same: ' ', hunk: '' };

/** What changes in nginx's configuration: a unified diff for each file that does. */
export class DiffView {
  readonly element = element('div', 'diff-view');
  private readonly files = element('div', 'files');
  private readonly empty: HTMLElement;
  private shown = '';

  constructor(
    private readonly words: PanelWords,
    private readonly openDiff: (path: string) => void,
  ) {
    this.empty = element('p', 'empty', words.noDiff);
    this.files.tabIndex = 0;
    this.files.setAttribute('role', 'region');
    this.files.setAttribute('aria-label', words.sections.nginx);
    this.element.append(this.empty, this.files);
    this.update([]);
  }

  update(diffs: readonly Diff[]): void {
    setHidden(this.empty, diffs.length > 0);
    setHidden(this.files, diffs.length === 0);
    const key = JSON.stringify(diffs);
    if (key !== this.shown) {
      this.shown = key;
      this.files.replaceChildren(...diffs.map((diff) => this.file(diff)));
    }
  }

  private file({ path, note, lines, added, removed }: Diff): HTMLElement {
    const counts = element(
      'span',
      'counts',
      element('span', 'added', `+${added}`),
      ' ',
      element('span', 'removed', `−${removed}`),
    );
    const open = button(this.words.openDiff, false, () => this.openDiff(path));
    open.setAttribute('aria-label', `${this.words.openDiff}: ${path}`);
    return element(
      'section',
      'file',
      element(
        'div',
        'diff-head',
        element('code', 'path', path),
        ...(note === undefined ? [] : [element('span', 'note', note)]),
        counts,
        open,
      ),
      element('div', 'diff', ...lines.map(line)),
    );
  }
}

function line({ kind, text }: DiffLine): HTMLElement {
  return element('div', `line ${kind}`, element('span', 'sign', SIGNS[kind]), element('span', 'text', text));
}
