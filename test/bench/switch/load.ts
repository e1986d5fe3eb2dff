/**
 * Clients in a process of their own, so that they send on while the deployer is at work. Each line on its standard output
 * is a report, the last one when its standard input has ended and every client has finished what it had begun.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Traffic, type TrafficOptions, type TrafficReport } from '../../machines/traffic';

const REPORT_EVERY_MS = 1_000;

/** The other end: {@link Traffic} in another process. */
export class Load {
  private latest: TrafficReport | undefined;

  private constructor(private readonly child: ChildProcess) {}

  static async start(options: TrafficOptions): Promise<Load> {
    const argv = ['--import', 'tsx', fileURLToPath(import.meta.url), JSON.stringify(options)];
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    const load = new Load(child);
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => (load.latest = JSON.parse(line) as TrafficReport));
    await once(lines, 'line');
    return load;
  }

  /** As of the last second. */
  report(): TrafficReport {
    if (this.latest === undefined) {
      throw new Error('The clients have not reported yet.');
    }
    return this.latest;
  }

  async stop(): Promise<TrafficReport> {
    const ended = once(this.child, 'close');
    this.child.stdin?.end();
    await ended;
    return this.report();
  }
}

async function main(options: TrafficOptions): Promise<void> {
  const traffic = Traffic.start(options);
  const say = (report: TrafficReport): void => console.log(JSON.stringify(report));
  const timer = setInterval(() => say(traffic.report()), REPORT_EVERY_MS);
  process.stdin.resume();
  await once(process.stdin, 'end');
  clearInterval(timer);
  say(await traffic.stop());
}

const [program, options] = process.argv.slice(1);
if (program !== undefined && options !== undefined && path.resolve(program) === fileURLToPath(import.meta.url)) {
  main(JSON.parse(options) as TrafficOptions).catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
