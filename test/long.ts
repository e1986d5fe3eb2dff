/**
 * `npm test` is to be over while one waits for it: of tests that say the same of another engine, another stage or
 * another fault, it runs some. `npm run test:long` runs all of them.
 */
import { test, type TestContext, type TestOptions } from 'node:test';

/** Set by `npm run test:long` (run.ts). */
export const LONG = 'BLUE_GREEN_LONG';

/** Whether this is `npm run test:long`. */
export const isLong = process.env[LONG] !== undefined;

/** Of cases that are alike, those to run: all, or the ones that `npm test` is content with. */
export function someOf<T>(all: readonly T[], isEnough: (it: T) => boolean): readonly T[] {
  return isLong ? all : all.filter(isEnough);
}

/** A test for `npm run test:long` alone: it shows of something rare what others of its file show of the common. */
export function longTest(name: string, run: (t: TestContext) => Promise<void>, options: TestOptions = {}): void {
  if (isLong) {
    void test(name, options, run);
  }
}
