/**
 * The one place that knows the component toolkit. The page speaks in these functions; another toolkit, or none, is a
 * change of this file.
 */
import {
  type Panels,
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodePanels,
  vsCodePanelTab,
  vsCodePanelView,
} from '@vscode/webview-ui-toolkit';

/** Must run before the window's `load` event: that is when the toolkit reads the theme's colours. */
export function registerComponents(): void {
  provideVSCodeDesignSystem().register(vsCodeButton(), vsCodePanels(), vsCodePanelTab(), vsCodePanelView());
}

/** The second click of a double click presses nothing: by then another button may stand in the same place. */
export function button(label: string, primary: boolean, onPress: () => void): HTMLElement {
  const element = document.createElement('vscode-button');
  element.setAttribute('appearance', primary ? 'primary' : 'secondary');
  element.textContent = label;
  element.addEventListener('click', ({ detail }) => {
    if (detail < 2) {
      onPress();
    }
  });
  return element;
}

/** A small number beside a label. Not the toolkit's own: that one sets an inline style, which the page's policy refuses. */
export function badge(): HTMLElement {
  const element = document.createElement('span');
  element.className = 'badge';
  return element;
}

export interface Tab<Id extends string> {
  readonly id: Id;
  readonly label: string;
  /** Shown after the label. */
  readonly badge: HTMLElement | undefined;
  readonly content: HTMLElement;
}

export interface Tabs<Id extends string> {
  readonly element: HTMLElement;
  select(id: Id): void;
  /** Shows these tabs and hides the others. */
  offer(ids: readonly Id[]): void;
}

/** Tabs that arrow keys walk through. `onChange` is called for the person's choices only, not for `select`. */
export function tabs<Id extends string>(list: readonly Tab<Id>[], label: string, onChange: (id: Id) => void): Tabs<Id> {
  const element = document.createElement('vscode-panels') as HTMLElement & Pick<Panels, 'activeid'>;
  element.setAttribute('aria-label', label);
  for (const { id, label: text, badge: mark } of list) {
    const tab = document.createElement('vscode-panel-tab');
    tab.id = `tab-${id}`;
    tab.append(text, ...(mark === undefined ? [] : [' ', mark]));
    element.append(tab);
    // The toolkit names a tab after its first text, for ever; its content says more as soon as the mark has a number.
    requestAnimationFrame(() => tab.removeAttribute('aria-label'));
  }
  for (const { id, content } of list) {
    const view = document.createElement('vscode-panel-view');
    view.id = `view-${id}`;
    view.append(content);
    element.append(view);
  }
  let selected: Id | undefined;
  element.addEventListener('change', (event) => {
    // A change of something inside a tab bubbles up here as well.
    if (event.target !== element) {
      return;
    }
    // The property, not the attribute: that one follows only after this event.
    const active = list.find(({ id }) => `tab-${id}` === element.activeid);
    if (active !== undefined && active.id !== selected) {
      selected = active.id;
      onChange(active.id);
    }
  });
  return {
    element,
    select: (id) => {
      selected = id;
      element.setAttribute('activeid', `tab-${id}`);
    },
    offer: (ids) => {
      for (const { id } of list) {
        element.querySelector(`#tab-${id}`)?.toggleAttribute('hidden', !ids.includes(id));
      }
    },
  };
}
