/** Small helpers around the document. Text goes in as text, never as markup. */

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const created = document.createElement(tag);
  if (className !== '') {
    created.className = className;
  }
  created.append(...children);
  return created;
}

/** Changes an element's text only when it differs: a screen reader is told of every change. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

export function setHidden(target: HTMLElement, hidden: boolean): void {
  target.toggleAttribute('hidden', hidden);
}

export type IconName = 'running' | 'waiting' | 'done' | 'skipped' | 'failed' | 'cancelled' | 'info';

/** Paths on a 16 × 16 grid, drawn with a stroke in the current colour. */
const ICON_PATHS: Readonly<Record<IconName, readonly string[]>> = {
  running: ['M8 1.75a6.25 6.25 0 1 1 -6.25 6.25'],
  waiting: ['M8 3.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0 -9'],
  done: ['M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 1 0 0 -12.5', 'M5.2 8.2l2 2l3.7 -4.2'],
  skipped: ['M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 1 0 0 -12.5', 'M5.2 8h5.6'],
  failed: ['M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 1 0 0 -12.5', 'M5.8 5.8l4.4 4.4', 'M10.2 5.8l-4.4 4.4'],
  info: ['M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 1 0 0 -12.5', 'M8 7.5v3.5', 'M8 5v.1'],
  cancelled: ['M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 1 0 0 -12.5', 'M3.8 3.8l8.4 8.4'],
};

export function svgElement<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number>>,
): SVGElementTagNameMap[K] {
  const created = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) {
    created.setAttribute(name, String(value));
  }
  return created;
}

export function icon(name: IconName): SVGSVGElement {
  const svg = svgElement('svg', { viewBox: '0 0 16 16', class: `icon ${name}`, 'aria-hidden': 'true' });
  svg.append(...ICON_PATHS[name].map((d) => svgElement('path', { d })));
  return svg;
}
