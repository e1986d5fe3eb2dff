/** What is asked of a build, and what it says while it runs. */
import { t } from '../l10n';
import { type BuildSecret, DeployError } from '../model';
import { StallLimit } from './limits';

export interface BuildSpec {
  /** Folder, absolute. */
  readonly context: string;
  /** File, absolute; may lie outside the context. */
  readonly dockerfile: string;
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
  /** Put on the image. */
  readonly labels: Readonly<Record<string, string>>;
  readonly tag: string;
  /** `linux/amd64`; the engine's own when undefined. */
  readonly platform?: string;
  /** Secrets for `RUN --mount=type=secret`, by their ids. */
  readonly secrets?: Readonly<Record<string, BuildSecret>>;
  /** Lend the ssh agent to `RUN --mount=type=ssh`. */
  readonly ssh?: boolean;
}

export type LogLevel = 'info' | 'warning' | 'error';

export interface BuildEvents {
  log(text: string, level: LogLevel): void;
  step?(done: number, total: number): void;
}

/** A step may compute for long without a word, but not for ever: milliseconds. */
export const SILENCE_LIMIT_MS = 60 * 60_000;

/** The limit for a build that says nothing. */
export function silenceLimit(signal: AbortSignal): StallLimit {
  const tooQuiet = (): DeployError => new DeployError('build', t('The build has said nothing for an hour.'));
  return new StallLimit(signal, SILENCE_LIMIT_MS, tooQuiet);
}
