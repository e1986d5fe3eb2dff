/** What the tests of the extension share: a window on a production machine, and what a person does in it again and again. */
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import type { Frame } from 'playwright-core';
import type { App } from '../integration/fixtures';
import type { Host } from '../machines/host';
import { Traffic, type TrafficOptions } from '../machines/traffic';
import { violations } from './accessibility';
import { type Editor, openEditor } from './driver';
import { Production } from './production';

/** Limits in milliseconds: for one deployment, and for anything smaller on a machine that does other work too. */
export const DEPLOYED = 180_000;
const DONE = 60_000;

export class Scene {
  private constructor(
    /** Begins the names of its pictures. */
    readonly name: string,
    readonly production: Production,
    readonly editor: Editor,
  ) {}

  static async open(name: string): Promise<Scene> {
    const production = await Production.start();
    try {
      return new Scene(name, production, await openEditor(production.vscode, { limit: DONE }));
    } catch (error) {
      await production.stop();
      throw error;
    }
  }

  get host(): Host {
    return this.production.host;
  }

  get app(): App {
    return this.production.app;
  }

  async picture(name: string): Promise<void> {
    await this.editor.screenshot(`${this.name}-${name}`);
  }

  /** Clients of the site, who are gone when the step is over, however it ends. */
  startTraffic(t: TestContext, more: Partial<TrafficOptions> = {}): Traffic {
    const traffic = Traffic.start({ url: `${this.host.url}/`, ...more });
    t.after(() => traffic.stop());
    return traffic;
  }

  /** After a failure: ends the deployment that may be under way, and waits until it is taken back. */
  async stopRuns(): Promise<void> {
    const { editor } = this;
    await editor.tidy();
    await editor.until(
      'no deployment to be under way',
      async () => {
        if (!(await editor.commands('Blue-Green: Cancel')).some((title) => title.startsWith('Blue-Green: Cancel'))) {
          return true;
        }
        await editor.runCommand('Blue-Green: Cancel Deployment');
        return undefined;
      },
      DEPLOYED,
    );
  }

  /** Waits until the panel asks whether to go on. */
  readPlan(): Promise<Frame> {
    return this.editor.webview(/Read the plan/, DEPLOYED);
  }

  /** The panel of the newest deployment that succeeded, opened from the history. */
  async shownPanel(): Promise<Frame> {
    const { editor } = this;
    await editor.runCommand('Blue-Green: Show Deployment');
    const list = editor.page.locator('.quick-input-widget:visible');
    const panel = editor.page.locator('iframe.webview.ready:visible');
    // A single one is shown at once.
    await editor.until('a list or a panel', async () => (await list.or(panel).count()) > 0 || undefined);
    if ((await list.count()) > 0) {
      await editor.pick(/is live on/);
    }
    return editor.webview(/is live on/);
  }

  /** Asserts that nothing was logged as an error by the page or the extension host, but for what the steps asked for. */
  assertNothingWrong(asked?: RegExp): void {
    assert.deepEqual(
      this.editor.consoleErrors.filter((text) => asked?.test(text) !== true),
      [],
    );
  }
}

/** A test of the shared window. */
export type Step = (name: string, run: (t: TestContext) => Promise<void>) => void;

/**
 * Opens a scene before the tests of a file and closes it after them. Each step, with a picture of how it ended, begins
 * with nothing open, and says itself what it needs on the host, so that one that fails does not take others with it.
 * @param name Begins the names of the pictures.
 * @param use Gets the scene once it is open, before the first step.
 */
export function playScene(name: string, use: (scene: Scene) => void | Promise<void>): Step {
  let scene: Scene;
  before(async () => {
    scene = await Scene.open(name);
    await use(scene);
  });
  after(async () => {
    await scene.editor.close();
    await scene.production.stop();
  });
  return (title, run) => {
    test(title, { timeout: DEPLOYED * 2 }, async (t) => {
      await scene.editor.tidy();
      try {
        await run(t);
      } catch (error) {
        await scene.picture(title);
        await scene.stopRuns();
        throw error;
      }
      await scene.picture(title);
    });
  };
}

/** Asserts that axe finds nothing wrong on any of the panel's tabs. */
export async function assertAccessible(panel: Frame): Promise<void> {
  const tabs = panel.getByRole('tab');
  await tabs.first().waitFor();
  for (const tab of await tabs.all()) {
    if (await tab.isVisible()) {
      await tab.click();
      assert.deepEqual(await violations(panel), [], `the tab ${await tab.innerText()}`);
    }
  }
}
