/** The one place of the CLI that writes: results to stdout; progress, questions and errors to stderr. */
import type { Style } from './style';
import { styleFor, wantsColours } from './style';

/** What is needed of a stream. `process.stdout` is one; tests bring their own. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
}

/** Milliseconds between two drawings of the live line. */
const REDRAW_MS = 100;
/** Columns of a terminal that does not say, or says 0. */
const UNKNOWN_WIDTH = 80;
const CLEAR_LINE = '\r\x1b[K';

export class Output {
  /** Whether stdout is coloured. */
  readonly colours: boolean;
  /** Styles for stdout. */
  readonly style: Style;
  /** Styles for stderr. */
  readonly progressStyle: Style;
  /** True where a live line can be drawn. */
  readonly isLive: boolean;
  readonly #stdout: Screen;
  readonly #stderr: Screen;
  readonly #broken = new AbortController();
  #drawLive: (() => string) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #shown = false;

  constructor(stdout: Screen, stderr: Screen, environment: Readonly<Record<string, string | undefined>>) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.colours = wantsColours(environment, stdout.isTTY === true);
    this.style = styleFor(this.colours);
    this.progressStyle = styleFor(wantsColours(environment, stderr.isTTY === true));
    this.isLive = stderr.isTTY === true && environment['TERM'] !== 'dumb';
    // A reader that has gone away, as `head` does, ends nothing by itself: a deployment goes on to its end.
    for (const screen of [stdout, stderr]) {
      screen.on('error', () => this.#broken.abort());
    }
  }

  /** Aborted when nobody reads any more. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  /** A line of the result. */
  out(line: string): void {
    this.#write(this.#stdout, line);
  }

  /** A line about the way there. */
  note(line: string): void {
    this.#write(this.#stderr, line);
  }

  /** Keeps one line at the bottom of the terminal up to date until `stopLive`. Nothing without a terminal. */
  startLive(draw: () => string): void {
    this.stopLive();
    if (this.isLive) {
      this.#drawLive = draw;
      this.#timer = setInterval(() => this.#redraw(), REDRAW_MS);
      this.#timer.unref();
    }
  }

  stopLive(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#clear();
    this.#drawLive = undefined;
  }

  /** Runs a question with the live line out of its way. */
  async undisturbed<T>(ask: () => Promise<T>): Promise<T> {
    const draw = this.#drawLive;
    this.stopLive();
    try {
      return await ask();
    } finally {
      if (draw !== undefined) {
        this.startLive(draw);
      }
    }
  }

  #write(screen: Screen, line: string): void {
    this.#clear();
    if (!this.#broken.signal.aborted) {
      screen.write(`${line}\n`);
    }
    this.#redraw();
  }

  #redraw(): void {
    if (this.#drawLive !== undefined && !this.#broken.signal.aborted) {
      const line = cut(this.#drawLive(), (this.#stderr.columns || UNKNOWN_WIDTH) - 1);
      this.#stderr.write(`${CLEAR_LINE}${this.progressStyle.cyan(line)}`);
      this.#shown = true;
    }
  }

  #clear(): void {
    if (this.#shown && !this.#broken.signal.aborted) {
      this.#stderr.write(CLEAR_LINE);
    }
    this.#shown = false;
  }
}

function cut(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`;
}
