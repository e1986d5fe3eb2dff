import { constants } from 'node:os';

type Task = () => void | Promise<void>;

const tasks: Task[] = [];
let listening = false;
let ending: Promise<void> | undefined;

/**
 * Runs a task when this process ends: on Ctrl-C, SIGTERM, SIGHUP, an uncaught error, or when nothing
 * is left to do. The newest task runs first. After `process.exit` only what a task does without
 * waiting is done. What this returns takes the task off the list again.
 * (An end by SIGKILL is seen to by engine-keeper.sh and by the next lab's start.)
 */
export function atEnd(task: Task): () => void {
  listen();
  tasks.push(task);
  return () => {
    const place = tasks.indexOf(task);
    if (place >= 0) tasks.splice(place, 1);
  };
}

function listen(): void {
  if (listening) return;
  listening = true;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      void runAll().finally(() => process.exit(128 + constants.signals[signal]));
    });
  }
  process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
    // Ctrl-C also ended the program that our output goes to, `tee` say. Saying so would fail in the same way.
    if (error.code === 'EPIPE') return;
    // A test runner has its own listener: it reports the error, goes on, and its hooks clean up.
    if (process.listenerCount('uncaughtException') > 1) return;
    console.error(error);
    void runAll().finally(() => process.exit(1));
  });
  process.on('exit', () => {
    for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) void task();
  });
  process.on('beforeExit', () => {
    if (tasks.length > 0) void runAll();
  });
}

function runAll(): Promise<void> {
  ending ??= (async () => {
    for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
      try {
        await task();
      } catch (error) {
        console.error(error);
      }
    }
    ending = undefined;
  })();
  return ending;
}
