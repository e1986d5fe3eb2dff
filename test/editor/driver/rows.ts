/** VS Code's lists and trees. Only the rows in sight are in the page, so that the whole is read by scrolling. */
import type { Locator } from 'playwright-core';
import { actLimit, matches, plain, type Match, type Screen } from './screen';

/** One row of a tree or list, as a person sees it. */
export interface Row {
  readonly label: string;
  /** The paler text behind the label, empty if there is none. */
  readonly description: string;
  /** The second line of a QuickPick item, empty if there is none. */
  readonly detail: string;
  /** Depth in a tree, from 1. */
  readonly level: number;
  /** undefined for a row without children. */
  readonly expanded: boolean | undefined;
  /** undefined for a row without a checkbox. */
  readonly checked: boolean | undefined;
  /** Name of the codicon before the label, such as `rocket`. */
  readonly icon: string | undefined;
  /** What a screen reader says. */
  readonly spoken: string;
  /** Place in the list, from 0, children of expanded rows counted. */
  readonly index: number;
}

/** Where a row is: its label (or label and description), or the labels from the top for one inside others. */
export type RowPath = Match | readonly Match[];

/** A list or tree on the screen. */
export class Rows {
  constructor(
    readonly screen: Screen,
    /** The `.monaco-list` element. */
    readonly list: Locator,
    readonly name: string,
  ) {}

  /** All rows, scrolled through from the top where they are more than fit. */
  async all(): Promise<Row[]> {
    return toRows(await this.list.evaluate(readRows, true, { timeout: actLimit }));
  }

  /** Looks once for a row, expanding those above it. */
  async locate(path: RowPath): Promise<Row | undefined> {
    const steps: readonly Match[] = typeof path === 'string' || path instanceof RegExp ? [path] : path;
    let under: Row | undefined;
    for (const [depth, step] of steps.entries()) {
      const row = within(await this.#candidates(step, under), under).find(
        (candidate) => (under === undefined || candidate.level === under.level + 1) && fits(step, candidate),
      );
      if (row === undefined) return undefined;
      if (depth < steps.length - 1 && row.expanded === false) {
        await this.#toggle(row);
        return undefined;
      }
      under = row;
    }
    return under;
  }

  /** For a row of no other, those in sight are enough if it is among them: reading all takes a scroll. */
  async #candidates(step: Match, under: Row | undefined): Promise<Row[]> {
    const visible = under === undefined ? await this.#visible() : [];
    return visible.some((row) => fits(step, row)) ? visible : this.all();
  }

  /** Waits for a row, expanding those above it. */
  async find(path: RowPath, limit?: number): Promise<Row> {
    return this.screen.until(`the row ${named(path)} in ${this.name}`, () => this.locate(path), limit);
  }

  /** Waits for a row that an act succeeds on. `done` says what the act does, for the error. @returns the row's element. */
  async act(path: RowPath, done: string, act: (element: Locator, row: Row) => Promise<unknown>): Promise<Locator> {
    return this.screen.until(`${named(path)} in ${this.name} to be ${done}`, async () => {
      const row = await this.locate(path);
      if (row === undefined) return undefined;
      const element = await this.element(row);
      return (await act(element, row)) === false ? undefined : element;
    });
  }

  /** The element of a row, scrolled into sight. */
  async element(row: Row): Promise<Locator> {
    await this.list.evaluate(scrollTo, row.index, { timeout: actLimit });
    return this.list.locator(`.monaco-list-row[data-index="${row.index}"]`).first();
  }

  /**
   * Clicks a row, unless the list is drawn anew meanwhile: it then shows another row in the very same element, and a
   * click there would choose that one. @returns whether it was clicked.
   */
  async click(row: Row): Promise<boolean> {
    const entry = (await this.element(row)).locator('.quick-input-list-entry');
    await entry.hover({ timeout: actLimit });
    const { mouse } = this.screen.page;
    const spoken = await this.list.locator('.monaco-list-row:hover').getAttribute('aria-label', { timeout: actLimit });
    if (plain(spoken ?? '') !== row.spoken) return false;
    await mouse.down();
    await mouse.up();
    return true;
  }

  async expand(path: RowPath): Promise<void> {
    await this.#setExpanded(path, true);
  }

  async collapse(path: RowPath): Promise<void> {
    await this.#setExpanded(path, false);
  }

  async #setExpanded(path: RowPath, expanded: boolean): Promise<void> {
    await this.act(path, expanded ? 'expanded' : 'collapsed', async (_element, row) => {
      if (row.expanded === expanded) return true;
      if (row.expanded !== undefined) await this.#toggle(row);
      return false;
    });
  }

  async #toggle(row: Row): Promise<void> {
    const element = await this.element(row);
    await element.locator('.monaco-tl-twistie').click({ timeout: actLimit });
    const is = String(row.expanded !== true);
    await this.screen.perhaps(async () => (await element.getAttribute('aria-expanded')) === is, 500);
  }

  async #visible(): Promise<Row[]> {
    return toRows(await this.list.evaluate(readRows, false, { timeout: actLimit }));
  }
}

/** A path as a person would write it. */
export function named(path: RowPath): string {
  return typeof path === 'string' || path instanceof RegExp ? String(path) : path.map(String).join(' > ');
}

/** Whether a row is the one meant: by its label, its label and description, or its second line. */
export function fits(match: Match, row: Row): boolean {
  return matches(match, row.label, plain(`${row.label} ${row.description}`), row.detail);
}

/** The rows below a row in its tree, or all. */
function within(rows: readonly Row[], under: Row | undefined): readonly Row[] {
  if (under === undefined) return rows;
  const start = rows.findIndex((row) => row.index === under.index) + 1;
  const end = rows.findIndex((row, place) => place >= start && row.level <= under.level);
  return rows.slice(start, end === -1 ? undefined : end);
}

/** What the page tells of a row, as it stands there. */
interface RawRow {
  readonly label: string;
  readonly description: string;
  readonly detail: string;
  readonly level: number;
  readonly expanded: string | null;
  readonly checked: string | null;
  readonly icon: string | undefined;
  readonly spoken: string;
  readonly index: number;
}

function toRows(raw: readonly RawRow[]): Row[] {
  const flag = (value: string | null): boolean | undefined => (value === null ? undefined : value === 'true');
  return raw
    .map((row) => ({
      ...row,
      label: plain(row.label),
      description: plain(row.description),
      detail: plain(row.detail),
      spoken: plain(row.spoken),
      expanded: flag(row.expanded),
      checked: flag(row.checked),
    }))
    .sort((one, other) => one.index - other.index);
}

/* The two functions below run in the page. VS Code scrolls by 50 pixels for a `wheelDelta` of 120, the notch of a wheel. */

/** Reads the rows in sight, or all of them, scrolling from the top to the end and back to where it was. */
async function readRows(list: Element, whole: boolean): Promise<RawRow[]> {
  const content = list.querySelector<HTMLElement>('.monaco-list-rows');
  if (content === null) return [];
  const top = (): number => -Number.parseFloat(content.style.top || '0');
  const turn = async (direction: -1 | 1): Promise<boolean> => {
    const before = top();
    const deltaY = (direction * list.getBoundingClientRect().height * 120) / 50 / 2;
    const init = { deltaY, wheelDeltaY: -deltaY, bubbles: true, cancelable: true };
    content.dispatchEvent(new WheelEvent('wheel', init));
    for (let frame = 0; frame < 10 && top() === before; frame++) await new Promise(requestAnimationFrame);
    return top() !== before;
  };
  const room = (): number =>
    Number.parseFloat(content.style.height || '0') - list.getBoundingClientRect().height - top();
  const rows = new Map<number, RawRow>();
  const read = (): void => {
    for (const row of content.querySelectorAll(':scope > .monaco-list-row')) {
      const text = (selector: string): string => row.querySelector(selector)?.textContent ?? '';
      const icon = [...row.querySelectorAll('[class*="codicon-"]')].find(
        (one) => one.closest('.monaco-tl-twistie, .actions, .monaco-toolbar') === null && one.checkVisibility(),
      );
      const checkbox = row.querySelector('[role="checkbox"], input[type="checkbox"]');
      const index = Number(row.getAttribute('data-index'));
      rows.set(index, {
        label: text('.label-name') + text('.label-suffix') || text('.monaco-tl-contents'),
        description: text('.label-description'),
        detail: text('.quick-input-list-label-meta'),
        level: Number(row.getAttribute('aria-level') ?? 1),
        expanded: row.getAttribute('aria-expanded'),
        checked:
          checkbox?.checkVisibility() === true
            ? (checkbox.getAttribute('aria-checked') ?? String((checkbox as HTMLInputElement).checked))
            : null,
        icon: /codicon-(?!colored|modifier)([\w-]+)/.exec(icon?.getAttribute('class') ?? '')?.[1],
        spoken: row.getAttribute('aria-label') ?? '',
        index,
      });
    }
  };
  const start = top();
  if (whole) while (top() > 0 && (await turn(-1)));
  read();
  if (whole) {
    while (room() >= 1 && (await turn(1))) read();
    while (top() > start && (await turn(-1)));
  }
  return [...rows.values()];
}

/** Scrolls until the row is wholly in sight. */
async function scrollTo(list: Element, index: number): Promise<void> {
  const content = list.querySelector<HTMLElement>('.monaco-list-rows');
  if (content === null) return;
  for (let turns = 0; turns < 1_000; turns++) {
    const frame = list.getBoundingClientRect();
    const rows = [...content.querySelectorAll(':scope > .monaco-list-row')];
    const box = rows.find((one) => Number(one.getAttribute('data-index')) === index)?.getBoundingClientRect();
    if (box !== undefined && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1) return;
    const first = Math.min(...rows.map((one) => Number(one.getAttribute('data-index'))));
    const up = box === undefined ? index < first : box.top < frame.top - 1;
    const before = content.style.top;
    const deltaY = up ? -120 : 120;
    const init = { deltaY, wheelDeltaY: -deltaY, bubbles: true, cancelable: true };
    content.dispatchEvent(new WheelEvent('wheel', init));
    for (let wait = 0; wait < 10 && content.style.top === before; wait++) await new Promise(requestAnimationFrame);
    if (content.style.top === before) return;
  }
}
