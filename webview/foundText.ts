/**
 * In a browser, VS Code's find selects what it has found and leaves it wherever it is; on the desktop it shows it by
 * itself and selects nothing. Its box is outside of the page, so a selection that changes while the page does not have
 * the focus is what was found.
 */
export function showFoundText(): void {
  document.addEventListener('selectionchange', () => {
    const selection = document.getSelection();
    if (selection !== null && !selection.isCollapsed && !document.hasFocus()) {
      selection.anchorNode?.parentElement?.scrollIntoView({ block: 'center' });
    }
  });
}
