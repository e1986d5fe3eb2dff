import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import { Patience } from '../engine/patience';
import { foldEvent } from '../engine/snapshot';
import { cancelledError, type DeployEvent } from '../model';
import { forHistory, isKeptRun, type KeptRun, type RunPhase, sortOut } from './history';

const HISTORY_KEY = 'blueGreen.history';

/** One deployment, rollback or plan, under way or over. Everything shown of it comes from `snapshot`. */
export interface RunRecord extends KeptRun {
  /** Ends the run when aborted; undefined for a run that is over. */
  readonly abort: AbortController | undefined;
  /** By which a wait of the run is made longer. */
  readonly patience: Patience;
  /** Set while the run waits until the person has read its plan: `true` lets it go on. */
  readonly answer: ((goOn: boolean) => void) | undefined;
  /** True for a run of an earlier window. */
  readonly earlier: boolean;
}

/** What a run is begun for. */
export type RunSubject = Pick<RunRecord, 'kind' | 'service' | 'host' | 'origin' | 'to'>;

export function phaseOf(run: RunRecord): RunPhase {
  if (run.abort === undefined) {
    return run.earlier ? 'earlier' : 'over';
  }
  return run.answer === undefined ? 'running' : 'asking';
}

/**
 * All runs of this window and the last ones of earlier windows. Events are folded here, once; panel, tree,
 * notifications and log read the same snapshot and so cannot disagree.
 */
export class RunStore implements vscode.Disposable {
  private readonly runs = new Map<string, RunRecord>();
  private readonly changed = new vscode.EventEmitter<RunRecord>();
  private isShown: (id: string) => boolean = () => false;
  private readonly happened = new vscode.EventEmitter<{ run: RunRecord; event: DeployEvent }>();
  readonly onDidChange = this.changed.event;
  /** Every event once, for the log. */
  readonly onEvent = this.happened.event;

  constructor(private readonly memory: vscode.Memento) {
    for (const kept of this.kept()) {
      this.runs.set(kept.id, { ...kept, abort: undefined, patience: new Patience(), answer: undefined, earlier: true });
    }
  }

  /** A run that is shown somewhere is not forgotten, however many came after it. */
  keepShown(isShown: (id: string) => boolean): void {
    this.isShown = isShown;
  }

  get(id: string): RunRecord | undefined {
    return this.runs.get(id);
  }

  /** Newest first. */
  all(): RunRecord[] {
    return [...this.runs.values()].sort((a, b) => b.startedAt - a.startedAt);
  }

  active(): RunRecord[] {
    return this.all().filter((run) => run.abort !== undefined);
  }

  activeOn(service: string, host: string): RunRecord | undefined {
    return this.active().find((run) => run.service === service && run.host === host);
  }

  begin(subject: RunSubject): RunRecord {
    const run: RunRecord = {
      ...subject,
      id: randomUUID(),
      startedAt: Date.now(),
      snapshot: undefined,
      over: false,
      abort: new AbortController(),
      patience: new Patience(),
      answer: undefined,
      earlier: false,
    };
    this.put(run);
    this.save();
    return run;
  }

  /** Folds one event into the run's snapshot. */
  fold(id: string, event: DeployEvent): void {
    const run = this.runs.get(id);
    if (run === undefined) {
      return;
    }
    const next = { ...run, snapshot: foldEvent(run.snapshot, event) };
    this.put(next);
    this.happened.fire({ run: next, event });
    if (event.type === 'stage') {
      // A window can close at any moment: what is kept then tells how far the run had come.
      this.save();
    }
  }

  end(id: string): void {
    const run = this.runs.get(id);
    if (run !== undefined) {
      this.put({ ...run, abort: undefined, answer: undefined, over: true });
      this.save();
    }
  }

  /** Holds a run until the person has read its plan. False when they decline or cancel. */
  ask(id: string): Promise<boolean> {
    return new Promise((resolve) => {
      const run = this.runs.get(id);
      const signal = run?.abort?.signal;
      if (run === undefined || signal === undefined || signal.aborted) {
        resolve(false);
        return;
      }
      const answer = (goOn: boolean): void => {
        const now = this.runs.get(id);
        if (now?.answer !== undefined) {
          this.put({ ...now, answer: undefined });
          resolve(goOn);
        }
      };
      signal.addEventListener('abort', () => answer(false), { once: true });
      this.put({ ...run, answer });
    });
  }

  /** Cancels a run; its end is reported by the run itself. */
  cancel(id: string): void {
    this.runs.get(id)?.abort?.abort(cancelledError());
  }

  dispose(): void {
    for (const run of this.active()) {
      this.cancel(run.id);
    }
    this.changed.dispose();
    this.happened.dispose();
  }

  private put(run: RunRecord): void {
    this.runs.set(run.id, run);
    this.changed.fire(run);
  }

  private kept(): KeptRun[] {
    const stored: unknown = this.memory.get(HISTORY_KEY);
    return Array.isArray(stored) ? stored.filter(isKeptRun) : [];
  }

  private save(): void {
    const { stored, forgotten } = sortOut(this.all(), (run) => run.abort !== undefined || this.isShown(run.id));
    forgotten.forEach(({ id }) => this.runs.delete(id));
    void this.memory.update(HISTORY_KEY, stored.map(forHistory));
  }
}
