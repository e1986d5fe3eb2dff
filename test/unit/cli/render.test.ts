import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changeLines, liveText, newRenderState, renderError, renderEvent, renderResult } from '../../../src/cli/render';
import { styleFor } from '../../../src/cli/style';
import type { DeploymentSnapshot } from '../../../src/engine/snapshot';
import { foldEvent } from '../../../src/engine/snapshot';
import type { DeployEvent } from '../../../src/model';
import { unifiedDiff } from '../../../src/nginx/diff';
import { DEPLOYMENT, PLAN, RESULT, timed } from './events';

const plain = styleFor(false);

function render(events: readonly DeployEvent[], live: boolean, colours = false): string {
  let state = newRenderState(live);
  const lines: string[] = [];
  for (const event of events) {
    const rendered = renderEvent(state, event, styleFor(colours));
    state = rendered.state;
    lines.push(...rendered.lines);
  }
  return lines.join('\n');
}

describe('lines of a deployment', () => {
  it('without a terminal: every stage begins with a line, and silence is broken', () => {
    assert.equal(
      render(DEPLOYMENT, false),
      `… plan
✓ plan        120 ms
shop 20261122-204501-1a2b3c4-9f3c to GREEN at prod. BLUE is live.
  Built from /app/Dockerfile
  The proxy runs, on port 80.
  prod runs linux/amd64 and has 12.30 GB of disk left for images.
  warning: The disk is nearly full.
… build
  | #5 [2/3] COPY . .
  | 100%
  | red
✓ build        3.2 s  shop:20261122
… transfer
  transfer: 12.0 MB of 84.0 MB, 1.0 MB/s, 1 min 12 s left
✓ transfer  1 min 24 s  1 layer sent, 7 already there
- proxy      skipped  It runs.
… probe
  probe 1 of GREEN: no answer. Nothing listens on port 8080. (2 ms)
  2 more probes like it
  probe 4 of GREEN: status 500. Status 500 is not accepted. (12 ms)
  probe 5 of GREEN: status 200, healthy (9 ms)
✓ probe        5.0 s  healthy after 5 tries
✓ switch       45 ms
… drain
  drain: 1 connection to the old slot, 2 old workers
✓ drain       15.0 s
✗ retire       10 ms
  | out of memory`,
    );
  });

  it('with a live line: it shows what runs, the lines show what is done', () => {
    assert.equal(
      render(DEPLOYMENT, true)
        .split('\n')
        .filter((line) => line.startsWith('…') || line.startsWith('  transfer') || line.startsWith('  drain'))
        .join('\n'),
      '',
    );
    assert.match(render(DEPLOYMENT, true), /^✓ plan/);
  });

  it('says that probes went on alike until the stage ended', () => {
    const [first, ...more] = DEPLOYMENT.filter((event) => event.type === 'probe').slice(0, 3);
    assert.ok(first !== undefined);
    const end = timed([{ type: 'stage', stage: 'probe', status: 'cancelled', ms: 3000 }]);
    assert.equal(
      render([first, ...more, ...end], true),
      `  probe 1 of GREEN: no answer. Nothing listens on port 8080. (2 ms)
  2 more probes like it
✗ probe        3.0 s  cancelled`,
    );
  });

  it('colours lines, and never lets through those of others', () => {
    const coloured = render(DEPLOYMENT, false, true);
    assert.match(coloured, /\x1b\[32m✓\x1b\[39m plan/);
    assert.match(coloured, /\x1b\[2m {2}\| red\x1b\[22m/);
    assert.doesNotMatch(coloured, /\x1b\[2J|\x07/);
    assert.doesNotMatch(render(DEPLOYMENT, false), /\x1b/);
  });

  it('does not change the state it was given', () => {
    const state = Object.freeze(newRenderState(false));
    DEPLOYMENT.forEach((event) => renderEvent(state, event, plain));
  });
});

describe('the live line', () => {
  function textAfter(count: number, later: number): string {
    let snapshot: DeploymentSnapshot | undefined;
    const events = DEPLOYMENT.slice(0, count);
    for (const event of events) {
      snapshot = foldEvent(snapshot, event);
    }
    return liveText(snapshot, (events.at(-1)?.at ?? 0) + later);
  }
  const indexOf = (type: DeployEvent['type'], nth = 0): number =>
    DEPLOYMENT.indexOf(DEPLOYMENT.filter((event) => event.type === type)[nth] as DeployEvent) + 1;

  it('shows stage, amount and time', () => {
    assert.equal(textAfter(0, 0), '… connecting');
    assert.equal(textAfter(1, 250), '… plan      200 ms');
    assert.equal(
      textAfter(indexOf('progress', 1), 0),
      '… transfer  12.0 MB of 84.0 MB, 1.0 MB/s, 1 min 12 s left, 12.0 s',
    );
    assert.equal(textAfter(indexOf('probe', 2), 0), '… probe     try 3, 3.0 s');
    assert.equal(textAfter(indexOf('drain'), 0), '… drain     1 connection to the old slot, 2 old workers, 15.0 s');
    const [failing, failed] = timed([
      { type: 'stage', stage: 'start', status: 'running' },
      { type: 'stage', stage: 'start', status: 'failed', ms: 10 },
    ]);
    assert.ok(failing !== undefined && failed !== undefined);
    assert.equal(liveText(foldEvent(foldEvent(undefined, failing), failed), 0), '… taking back what was done');
  });
});

describe('the end', () => {
  it('is a sentence and the amounts', () => {
    assert.deepEqual(renderResult(RESULT, plain), [
      'shop is live on GREEN at prod.',
      'Requests: 1,842 sent, 0 failed, longest 210 ms.',
      'Sent: 12.9 KB.',
      'Time: 3.4 s (plan 120 ms, build 3.2 s, switch 45 ms).',
    ]);
  });

  it('leaves out what did not happen', () => {
    const nothing = {
      ...RESULT,
      ok: false,
      durations: {},
      bytesSent: 0,
      requests: { sent: 0, failed: 0, longestMs: 0 },
    };
    assert.deepEqual(renderResult(nothing, plain), ['shop is live on GREEN at prod.', 'Sent: 0 B.']);
  });

  it('an error has its place, the raw words and what to do', () => {
    assert.deepEqual(
      renderError(
        {
          message: 'The build failed.',
          hint: 'Correct the line.',
          detail: 'line one\nline\u001b[2J two\n',
          position: { file: '/app/Dockerfile', line: 3, column: 1 },
        },
        plain,
      ),
      ['error: /app/Dockerfile:3:1: The build failed.', '  | line one', '  | line two', '  Correct the line.'],
    );
  });
});

describe('a diff', () => {
  it('is indented, and coloured by its first characters', () => {
    const [change] = PLAN.files;
    assert.ok(change !== undefined);
    const diff = unifiedDiff(change.before, change.after);
    assert.deepEqual(changeLines(change, diff, plain), [
      '  /etc/nginx/conf.d/shop.conf changes:',
      '  @@ -1,1 +1,1 @@',
      '  -server BLUE;',
      '  +server GREEN;',
    ]);
    assert.deepEqual(changeLines(change, diff, styleFor(true)).slice(1), [
      '  \x1b[36m@@ -1,1 +1,1 @@\x1b[39m',
      '  \x1b[31m-server BLUE;\x1b[39m',
      '  \x1b[32m+server GREEN;\x1b[39m',
    ]);
  });

  it('of a file that comes or goes says so', () => {
    const [path, text] = ['/etc/nginx/conf.d/~shop.example.conf', 'server;\n'];
    const comes = changeLines({ path, before: '', after: text }, unifiedDiff('', text), plain);
    assert.deepEqual(comes, [`  ${path} is new:`, '  @@ -0,0 +1,1 @@', '  +server;']);
    const goes = changeLines({ path, before: text, after: '' }, unifiedDiff(text, ''), plain);
    assert.deepEqual(goes, [`  ${path} is taken away:`, '  @@ -1,1 +0,0 @@', '  -server;']);
  });
});
