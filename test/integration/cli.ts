/** Runs the built command line program as a person or a CI job does, and reads its events. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeployEvent, DeployResult } from '../../src/model';
import type { Lab } from '../machines/lab';

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../dist/cli.js');

export interface CliOutcome {
  /** -1 when the test killed it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON lines that are events, in order. */
  readonly events: readonly DeployEvent[];
  /** The last line. */
  readonly result: DeployResult | undefined;
}

export interface CliOptions {
  /** The Node that runs it, if not the one of the tests. */
  readonly node?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Sees each event as it comes; may stop the program with the function it gets. */
  readonly onEvent?: (event: DeployEvent, kill: (signal: NodeJS.Signals) => void) => void;
  /** Milliseconds. */
  readonly limit?: number;
}

/**
 * Runs the program to its end, building on the lab's engine and knowing the lab's hosts and keys, nothing of the person
 * who runs the tests. With `--json` among the arguments its lines are read as events.
 */
export function runCli(lab: Lab, args: readonly string[], options: CliOptions = {}): Promise<CliOutcome> {
  const ssh = ['--ssh-config', lab.sshConfigFile, '--identity', lab.identityFile];
  if (!args.includes('--known-hosts')) {
    ssh.push('--known-hosts', lab.knownHostsFile);
  }
  return new Promise((resolve, reject) => {
    const child = spawn(options.node ?? process.execPath, [program, ...ssh, ...args], {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: '1', DOCKER_HOST: `unix://${lab.engine.socketPath}`, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const limit = options.limit ?? 180_000;
    const timer = setTimeout(() => child.kill('SIGKILL'), limit);
    let stdout = '';
    let stderr = '';
    let rest = '';
    const events: DeployEvent[] = [];
    let result: DeployResult | undefined;
    let killed = false;
    const kill = (signal: NodeJS.Signals): void => {
      killed ||= signal === 'SIGKILL';
      child.kill(signal);
    };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
      if (!args.includes('--json')) {
        return;
      }
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const event = JSON.parse(line) as DeployEvent & DeployResult;
        events.push(event);
        if (event.type === 'result') {
          result = event;
        }
        options.onEvent?.(event, kill);
      }
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal === 'SIGKILL' && !killed) {
        reject(new Error(`The program did not end within ${limit / 1000} s.\n${stdout}\n${stderr}`));
      } else {
        resolve({ code: code ?? -1, stdout, stderr, events, result });
      }
    });
  });
}
