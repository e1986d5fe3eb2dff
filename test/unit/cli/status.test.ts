import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { statusLines } from '../../../src/cli/statusTable';
import { styleFor } from '../../../src/cli/style';
import type { HostState, SlotState } from '../../../src/model';

const NOW = 10_000_000_000;

function slot(more: Partial<SlotState>): SlotState {
  return {
    name: 'BLUE',
    container: 'shop_BLUE',
    containerId: 'c1',
    state: 'running',
    health: undefined,
    image: 'shop:r1',
    imageId: 'i1',
    release: 'r1',
    commit: '1a2b3c4',
    person: 'ann@desk',
    deployment: 'd1',
    createdAt: NOW - 3_600_000,
    live: false,
    ...more,
  };
}

const HOST: HostState = {
  host: 'prod',
  engineVersion: '28.5.1',
  imageStore: 'containerd',
  platform: 'linux/amd64',
  proxy: { state: 'running', image: 'nginx:1.30-alpine', nginxVersion: '1.30.6', ports: [80] },
  services: [
    {
      name: 'shop',
      live: 'GREEN',
      route: 'shop.example',
      slots: [
        slot({ state: 'exited' }),
        slot({ name: 'GREEN', health: 'healthy', release: 'r2', live: true, createdAt: NOW - 90_000 }),
      ],
      findings: [],
    },
    {
      name: 'old',
      live: 'BLUE',
      route: 'every host',
      slots: [slot({ live: true, release: undefined, commit: undefined, person: undefined, image: 'old:latest' })],
      findings: [{ code: 'conf-edited', text: 'The configuration was edited\u001b[2J by hand.', remedy: 'person' }],
    },
    { name: 'gone', live: undefined, route: 'gone.example', slots: [], findings: [] },
  ],
  findings: [],
};

describe('status', () => {
  it('is a table', () => {
    assert.equal(
      statusLines(HOST, NOW, styleFor(false)).join('\n'),
      `prod  Docker 28.5.1, linux/amd64, image store containerd
proxy running, nginx 1.30.6 (nginx:1.30-alpine), port 80

SERVICE  ROUTE         SLOT          STATE             RELEASE     COMMIT   AGE   BY
shop     shop.example  BLUE          exited            r1          1a2b3c4  1 h   ann@desk
                       GREEN (live)  running, healthy  r2          1a2b3c4  1 min ann@desk
old      every host    BLUE (live)   running           old:latest  -        1 h   -
  conf-edited: The configuration was edited by hand.
gone     gone.example  none`
        .replace('AGE   BY', 'AGE    BY')
        .replace(/1 h {3}/g, '1 h    ')
        .replace('1 min ann', '1 min  ann'),
    );
  });

  it('marks what is live in colour, without moving a column', () => {
    const coloured = statusLines(HOST, NOW, styleFor(true)).join('\n');
    assert.match(coloured, /\x1b\[32mGREEN \(live\)\x1b\[39m {2}running/);
  });

  it('of an empty host says so', () => {
    const empty: HostState = {
      ...HOST,
      services: [],
      proxy: { state: 'absent', image: undefined, nginxVersion: undefined, ports: [] },
    };
    assert.deepEqual(statusLines(empty, NOW, styleFor(false)).slice(1), ['proxy absent', '', 'No services.']);
  });
});
