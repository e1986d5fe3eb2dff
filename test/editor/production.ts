/** A production machine, an app to deploy to it, and a VS Code that knows both: what the editor's tests, pictures and bench begin with. */
import type { SlotName } from '../../src/model';
import { type App, containers, copyApp, get } from '../integration/fixtures';
import { runCli } from '../integration/cli';
import type { Host } from '../machines/host';
import { type Lab, startLab } from '../machines/lab';
import { packExtension } from './package';
import { startVsCode, type VsCode } from './vscode';

/** What each slot runs whenever `serve` has seen to it. */
const VERSIONS: Readonly<Record<SlotName, string>> = { BLUE: '1', GREEN: '2' };

export class Production {
  private constructor(
    readonly lab: Lab,
    readonly host: Host,
    readonly app: App,
    readonly vsix: string,
    readonly vscode: VsCode,
    private readonly service: string,
  ) {}

  /** @param service The service's name. */
  static async start(service = 'uptimer'): Promise<Production> {
    const vsix = await packExtension();
    const lab = await startLab();
    try {
      const host = await (await lab.host({ engine: '28.5', name: 'production', prepared: true })).dockerReady();
      const app = copyApp('uptimer', service);
      app.setVersion(VERSIONS.BLUE);
      const vscode = await startVsCode({
        folder: app.folder,
        vsix,
        trust: true,
        env: { DOCKER_HOST: `unix://${lab.engine.socketPath}`, SSH_AUTH_SOCK: '' },
        machineSettings: {
          'blueGreen.sshConfigFile': lab.sshConfigFile,
          'blueGreen.knownHostsFile': lab.knownHostsFile,
          'blueGreen.identityFiles': [lab.identityFile],
        },
      });
      return new Production(lab, host, app, vsix, vscode, service);
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /**
   * Sees to it that both slots are there, BLUE with version 1 and GREEN with version 2, and that `live` serves: by the
   * command line, where what was there before left something else.
   */
  async serve(live: SlotName): Promise<void> {
    if (await this.serves(live)) {
      return;
    }
    if (await this.serves(live === 'BLUE' ? 'GREEN' : 'BLUE')) {
      await this.cli('rollback', this.service);
      if (await this.serves(live)) {
        return;
      }
    }
    await this.cli('repair');
    await this.cli('remove', this.service, '--yes');
    for (const slot of ['BLUE', 'GREEN'] as const) {
      this.app.setVersion(VERSIONS[slot]);
      await this.cli('deploy');
    }
    if (live === 'BLUE') {
      await this.cli('rollback', this.service);
    }
    if (!(await this.serves(live))) {
      throw new Error(`${live} could not be made live: ${(await containers(this.host)).join(', ')}`);
    }
  }

  async stop(): Promise<void> {
    await this.vscode.stop();
    this.app.remove();
    await this.lab.stop();
  }

  private async serves(live: SlotName): Promise<boolean> {
    const state = (slot: SlotName): string => `${this.service}_${slot} ${slot === live ? 'running' : 'exited'}`;
    const wanted = ['reverse-proxy running', state('BLUE'), state('GREEN')].sort();
    if ((await containers(this.host)).join() !== wanted.join()) {
      return false;
    }
    const answer = await get(this.host).catch(() => undefined);
    return answer?.text.startsWith(`uptimer ${VERSIONS[live]} `) === true;
  }

  /** How it ends is seen on the host. */
  private async cli(command: string, ...args: readonly string[]): Promise<void> {
    await runCli(this.lab, [command, ...args, '--host', this.host.name], { cwd: this.app.folder });
  }
}
