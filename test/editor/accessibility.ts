/** axe-core's rules on a page of ours, as it is at that moment. */
import axe from 'axe-core';
import type { Frame } from 'playwright-core';

/** Everything that axe finds wrong on the page, a line for each element. */
export async function violations(page: Frame): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) {
    await page.evaluate(axe.source);
  }
  return page.evaluate(async () => {
    const { axe: inPage } = window as unknown as { axe: typeof axe };
    // Its preloading would fetch the style sheets, which the page's policy forbids.
    const results = await inPage.run(document, { resultTypes: ['violations'], preload: false });
    return results.violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, html, any, all, none }) => {
        const why = [...any, ...all, ...none].map(({ message }) => message).join('; ');
        return `${id} (${help}) at ${target.join(' ')}: ${html.slice(0, 200)} - ${why}`;
      }),
    );
  });
}
