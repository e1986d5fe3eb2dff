/** From arguments to an exit code. */
import { version } from '../../package.json';
import { DeployError, EXIT_CODES, toDeployError } from '../model';
import type { Command, HostCommand } from './arguments';
import { parseArguments } from './arguments';
import { deployCommand } from './commands/deploy';
import { logsCommand } from './commands/logs';
import { removeCommand } from './commands/remove';
import { repairCommand } from './commands/repair';
import { statusCommand } from './commands/status';
import { switchCommand } from './commands/switch';
import { helpText } from './help';
import { Interrupt } from './interrupt';
import { failureLine } from './json';
import type { Screen } from './output';
import { Output } from './output';
import type { Terminal } from './questions';
import { TerminalQuestions } from './questions';
import { renderError } from './render';
import type { Session } from './session';

/** What the program meets outside of itself. */
export interface Surroundings {
  readonly stdin: Terminal['input'];
  readonly stdout: Screen;
  readonly stderr: Screen & Terminal['output'];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  /** Ends the program at once. */
  readonly exit: (code: number) => void;
}

/** Runs one command. Returns the exit code; never rejects. */
export async function main(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const { stdout, stderr, environment } = surroundings;
  const output = new Output(stdout, stderr, environment);
  const subject: Session['subject'] = {};
  try {
    const command = parseArguments(argv);
    return isHostCommand(command)
      ? await runOnHost(command, surroundings, output, subject)
      : answerAtOnce(command, output);
  } catch (thrown) {
    const error = withStack(thrown);
    // Cancelling is no error.
    const lines = error.code === 'cancelled' ? [error.message] : renderError(error, output.progressStyle);
    lines.forEach((line) => output.note(line));
    if (argv.includes('--json')) {
      output.out(failureLine(error, subject));
    }
    return EXIT_CODES[error.code];
  }
}

type AnsweredCommand = Exclude<Command, HostCommand>;

function isHostCommand(command: Command): command is HostCommand {
  return command.command !== 'help' && command.command !== 'version';
}

function answerAtOnce(command: AnsweredCommand, output: Output): number {
  output.out(command.command === 'version' ? version : helpText(command.topic));
  return 0;
}

async function runOnHost(
  command: HostCommand,
  { stdin, stderr, environment, folder, exit }: Surroundings,
  output: Output,
  subject: Session['subject'],
): Promise<number> {
  const interrupt = new Interrupt(output, exit, command.command !== 'logs');
  const stopListening = interrupt.listen();
  const questions = new TerminalQuestions({ input: stdin, output: stderr }, output, interrupt.trigger, command.yes);
  const session: Session = { output, questions, signal: interrupt.signal, folder, environment, subject };
  try {
    switch (command.command) {
      case 'deploy':
      case 'plan':
        return await deployCommand(session, command);
      case 'status':
        return await statusCommand(session, command);
      case 'rollback':
      case 'switch':
        return await switchCommand(session, command);
      case 'repair':
        return await repairCommand(session, command);
      case 'logs':
        return await logsCommand(session, command);
      case 'remove':
        return await removeCommand(session, command);
    }
  } finally {
    stopListening();
  }
}

/** An error that nobody foresaw is shown with its origin: it is a fault of this program. */
function withStack(thrown: unknown): DeployError {
  if (thrown instanceof DeployError || !(thrown instanceof Error)) {
    return toDeployError(thrown);
  }
  const error = toDeployError(thrown);
  return error.code !== 'internal' || thrown.stack === undefined
    ? error
    : new DeployError('internal', error.message, { detail: thrown.stack, cause: thrown });
}
