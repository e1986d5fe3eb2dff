import type { LogRow, PanelWords } from '../src/protocol';
import { element, setHidden, setText } from './dom';

/** Lines on the page; the extension keeps as many. */
const MAX_LINES = 20_000;
/** Lines of one block: the browser lays out the blocks in sight only. */
const BLOCK_LINES = 100;
/** Pixels from the end within which a reader counts as reading along. */
const NEAR_END = 24;

/** The log. It follows the end until the person scrolls up, and again once they are back at the end. */
export class LogView {
  readonly element = element('div', 'log-view');
  private readonly lines = element('div', 'log');
  private readonly empty = element('p', 'empty');
  private readonly droppedNote = element('p', 'dropped');
  private readonly toEnd = element('button', 'to-end');
  private following = true;
  private dropped = 0;

  constructor(private readonly words: PanelWords) {
    setText(this.empty, words.noLog);
    setText(this.toEnd, `↓ ${words.follow}`);
    this.lines.tabIndex = 0;
    this.lines.setAttribute('role', 'log');
    // Read out on demand: a build says more than anybody wants to hear.
    this.lines.setAttribute('aria-live', 'off');
    this.lines.setAttribute('aria-label', words.sections.log);
    this.lines.addEventListener('scroll', () => this.scrolled(), { passive: true });
    this.toEnd.type = 'button';
    this.toEnd.addEventListener('click', () => this.scrollToEnd());
    this.element.append(this.droppedNote, this.empty, this.lines, this.toEnd);
    this.show();
  }

  update(from: number, dropped: number, rows: readonly LogRow[]): void {
    if (from === 0) {
      this.lines.replaceChildren();
    }
    rows.forEach((row) => this.lastBlock().append(line(row)));
    while (this.lines.childElementCount > MAX_LINES / BLOCK_LINES) {
      this.lines.firstElementChild?.remove();
    }
    this.dropped = dropped;
    this.show();
    if (this.following) {
      this.scrollToEnd();
    }
  }

  /** Called when the log comes into view: a hidden element has no end to scroll to. */
  shown(): void {
    if (this.following) {
      this.scrollToEnd();
    }
  }

  private lastBlock(): Element {
    const last = this.lines.lastElementChild;
    if (last !== null && last.childElementCount < BLOCK_LINES) {
      return last;
    }
    const block = element('div', 'block');
    this.lines.append(block);
    return block;
  }

  private show(): void {
    const empty = this.lines.childElementCount === 0;
    setHidden(this.empty, !empty);
    setHidden(this.lines, empty);
    setHidden(this.droppedNote, this.dropped === 0);
    setText(
      this.droppedNote,
      this.words.droppedLines.replace('{0}', this.dropped.toLocaleString(document.documentElement.lang)),
    );
    this.offerEnd(!this.following && !empty);
  }

  private scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.lines;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR_END;
    this.offerEnd(!this.following);
  }

  /** The button that goes leaves the keyboard in the log. */
  private offerEnd(offered: boolean): void {
    if (!offered && document.hasFocus() && document.activeElement === this.toEnd) {
      this.lines.focus();
    }
    setHidden(this.toEnd, !offered);
  }

  private scrollToEnd(): void {
    this.lines.scrollTop = this.lines.scrollHeight;
  }
}

function line(row: LogRow): HTMLElement {
  const created = element(
    'div',
    `line ${row.level}`,
    element('span', 'when', row.time),
    element('span', 'source', row.source),
    element('span', 'text', row.text),
  );
  return created;
}
