import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { Engine } from './engine';
import { finished } from './engineStreams';

/** The services in test/apps: the example, and those that fail in a way of their own. */
export type AppName = 'uptimer' | 'mixed' | 'instant' | 'never-healthy' | 'crash' | 'broken-build' | 'loopback-only';

/** The folder of a service, with its Dockerfile. */
export function appFolder(app: AppName): string {
  return join(__dirname, '..', 'apps', app);
}

/**
 * Builds a service in an engine under a tag, without the product. `changes` replaces files, as in
 * `{ 'version.txt': '2\n' }`. The engine must have `pythonImage` (see images.ts).
 */
export async function buildApp(
  { docker }: Engine,
  app: AppName,
  tag: string,
  changes: Record<string, string> = {},
): Promise<void> {
  const context = pack();
  for (const name of readdirSync(appFolder(app))) {
    // A fixed time: the same content is the same layer.
    context.entry({ name, mtime: new Date(0) }, changes[name] ?? readFileSync(join(appFolder(app), name)));
  }
  context.finalize();
  await finished(docker, await docker.buildImage(Readable.from(context), { t: tag, forcerm: true }));
}
