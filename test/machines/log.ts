/** Takes one line of progress for a person. */
export type Log = (line: string) => void;

/** Progress goes to standard error, so that a test runner's own output stays readable. */
export const toStderr: Log = (line) => {
  process.stderr.write(`${line}\n`);
};

/** Runs one step, and says what it was and how many seconds it took. */
export async function timed<T>(log: Log, what: string, step: () => Promise<T>): Promise<T> {
  const started = performance.now();
  log(`lab: ${what} …`);
  try {
    const result = await step();
    log(`lab: ${what}: ${seconds(started)} s`);
    return result;
  } catch (error) {
    log(`lab: ${what}: failed after ${seconds(started)} s`);
    throw error;
  }
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
