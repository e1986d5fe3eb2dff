/** The engine in a terminal and in CI. docs/CLI.md describes it. */
import { main } from './cli/main';
import { staySmall } from './cli/memory';

/** Milliseconds that open handles may take to close after the command has ended. */
const CLOSING_LIMIT_MS = 2_000;

staySmall();
void main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  folder: process.cwd(),
  exit: (code) => process.exit(code),
}).then((code) => {
  process.exitCode = code;
  // Output that is still on its way to a pipe is not cut off; a handle that somebody forgot does not keep us for ever.
  setTimeout(() => process.exit(code), CLOSING_LIMIT_MS).unref();
});
