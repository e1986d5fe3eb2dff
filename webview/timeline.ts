import type { Stage } from '../src/model';
import type { StageRow } from '../src/protocol';
import { element, icon, setHidden, setText } from './dom';

const SECOND_MS = 1000;

/** The stages from top to bottom. Rows stay in place and change; the seconds of the running one are counted here. */
export class Timeline {
  readonly element = element('ol', 'timeline');
  private readonly rows = new Map<Stage, Row>();
  private timer: number | undefined;

  update(stages: readonly StageRow[]): void {
    for (const stage of stages) {
      const row = this.rows.get(stage.stage) ?? this.add(stage.stage);
      row.update(stage);
    }
    setHidden(this.element, stages.length === 0);
    const counting = stages.some((stage) => stage.startedAt !== undefined);
    if (counting && this.timer === undefined) {
      this.timer = window.setInterval(() => this.rows.forEach((row) => row.tick()), SECOND_MS);
    } else if (!counting) {
      this.stop();
    }
  }

  stop(): void {
    window.clearInterval(this.timer);
    this.timer = undefined;
  }

  private add(stage: Stage): Row {
    const row = new Row();
    this.rows.set(stage, row);
    this.element.append(row.element);
    return row;
  }
}

class Row {
  readonly element = element('li', 'stage');
  private readonly mark = element('span', 'mark');
  private readonly label = element('span', 'label');
  private readonly status = element('span', 'unseen');
  private readonly time = element('span', 'time');
  private readonly message = element('div', 'message');
  private readonly progress = element('div', 'progress');
  private readonly bar = element('progress');
  private readonly amount = element('span', 'amount');
  private shown: StageRow['status'] | undefined;
  private startedAt: number | undefined;

  constructor() {
    this.progress.append(this.bar, this.amount);
    this.element.append(
      this.mark,
      element('div', 'body', element('div', 'line', this.label, this.status, this.time), this.message, this.progress),
    );
  }

  update(stage: StageRow): void {
    if (stage.status !== this.shown) {
      this.shown = stage.status;
      this.element.dataset['status'] = stage.status;
      this.mark.replaceChildren(icon(stage.status));
      if (stage.status === 'running') {
        this.element.setAttribute('aria-current', 'step');
      } else {
        this.element.removeAttribute('aria-current');
      }
    }
    setText(this.label, stage.label);
    setText(this.status, `, ${stage.statusText}`);
    setText(this.message, stage.message ?? '');
    setHidden(this.message, stage.message === undefined);
    this.startedAt = stage.startedAt;
    if (stage.startedAt === undefined) {
      setText(this.time, stage.took ?? '');
    } else {
      this.tick();
    }
    setHidden(this.progress, stage.progress === undefined);
    if (stage.progress !== undefined) {
      setText(this.amount, stage.progress.text);
      setHidden(this.bar, stage.progress.fraction === undefined);
      this.bar.value = stage.progress.fraction ?? 0;
      this.bar.setAttribute('aria-label', stage.label);
    }
  }

  tick(): void {
    if (this.startedAt !== undefined) {
      const seconds = Math.max(0, Math.floor((Date.now() - this.startedAt) / SECOND_MS));
      setText(this.time, `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`);
    }
  }
}
