import { t } from '../l10n';
import type { Trace, Vertex } from './buildkitTrace';
import { LineCutter } from './multiplex';

const MAX_LINE = 8192;
/** A step of the Dockerfile: `[2/5] RUN …`, `[build 2/5] …`; not `[internal] …`. */
const STEP = /^\[(?:(.*) )?(\d+)\/(\d+)\] /;

/** What BuildKit does to a context that comes as an archive: nothing a person asked for. */
const UNPACKING = /^copy \/context \/$|^\[internal\] load remote build context$/;

export interface BuildLogEvents {
  line(text: string, level: 'info' | 'warning' | 'error'): void;
  steps(done: number, total: number): void;
}

/** Folds BuildKit's traces into the lines a person reads, and counts the steps. */
export class BuildLog {
  readonly #events: BuildLogEvents;
  readonly #vertexes = new Map<string, Vertex>();
  readonly #output = new Map<string, LineCutter>();
  readonly #told = new Set<string>();
  readonly #warnings = new Set<string>();
  #lastSpeaker = '';
  #lastCount = '';

  constructor(events: BuildLogEvents) {
    this.#events = events;
  }

  /** Vertexes that carry an error, in the order they came. */
  get failed(): Vertex[] {
    return [...this.#vertexes.values()].filter((vertex) => vertex.error !== '');
  }

  add(trace: Trace): void {
    for (const vertex of trace.vertexes) {
      this.#vertexes.set(vertex.digest, vertex);
      this.#tell(vertex);
    }
    for (const { vertex, data } of trace.logs) {
      this.#write(vertex, data);
    }
    for (const warning of trace.warnings) {
      if (!this.#warnings.has(warning)) {
        this.#warnings.add(warning);
        this.#events.line(warning, 'warning');
      }
    }
    this.#count();
  }

  #tell(vertex: Vertex): void {
    if (vertex.started && !this.#told.has(vertex.digest) && !UNPACKING.test(vertex.name)) {
      this.#told.add(vertex.digest);
      this.#lastSpeaker = vertex.digest;
      this.#events.line(vertex.cached ? `${vertex.name} (cached)` : vertex.name, 'info');
    }
    if (vertex.completed) {
      for (const line of this.#output.get(vertex.digest)?.end() ?? []) {
        this.#events.line(plain(line), 'info');
      }
      this.#output.delete(vertex.digest);
    }
    if (vertex.error !== '' && !this.#told.has(`${vertex.digest} error`) && !/context canceled/.test(vertex.error)) {
      this.#told.add(`${vertex.digest} error`);
      this.#events.line(`${vertex.name}: ${vertex.error}`, 'error');
    }
  }

  #write(digest: string, data: Buffer): void {
    let cutter = this.#output.get(digest);
    if (cutter === undefined) {
      cutter = new LineCutter(MAX_LINE);
      this.#output.set(digest, cutter);
    }
    for (const line of cutter.push(data)) {
      // Steps run at the same time: who speaks is said again when it was another one before.
      if (digest !== this.#lastSpeaker) {
        this.#lastSpeaker = digest;
        this.#events.line(`${this.#vertexes.get(digest)?.name ?? t('A step')} …`, 'info');
      }
      this.#events.line(plain(line), 'info');
    }
  }

  /** Each stage says how many steps it has in the names of its steps. */
  #count(): void {
    const totals = new Map<string, number>();
    let done = 0;
    for (const { name, completed } of this.#vertexes.values()) {
      const match = STEP.exec(name);
      if (match !== null) {
        totals.set(match[1] ?? '', Number(match[3]));
        done += completed ? 1 : 0;
      }
    }
    const total = [...totals.values()].reduce((sum, steps) => sum + steps, 0);
    const count = `${done}/${total}`;
    if (total > 0 && count !== this.#lastCount) {
      this.#lastCount = count;
      this.#events.steps(Math.min(done, total), total);
    }
  }
}

/** Colours and cursor movements of a program's output are for terminals; of a line written over only the last state is left. */
function plain(line: string): string {
  return (line.split('\r').at(-1) ?? '').replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '');
}
