import type { ConfigProblem } from '../config/problems';
import { formatProblem } from '../config/problems';
import type { Output } from './output';

/** Oddities of the configuration, said before anything is done. */
export function noteWarnings(output: Output, warnings: readonly ConfigProblem[]): void {
  for (const warning of warnings) {
    output.note(output.progressStyle.yellow(formatProblem(warning)));
  }
}
