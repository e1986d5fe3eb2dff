/** Lines that a channel keeps. */
export const MAX_LINES = 20_000;
/** Lines by which a channel may grow beyond that before the oldest are dropped: replacing a text is costly. */
const SLACK = 5_000;

/** Collects lines between two writes, and the last ones altogether, so that a channel stays of a bearable length. Pure. */
export class LogBuffer {
  private lines: string[] = [];
  private waiting: string[] = [];

  add(line: string): void {
    this.waiting.push(line);
  }

  /** What is to be written now: appended, or, when the channel has become too long, in the place of all it has. */
  take(): { readonly text: string; readonly replace: boolean } {
    const added = this.waiting;
    this.waiting = [];
    this.lines = this.lines.concat(added);
    const replace = this.lines.length > MAX_LINES + SLACK;
    if (replace) {
      this.lines = this.lines.slice(-MAX_LINES);
    }
    return { text: (replace ? this.lines : added).map((line) => `${line}\n`).join(''), replace };
  }
}
