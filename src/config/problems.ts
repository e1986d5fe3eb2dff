import type { SourcePosition } from '../model';
import { t } from '../l10n';
import { DeployError } from '../model';

/** Something wrong in a file of the configuration, at a place in it. */
export interface ConfigProblem {
  readonly severity: 'error' | 'warning';
  /** One sentence, without any value that may be a secret. */
  readonly message: string;
  /** What would be right. */
  readonly hint: string | undefined;
  /** Where it begins. */
  readonly position: SourcePosition;
  /** Where it ends: the first place behind it, lines and columns from 1. */
  readonly end: SourcePosition;
  /** The service it is about; undefined when it concerns the whole file. */
  readonly service: string | undefined;
  /**
   * `text`: the file itself is wrong. `build`: a context or Dockerfile that it names is not on this machine.
   * `environment`: a variable or env file is not. The last two matter to a deployment of this very service only.
   */
  readonly about: 'text' | 'build' | 'environment';
}

/** Lines and columns of a text, counted from 1; columns in UTF-16 units as editors count them. */
export class Positions {
  readonly #file: string;
  readonly #starts: number[] = [0];

  constructor(file: string, text: string) {
    this.#file = file;
    for (const match of text.matchAll(/\r\n|\r|\n/g)) {
      this.#starts.push(match.index + match[0].length);
    }
  }

  at(offset: number): SourcePosition {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] ?? 0) <= offset) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return { file: this.#file, line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 };
  }
}

/** `file:line:column: message hint`, the form that editors and terminals turn into a link. */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column } = problem.position;
  const hint = problem.hint === undefined ? '' : ` ${problem.hint}`;
  return `${file}:${line}:${column}: ${problem.severity}: ${problem.message}${hint}`;
}

/** All errors as one: the first one's sentence and place, every one in the detail. */
export function problemsError(problems: readonly ConfigProblem[]): DeployError | undefined {
  const errors = problems.filter((problem) => problem.severity === 'error');
  const [first] = errors;
  if (first === undefined) {
    return undefined;
  }
  const more = errors.length - 1;
  const hint = [first.hint, morePart(more)].filter((part) => part !== undefined).join(' ');
  return new DeployError('config', first.message, {
    ...(hint === '' ? {} : { hint }),
    ...(more === 0 ? {} : { detail: errors.map(formatProblem).join('\n') }),
    position: first.position,
  });
}

function morePart(more: number): string | undefined {
  if (more === 0) {
    return undefined;
  }
  return more === 1 ? t('There is 1 more problem.') : t('There are {0} more problems.', more);
}
