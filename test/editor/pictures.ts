/**
 * `npm run pictures`: takes the pictures of the README and of the walkthrough from the real thing, a deployment to a
 * real host in a real VS Code, and writes them into media/.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { openEditor } from './driver';
import { Production } from './production';

const media = path.join(__dirname, '../../media');
/** Milliseconds for a deployment. */
const DEPLOYED = 180_000;

async function main(): Promise<void> {
  const production = await Production.start('shop');
  try {
    const { app, vscode } = production;
    const editor = await openEditor(vscode, { size: { width: 1120, height: 680 } });
    try {
      const { page } = editor;
      await editor.openView('Explorer');
      await editor.explorer.click('Dockerfile', { double: true });
      await editor.explorer.openMenu('Dockerfile');
      await take(page, 'walkthrough/dockerfile.png');
      await editor.press('Escape');
      await editor.runCommand('View: Close Editor');
      await editor.openView('Blue-Green');
      await editor.runCommand('Blue-Green: Deploy…');
      await editor.quickPick(/deploy shop to/);
      await take(page, 'walkthrough/host.png');
      for (const [version, slot] of [
        ['1', 'BLUE'],
        ['2', 'GREEN'],
      ] as const) {
        app.setVersion(version);
        if (version === '2') {
          await editor.runCommand('Blue-Green: Deploy…');
        }
        await editor.pick(/production/);
        const plan = await editor.webview(/Read the plan/, DEPLOYED);
        if (version === '2') {
          await editor.clearNotifications();
          await take(page, 'walkthrough/deploy.png');
        }
        await plan.getByRole('button', { name: 'Deploy' }).click();
        await (await editor.notification(new RegExp(`is live on ${slot}`), DEPLOYED)).close();
      }
      const panel = await editor.webview(/is live on GREEN/);
      await panel.getByRole('tab', { name: /Probes/ }).click();
      const slots = editor.tree('Slots');
      await slots.row(['production', 'shop', /^GREEN live/]);
      await take(page, 'readme/deployment.png');
      await slots.openMenu(['production', 'shop']);
      await take(page, 'walkthrough/slots.png');
      await editor.press('Escape');
      await slots.menu(['production', 'shop'], /Roll Back/);
      await (await editor.dialog(/Roll back shop/)).click('Roll Back');
      await (await editor.notification(/is live on BLUE/, DEPLOYED)).close();
      await slots.row(['production', 'shop', /^BLUE live/]);
      await take(page, 'walkthrough/rollback.png');
    } finally {
      await editor.close();
    }
  } finally {
    await production.stop();
  }
}

async function take(page: Page, name: string): Promise<void> {
  const file = path.join(media, name);
  mkdirSync(path.dirname(file), { recursive: true });
  await page.screenshot({ path: file, animations: 'disabled' });
  console.error(`wrote ${path.relative(process.cwd(), file)}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
