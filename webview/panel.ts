/** The panel's page: takes the extension's messages and shows them. It decides nothing. */
import {
  isPanelMemory,
  isToPanel,
  PANEL_SECTIONS,
  type ActionButton,
  type FromPanel,
  type Metric,
  type PanelMemory,
  type PanelSection,
  type PanelState,
  type PanelWords,
} from '../src/protocol';
import './panel.css';
import { DiffView } from './diffView';
import { element, icon, setHidden, setText } from './dom';
import { showFoundText } from './foundText';
import { LogView } from './logView';
import { ProbeTable } from './probeTable';
import { Timeline } from './timeline';
import { TrafficChart } from './trafficChart';
import { badge, button, registerComponents, type Tabs, tabs } from './ui/toolkit';

declare function acquireVsCodeApi(): {
  postMessage(message: FromPanel): void;
  getState(): unknown;
  setState(state: PanelMemory): void;
};

registerComponents();
showFoundText();
const vscode = acquireVsCodeApi();
let page: Page | undefined;

window.addEventListener('message', (event: MessageEvent<unknown>) => {
  const message = event.data;
  if (!isToPanel(message)) {
    return;
  }
  switch (message.type) {
    case 'words':
      page?.stop();
      page = new Page(message.words, recall(message.run));
      document.body.replaceChildren(page.element);
      break;
    case 'state':
      page?.update(message.state);
      break;
    case 'open':
      page?.open(message.section);
      break;
    case 'log':
      page?.log.update(message.from, message.dropped, message.lines);
      break;
  }
});

// The panel was brought to the front with a plan to be read.
window.addEventListener('focus', () => page?.takeFocus());

/** What the person chose for this run before the page was unloaded. From here on it is what is remembered. */
function recall(run: string): PanelMemory {
  const kept = vscode.getState();
  const memory = isPanelMemory(kept) && kept.run === run ? kept : { run };
  vscode.setState(memory);
  return memory;
}

class Page {
  readonly element = element('main');
  readonly log: LogView;
  private readonly title = element('h1');
  private readonly mark = element('span', 'mark');
  private readonly sentence = element('p', 'sentence');
  private readonly hint = element('p', 'hint');
  /** The hint as a screen reader is told of it. */
  private readonly news = element('p', 'unseen');
  private readonly details = element('details', 'details');
  private readonly detailText = element('pre');
  private readonly actions = element('div', 'actions');
  private readonly metrics = element('dl', 'metrics');
  private readonly timeline = new Timeline();
  private readonly stages: HTMLElement;
  private readonly probes: ProbeTable;
  private readonly traffic: TrafficChart;
  private readonly diff: DiffView;
  private readonly planDiff: DiffView;
  private readonly plan = element('dl', 'facts');
  private readonly noPlan = element('p', 'empty');
  private readonly warnings = element('ul', 'warnings');
  private readonly probeCount = badge();
  private readonly tabs: Tabs<PanelSection>;
  private shownSection: PanelSection | undefined;
  private shownActions = '';
  private asks = false;
  private shownPlan = '';
  private shownMetrics = '';

  /** `memory.section` is set once the person has chosen a tab: from then on the page leaves it alone. */
  constructor(
    words: PanelWords,
    private memory: PanelMemory,
  ) {
    this.log = new LogView(words);
    this.probes = new ProbeTable(words);
    this.traffic = new TrafficChart(words);
    const openDiff = (path: string): void => vscode.postMessage({ type: 'diff', run: this.memory.run, path });
    this.diff = new DiffView(words, openDiff);
    this.planDiff = new DiffView(words, openDiff);
    setText(this.noPlan, words.noPlan);
    this.title.tabIndex = -1;
    this.sentence.setAttribute('role', 'status');
    this.sentence.setAttribute('aria-live', 'polite');
    this.news.setAttribute('aria-live', 'polite');
    this.details.append(element('summary', '', words.details), this.detailText);
    this.warnings.setAttribute('aria-label', words.warnings);
    const stagesTitle = element('h2', '', words.stages);
    stagesTitle.id = 'stages';
    this.timeline.element.setAttribute('aria-labelledby', stagesTitle.id);
    this.stages = element('section', 'stages', stagesTitle, this.timeline.element);
    this.stages.setAttribute('aria-labelledby', stagesTitle.id);
    // What scrolls must take the focus, or the keyboard could not scroll it.
    this.stages.tabIndex = 0;
    this.detailText.tabIndex = 0;
    const contents: Readonly<Record<PanelSection, HTMLElement>> = {
      log: this.log.element,
      probes: this.probes.element,
      nginx: this.diff.element,
      plan: element('div', 'plan', this.warnings, this.noPlan, this.plan, this.planDiff.element),
    };
    this.tabs = tabs(
      PANEL_SECTIONS.map((id) => ({
        id,
        label: words.sections[id],
        badge: id === 'probes' ? this.probeCount : undefined,
        content: contents[id],
      })),
      words.details,
      (section) => {
        this.memory = { ...this.memory, section };
        vscode.setState(this.memory);
        this.log.shown();
      },
    );
    const header = element(
      'header',
      '',
      element('div', 'top', this.title, this.actions),
      element('div', 'heading', this.mark, element('div', 'words', this.sentence, this.hint, this.news, this.details)),
      element('div', 'figures', this.metrics, this.traffic.element),
    );
    this.element.append(
      header,
      element('div', 'columns', this.stages, element('section', 'sections', this.tabs.element)),
    );
  }

  update(state: PanelState): void {
    const { heading } = state;
    setText(this.title, state.title);
    this.element.dataset['tone'] = heading.tone;
    this.showMark(heading.tone);
    if (heading.hint === undefined || this.hint.hidden || this.sentence.textContent !== heading.text) {
      // Once: what counts down below the same sentence is not read out each time.
      setText(this.news, heading.hint ?? '');
    }
    setText(this.sentence, heading.text);
    setText(this.hint, heading.hint ?? '');
    setHidden(this.hint, heading.hint === undefined);
    setText(this.detailText, heading.detail ?? '');
    setHidden(this.details, heading.detail === undefined);
    this.showActions(state.actions);
    this.showMetrics(state.metrics);
    this.traffic.update(state.traffic);
    this.timeline.update(state.stages);
    // Who is asked needs the room for the plan.
    setHidden(this.stages, state.stages.length === 0 || state.asks);
    this.probes.update(state.probes);
    setText(this.probeCount, String(state.probes.length));
    setHidden(this.probeCount, state.probes.length === 0);
    this.diff.update(state.diffs);
    this.showPlan(state);
    this.tabs.offer(state.sections);
    const { section: chosen } = this.memory;
    // What was chosen may not be on offer any more: the log of a plan that is made now.
    const section = chosen !== undefined && state.sections.includes(chosen) ? chosen : state.focus;
    if (this.shownSection !== section) {
      this.shownSection = section;
      this.tabs.select(section);
      this.log.shown();
    }
    if (this.asks !== state.asks) {
      this.asks = state.asks;
      this.takeFocus();
    }
  }

  /**
   * Whoever is asked begins at the title, if the keyboard is in the page and at nothing in particular. Not at a button: a
   * key that was meant for something else would press it.
   */
  takeFocus(): void {
    if (this.asks && document.hasFocus() && document.activeElement === document.body) {
      this.title.focus();
    }
  }

  /** Opens a part as if the person had chosen its tab. */
  open(section: PanelSection): void {
    this.memory = { ...this.memory, section };
    vscode.setState(this.memory);
    this.shownSection = section;
    this.tabs.select(section);
    this.log.shown();
  }

  /** Called when another page takes this one's place. */
  stop(): void {
    this.timeline.stop();
  }

  private showMark(tone: PanelState['heading']['tone']): void {
    if (this.mark.dataset['tone'] === tone) {
      return;
    }
    this.mark.dataset['tone'] = tone;
    const marks = { running: 'running', good: 'done', bad: 'failed', neutral: 'info' } as const;
    this.mark.replaceChildren(icon(marks[tone]));
  }

  /**
   * Buttons are made anew only when they change, so that the one with the keyboard's focus keeps it. When it goes, the
   * title gets the focus: right before the new buttons, and pressing Enter once too often does nothing there. A page that
   * the keyboard has left since does not call it back.
   */
  private showActions(actions: readonly ActionButton[]): void {
    const key = JSON.stringify(actions);
    if (key === this.shownActions) {
      return;
    }
    this.shownActions = key;
    if (document.hasFocus() && this.actions.contains(document.activeElement)) {
      this.title.focus();
    }
    this.actions.replaceChildren(
      ...actions.map(({ action, label, primary }) =>
        button(label, primary, () => vscode.postMessage({ type: 'action', run: this.memory.run, action })),
      ),
    );
  }

  private showMetrics(metrics: readonly Metric[]): void {
    const key = JSON.stringify(metrics);
    if (key === this.shownMetrics) {
      return;
    }
    this.shownMetrics = key;
    this.metrics.replaceChildren(
      ...metrics.map(({ label, value, tone }) =>
        element('div', `metric ${tone}`, element('dt', '', label), element('dd', '', value)),
      ),
    );
    setHidden(this.metrics, metrics.length === 0);
  }

  private showPlan(state: PanelState): void {
    this.planDiff.update(state.plan.length === 0 ? [] : state.diffs);
    setHidden(this.planDiff.element, state.plan.length === 0);
    const key = JSON.stringify([state.plan, state.warnings]);
    if (key === this.shownPlan) {
      return;
    }
    this.shownPlan = key;
    this.plan.replaceChildren(
      ...state.plan.flatMap(({ label, value }) => [element('dt', '', label), element('dd', '', value)]),
    );
    setHidden(this.noPlan, state.plan.length > 0);
    this.warnings.replaceChildren(...state.warnings.map((warning) => element('li', '', warning)));
    setHidden(this.warnings, state.warnings.length === 0);
  }
}

vscode.postMessage({ type: 'ready' });
