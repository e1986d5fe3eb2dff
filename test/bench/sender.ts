/**
 * Our way as a program of its own, so that its memory can be measured: opens the host, brings one image there, and says
 * what it took. With `learn` as the last argument it then does what a deployment does beside its later stages. Bundled by
 * the bench before it runs.
 */
import { staySmall } from '../../src/cli/memory';
import { connectLocalEngine } from '../../src/docker/connect';
import { openHost } from '../../src/engine/host';
import { transferImage } from '../../src/docker/transfer';
import { freeDiskBytes } from '../../src/engine/disk';

export interface SenderResult {
  /** Milliseconds from the beginning of the connection to the final tag. */
  readonly ms: number;
  /** The most memory the process had, in bytes. */
  readonly peakBytes: number;
}

async function main(): Promise<void> {
  const [host = '', reference = '', sshConfigFile = '', knownHostsFile = '', identityFile = '', then] =
    process.argv.slice(2);
  const { signal } = new AbortController();
  const nobody = () => Promise.resolve(undefined);
  const questions = {
    trustHostKey: () => Promise.resolve(false),
    confirm: () => Promise.resolve(false),
    passphrase: nobody,
    password: nobody,
  };
  staySmall();
  const begin = performance.now();
  const files = { sshConfigFile, knownHostsFile, identityFiles: [identityFile] };
  const [source, target] = await Promise.all([connectLocalEngine(signal), openHost(host, files, questions, signal)]);
  const spare: ((signal: AbortSignal) => Promise<void>)[] = [];
  await transferImage(
    source,
    target.engine,
    reference,
    {
      temporaryTag: `blue-green-incoming:bench-${process.pid}`,
      finalTag: reference,
      freeBytes: () => freeDiskBytes(target, signal),
      onProgress: () => undefined,
      onNote: (text) => console.error(text),
      onSpareTime: (work) => spare.push(work),
    },
    signal,
  );
  const ms = performance.now() - begin;
  if (then === 'learn') {
    await Promise.all(spare.map((work) => work(signal)));
  }
  target.close();
  source.close();
  const result: SenderResult = { ms, peakBytes: process.resourceUsage().maxRSS * 1024 };
  console.log(JSON.stringify(result));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
