import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { mustRun, run } from '../machines/command';

export interface DesktopOptions {
  /** The folder that is opened as the workspace. */
  readonly folder: string;
  readonly vsix: string;
  /** User settings. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Everything that VS Code writes goes into this folder, nothing into the person's own. */
  readonly data: string;
  /** Environment of VS Code. */
  readonly env: NodeJS.ProcessEnv;
}

/** Opens desktop VS Code with the extension. False where there is none, or none that starts: for root it does not. */
export async function openDesktop({ folder, vsix, settings, data, env }: DesktopOptions): Promise<boolean> {
  const version = await run('code', ['--version'], { env }).catch(() => undefined);
  if (version?.code !== 0) {
    return false;
  }
  const user = path.join(data, 'user');
  mkdirSync(path.join(user, 'User'), { recursive: true });
  writeFileSync(path.join(user, 'User/settings.json'), JSON.stringify(settings));
  const places = ['--user-data-dir', user, '--extensions-dir', path.join(data, 'extensions')];
  await mustRun('code', [...places, '--install-extension', vsix], { env });
  await mustRun('code', [...places, '--disable-workspace-trust', '--new-window', folder], { env });
  return true;
}
