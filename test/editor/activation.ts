import type { Editor } from './driver';

/** What VS Code itself measured of the extension's activation, in milliseconds. */
export async function activationMs(editor: Editor): Promise<number> {
  await editor.runCommand('Developer: Show Running Extensions');
  const list = editor.page.locator('.runtime-extensions-editor');
  const row = list.locator('.extension').filter({ hasText: 'Blue-Green' }).first();
  return editor.until('the activation time', async () => {
    if (!(await row.isVisible())) {
      // The slowest come first.
      await list.hover();
      await editor.page.mouse.wheel(0, 200);
      return undefined;
    }
    const ms = /Activation: (\d+)ms/.exec(await row.innerText())?.[1];
    return ms === undefined ? undefined : Number(ms);
  });
}
