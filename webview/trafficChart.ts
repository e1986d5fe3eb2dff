import type { PanelWords, TrafficView } from '../src/protocol';
import { element, setHidden, setText, svgElement } from './dom';

const WIDTH = 240;
const HEIGHT = 36;
/** A failed request among many must still be seen. */
const MIN_FAILED = 4;

/** The requests through nginx during the switch as bars, those that failed hanging from the top. */
export class TrafficChart {
  readonly element = element('figure', 'traffic');
  private readonly svg = svgElement('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    // Where there is less room the bars are narrower, not smaller.
    preserveAspectRatio: 'none',
    role: 'img',
  });
  private readonly caption = element('figcaption');
  private shown = '';

  constructor(words: PanelWords) {
    setText(this.caption, words.traffic);
    this.element.append(this.svg, this.caption);
    this.update(undefined);
  }

  update(traffic: TrafficView | undefined): void {
    setHidden(this.element, traffic === undefined);
    const key = JSON.stringify(traffic);
    if (traffic === undefined || key === this.shown) {
      return;
    }
    this.shown = key;
    this.svg.setAttribute('aria-label', traffic.text);
    const most = Math.max(1, ...traffic.bars.map(({ sent }) => sent));
    const step = WIDTH / traffic.bars.length;
    this.svg.replaceChildren(
      ...traffic.bars.flatMap(({ sent, failed }, index) => {
        const at = { x: index * step, width: step - 1 };
        const height = (sent / most) * HEIGHT;
        const lost = Math.max(MIN_FAILED, (failed / most) * HEIGHT);
        const bars = [svgElement('rect', { class: 'sent', ...at, y: HEIGHT - height, height })];
        return failed === 0 ? bars : [...bars, svgElement('rect', { class: 'failed', ...at, y: 0, height: lost })];
      }),
    );
  }
}
