import type { PanelWords, ProbeRow } from '../src/protocol';
import { element, icon, setHidden } from './dom';

/** Every try of the new slot, newest first: the last answer is what a waiting person looks for. */
export class ProbeTable {
  readonly element = element('div', 'probes');
  private readonly table = element('table');
  private readonly rows = element('tbody');
  private readonly empty: HTMLElement;
  private shown: readonly ProbeRow[] = [];

  constructor(private readonly words: PanelWords) {
    const head = element('tr');
    for (const title of words.probeColumns) {
      const cell = element('th', '', title);
      cell.scope = 'col';
      head.append(cell);
    }
    this.table.append(element('thead', '', head), this.rows);
    this.empty = element('p', 'empty', words.noProbes);
    this.element.tabIndex = 0;
    this.element.setAttribute('role', 'region');
    this.element.setAttribute('aria-label', words.sections.probes);
    this.element.append(this.empty, this.table);
    this.update([]);
  }

  update(probes: readonly ProbeRow[]): void {
    // Tries are added at the end, and after many of them the first ones go. Rows that stay are left as they are.
    const first = JSON.stringify(probes[0]);
    const gone = this.shown.findIndex((probe) => JSON.stringify(probe) === first);
    const kept = gone < 0 ? 0 : this.shown.length - gone;
    while (this.rows.childElementCount > kept) {
      this.rows.lastElementChild?.remove();
    }
    for (const probe of probes.slice(kept)) {
      this.rows.prepend(this.row(probe));
    }
    this.shown = probes;
    setHidden(this.empty, probes.length > 0);
    setHidden(this.table, probes.length === 0);
  }

  private row(probe: ProbeRow): HTMLElement {
    const verdict = element('span', 'verdict', icon(probe.ok ? 'done' : 'failed'));
    verdict.append(
      element('span', '', probe.ok ? this.words.ok : probe.reason === '' ? this.words.failed : probe.reason),
    );
    return element(
      'tr',
      probe.ok ? 'good' : 'bad',
      element('td', 'number', String(probe.attempt)),
      element('td', '', probe.time),
      element('td', 'number', probe.status),
      element('td', 'number', probe.took),
      element('td', '', verdict, ...this.headers(probe)),
    );
  }

  /** What the service answered besides its status, on demand. */
  private headers({ headers }: ProbeRow): HTMLElement[] {
    if (headers.length === 0) {
      return [];
    }
    const list = element(
      'dl',
      'headers',
      ...headers.flatMap(({ label, value }) => [element('dt', '', label), element('dd', '', value)]),
    );
    return [element('details', 'details', element('summary', '', this.words.headers), list)];
  }
}
