/**
 * Messages between the panel's page and the extension. The extension sends what is to be seen, ready in words and
 * numbers; the page shows it and reports what the person pressed. Either side refuses a message it does not know.
 *
 * Order: the page says `ready` each time it has loaded (VS Code unloads a hidden page). The answer is one `words`, one
 * `state` and one `log` from line 0; the same follows when the panel turns to another run. While the page stays
 * visible, further `state` messages are complete, and further `log` messages carry the new lines only.
 */
import type { Stage, StageStatus } from './model';

/* ---------- what the person can press ---------- */

export const PANEL_ACTIONS = [
  'approve',
  'decline',
  'cancel',
  'keepWaiting',
  'deploy',
  'repeat',
  'rollback',
  'openSite',
  'showLog',
  'containerLogs',
  'lastLines',
  'openSource',
] as const;
export type PanelAction = (typeof PANEL_ACTIONS)[number];

export type FromPanel =
  /** The page has loaded and shows nothing yet. */
  | { readonly type: 'ready' }
  /** A button was pressed while the page showed `run`. */
  | { readonly type: 'action'; readonly run: string; readonly action: PanelAction }
  /** One file of nginx is to be shown in VS Code's own diff editor. */
  | { readonly type: 'diff'; readonly run: string; readonly path: string };

/* ---------- what the page shows ---------- */

export type Tone = 'running' | 'good' | 'bad' | 'neutral';

export interface Heading {
  readonly tone: Tone;
  /** One sentence: the current stage, or how it ended. */
  readonly text: string;
  /** What to do next. */
  readonly hint: string | undefined;
  /** The raw words of Docker, nginx or ssh. */
  readonly detail: string | undefined;
}

export interface StageRow {
  readonly stage: Stage;
  readonly label: string;
  readonly status: StageStatus | 'waiting';
  /** The status in a word, for screen readers. */
  readonly statusText: string;
  readonly message: string | undefined;
  /** How long it took, in words; undefined while it runs. */
  readonly took: string | undefined;
  /** Milliseconds since the epoch, while it runs: the page counts the seconds itself. */
  readonly startedAt: number | undefined;
  readonly progress: ProgressView | undefined;
}

export interface ProgressView {
  /** 0 to 1; undefined when the total is not known. */
  readonly fraction: number | undefined;
  readonly text: string;
}

export interface Metric {
  readonly label: string;
  readonly value: string;
  readonly tone: Tone;
}

export interface Fact {
  readonly label: string;
  readonly value: string;
}

/** The counted requests as they went on. */
export interface TrafficView {
  /** Requests in equal parts of the time, oldest first; `failed` of them failed. */
  readonly bars: readonly { readonly sent: number; readonly failed: number }[];
  /** The whole in a sentence. */
  readonly text: string;
}

export interface ProbeRow {
  readonly attempt: number;
  readonly time: string;
  readonly ok: boolean;
  readonly status: string;
  readonly took: string;
  readonly reason: string;
  readonly headers: readonly Fact[];
}

export type DiffLine = { readonly kind: 'same' | 'added' | 'removed' | 'hunk'; readonly text: string };

/** What changes in one file of nginx. */
export interface DiffView {
  readonly path: string;
  /** Set for a file that comes or goes as a whole. */
  readonly note: string | undefined;
  readonly lines: readonly DiffLine[];
  readonly added: number;
  readonly removed: number;
}

export interface ActionButton {
  readonly action: PanelAction;
  readonly label: string;
  readonly primary: boolean;
}

export interface PanelState {
  /** `uptimer → prod` */
  readonly title: string;
  readonly heading: Heading;
  readonly stages: readonly StageRow[];
  readonly metrics: readonly Metric[];
  readonly plan: readonly Fact[];
  readonly warnings: readonly string[];
  readonly probes: readonly ProbeRow[];
  readonly traffic: TrafficView | undefined;
  readonly diffs: readonly DiffView[];
  readonly actions: readonly ActionButton[];
  /** The run waits for an answer. */
  readonly asks: boolean;
  /** The parts that this run has. */
  readonly sections: readonly PanelSection[];
  /** The part worth reading now; the page opens it until the person has chosen one. */
  readonly focus: PanelSection;
}

export const PANEL_SECTIONS = ['log', 'probes', 'nginx', 'plan'] as const;
export type PanelSection = (typeof PANEL_SECTIONS)[number];

export interface LogRow {
  readonly time: string;
  readonly source: string;
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
}

/** The page's own words, in the person's language. */
export interface PanelWords {
  readonly stages: string;
  readonly sections: Readonly<Record<PanelSection, string>>;
  readonly details: string;
  readonly headers: string;
  readonly traffic: string;
  readonly warnings: string;
  readonly probeColumns: readonly [string, string, string, string, string];
  readonly noProbes: string;
  readonly noDiff: string;
  readonly noPlan: string;
  readonly noLog: string;
  readonly openDiff: string;
  readonly follow: string;
  readonly droppedLines: string;
  readonly ok: string;
  readonly failed: string;
}

export type ToPanel =
  | { readonly type: 'words'; readonly words: PanelWords; readonly run: string }
  | { readonly type: 'state'; readonly state: PanelState }
  /** Asked for by a button elsewhere: this part is opened. */
  | { readonly type: 'open'; readonly section: PanelSection }
  /** `from` is the number of the first line given; 0 replaces all. `dropped` earlier lines are no longer kept. */
  | { readonly type: 'log'; readonly from: number; readonly dropped: number; readonly lines: readonly LogRow[] };

/* ---------- guards ---------- */

export function isFromPanel(value: unknown): value is FromPanel {
  if (!isRecord(value)) {
    return false;
  }
  switch (value['type']) {
    case 'ready':
      return true;
    case 'action':
      return typeof value['run'] === 'string' && PANEL_ACTIONS.some((action) => action === value['action']);
    case 'diff':
      return typeof value['run'] === 'string' && typeof value['path'] === 'string';
    default:
      return false;
  }
}

/** The page trusts the extension for the inside of a state; this tells the kinds apart and refuses strangers. */
export function isToPanel(value: unknown): value is ToPanel {
  if (!isRecord(value)) {
    return false;
  }
  switch (value['type']) {
    case 'words':
      return isRecord(value['words']) && typeof value['run'] === 'string';
    case 'state':
      return isRecord(value['state']) && Array.isArray(value['state']['stages']) && isRecord(value['state']['heading']);
    case 'open':
      return PANEL_SECTIONS.some((section) => section === value['section']);
    case 'log':
      return typeof value['from'] === 'number' && typeof value['dropped'] === 'number' && Array.isArray(value['lines']);
    default:
      return false;
  }
}

/** What a page keeps while it is unloaded, and across a reload of the window. */
export interface PanelMemory {
  readonly run: string;
  /** The tab the person has chosen for this run. */
  readonly section?: PanelSection;
}

export function isPanelMemory(value: unknown): value is PanelMemory {
  return (
    isRecord(value) &&
    typeof value['run'] === 'string' &&
    (value['section'] === undefined || PANEL_SECTIONS.some((section) => section === value['section']))
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
