/** The panel's page. Its only scripts are those with the nonce; nothing is fetched from anywhere but the extension. */

export interface PanelPage {
  readonly language: string;
  readonly title: string;
  readonly scriptUri: string;
  readonly styleUri: string;
  /** The webview's own origin, as `webview.cspSource` gives it. */
  readonly cspSource: string;
  readonly nonce: string;
}

export function panelHtml(page: PanelPage): string {
  const policy = [
    "default-src 'none'",
    // The nonce is for one empty style element, with which the toolkit finds out what the browser can do.
    `style-src ${page.cspSource} 'nonce-${page.nonce}'`,
    `font-src ${page.cspSource}`,
    `script-src 'nonce-${page.nonce}'`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${escapeHtml(page.language)}">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}" />
    <meta property="csp-nonce" content="${escapeHtml(page.nonce)}" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${escapeHtml(page.title)}</title>
    <link rel="stylesheet" href="${escapeHtml(page.styleUri)}" />
    <script nonce="${escapeHtml(page.nonce)}" src="${escapeHtml(page.scriptUri)}" defer></script>
  </head>
  <body></body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
