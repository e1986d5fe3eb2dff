/**
 * `npm run states`: a picture of each state that the Slots view and the panel can be in, in every theme, from
 * deployments to a real host in a real VS Code. For looking at them one by one; they go where the tests' pictures go.
 */
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { ColourTheme } from './vscode';
import { WebSocketClient } from '../machines/webSocketClient';
import { type Editor, openEditor } from './driver';
import { Production } from './production';

const SERVICE = 'shop';
/** Milliseconds for a deployment. */
const DEPLOYED = 240_000;
/** The default one is not the last: VS Code writes no default down, and a window that is reloaded would not have it. */
const THEMES: readonly ColourTheme[] = ['light', 'dark', 'hc-light', 'hc-black'];
const SIZE = { width: 1280, height: 800 };
/** As narrow as a panel beside a file. */
const NARROW = { width: 760, height: 900 };

class States {
  constructor(
    private readonly production: Production,
    private readonly editor: Editor,
  ) {}

  /** The panel and what is around it, through the deployments of a service from its first one on. */
  async deployments(): Promise<void> {
    const { app, host } = this.production;
    await this.editor.openView('Blue-Green');
    await this.take('empty');
    await this.editor.runCommand('Blue-Green: Deploy…');
    await this.editor.quickPick(/deploy shop to/);
    await this.editor.screenshot('state-pick-host');
    await this.editor.dismiss();
    await this.begin('1', {});
    await this.editor.webview(/Read the plan/, DEPLOYED);
    await this.take('plan-first');
    await this.approve();
    await this.ended(/is live on BLUE/);
    await this.take('live-first');
    await this.focusIn('Open Site');

    await this.deployWith('RUN sleep 40\n', async () => {
      await this.editor.webview(/Building the image/, DEPLOYED);
      await this.take('building');
      await this.press('Cancel');
      await this.ended(/Cancelled before anything was touched/);
      await this.take('cancelled');
    });
    await this.deployWith('RUN echo no such thing >&2; exit 7\n', async () => {
      await this.ended(/The build stopped/);
      await this.take('failed-build');
    });

    await this.begin('2', { health: { attempts: 8, path: '/nowhere' } });
    await this.approve();
    await this.ended(/did not become healthy/);
    await this.take('failed-probe');

    await this.begin('2', { build: { args: { WARMUP: '600' } }, health: { attempts: 50 } });
    await this.approve();
    await this.editor.webview(/Tries left before giving up/, DEPLOYED);
    await this.take('probing');
    await this.editor.reload();
    await this.ended(/VS Code was closed or reloaded|was cancelled/);
    await this.editor.openView('Blue-Green');
    await this.take('interrupted');

    rmSync(path.join(app.folder, 'bluegreen.json'));
    await this.production.serve('BLUE');
    const socket = await WebSocketClient.open(new URL('/ws', host.url), 10_000);
    await this.begin('3', { drain: { timeout: '100s' } });
    await this.editor.webview(/Read the plan/, DEPLOYED);
    await this.take('plan');
    await this.approve();
    await this.editor.webview(/The wait for open connections ends in/, DEPLOYED);
    await this.take('draining');
    socket.close();
    await this.ended(/is live on GREEN/);
    const panel = await this.editor.webview(/is live on GREEN/);
    for (const tab of [/Probes/, /nginx/, /Plan/, /Log/]) {
      await panel.getByRole('tab', { name: tab }).click();
      await this.take(`live-${tab.source.toLowerCase()}`);
    }
    await this.editor.page.setViewportSize(NARROW);
    await this.take('narrow');
    await this.editor.page.setViewportSize(SIZE);
  }

  /** The tree at its fullest, what asks and what cannot be reached. */
  async views(): Promise<void> {
    await this.production.serve('BLUE');
    await this.editor.openView('Blue-Green');
    await this.editor.runCommand('Blue-Green: Add Host…');
    await this.editor.pick(/production/);
    await this.editor.tree('Slots').menu(['production', SERVICE], /Remove from Host/);
    const dialog = await this.editor.dialog(/Remove shop/);
    await this.editor.screenshot('state-dialog');
    await dialog.click('Cancel');

    await this.editor.runCommand('Blue-Green: Show What a Deployment Would Do…');
    await this.editor.pick(/This Machine/);
    await this.ended(/This is what a deployment would do/);
    await this.take('plan-local');

    await this.editor.runCommand('Blue-Green: Show What a Deployment Would Do…');
    await this.editor.pick(/Enter a Host/);
    await this.editor.type('nowhere.test');
    await this.editor.notification(/nowhere\.test/);
    await this.take('failed-connection');
    await this.editor.runCommand('Blue-Green: Add Host…');
    await this.editor.pick(/Enter a Host/);
    await this.editor.type('nowhere.test');
    await this.editor.tree('Slots').row(['nowhere.test', /nowhere/]);
    await this.take('tree');
  }

  /** Begins a deployment of a version with these settings. */
  private async begin(version: string, settings: object): Promise<void> {
    const { app } = this.production;
    await this.editor.tidy();
    app.setVersion(version);
    app.write('bluegreen.json', JSON.stringify({ services: { [SERVICE]: settings } }));
    await this.editor.runCommand('Blue-Green: Deploy…');
    await this.editor.pick(/production/);
  }

  /** Deploys with more lines in the Dockerfile. Its plan is skipped: it is what shows them. */
  private async deployWith(lines: string, look: () => Promise<void>): Promise<void> {
    const { app } = this.production;
    const file = path.join(app.folder, 'Dockerfile');
    const good = readFileSync(file, 'utf8');
    app.write('Dockerfile', `${good}${lines}`);
    try {
      await this.begin('2', {});
      await look();
    } finally {
      app.write('Dockerfile', good);
    }
  }

  /** Takes pictures of the keyboard's focus: on a button, a tab and what scrolls. */
  private async focusIn(button: string): Promise<void> {
    for (const theme of THEMES) {
      await this.editor.theme(theme);
      const panel = await this.editor.webview();
      await panel.getByRole('button', { name: button }).focus();
      await this.editor.screenshot(`state-focus-button-${theme}`);
      await panel.getByRole('tab', { name: /Log/ }).focus();
      await this.editor.screenshot(`state-focus-tab-${theme}`);
      await panel.locator('.log').focus();
      await this.editor.screenshot(`state-focus-log-${theme}`);
    }
  }

  private async approve(): Promise<void> {
    const plan = await this.editor.webview(/Read the plan/, DEPLOYED);
    await plan.getByRole('button', { name: 'Deploy' }).click();
  }

  private async press(name: string): Promise<void> {
    await (await this.editor.webview()).getByRole('button', { name }).click();
  }

  private async ended(sentence: RegExp): Promise<void> {
    await this.editor.webview(sentence, DEPLOYED);
  }

  private async take(state: string): Promise<void> {
    for (const theme of THEMES) {
      await this.editor.theme(theme);
      await this.editor.screenshot(`state-${state}-${theme}`);
    }
  }
}

/** @param part The one to look at; both if it is not given. */
async function main(part: string | undefined): Promise<void> {
  if (part !== undefined && part !== 'deployments' && part !== 'views') {
    throw new Error(`There is no part ${part}: there are deployments and views.`);
  }
  const production = await Production.start(SERVICE);
  try {
    const editor = await openEditor(production.vscode, { size: SIZE, limit: 60_000 });
    try {
      const states = new States(production, editor);
      if (part !== 'views') await states.deployments();
      if (part !== 'deployments') await states.views();
    } catch (error) {
      await editor.screenshot('state-error');
      throw error;
    } finally {
      await editor.close();
    }
  } finally {
    await production.stop();
  }
}

main(process.argv[2]).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
