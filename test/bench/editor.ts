/**
 * `npm run bench:editor`: the editor's part at size, in a real VS Code with the packaged extension: a tree of 50 hosts
 * with 20 services each, a log of 20,000 lines, activation, the package, and what a host hears while nobody looks. The
 * 20 services are real ones on one real machine; the 50 hosts are 50 names of it, each with a connection of its own.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { CDPSession, Frame, Locator } from 'playwright-core';
import { SLOTS_VIEW } from '../../src/editor/commandIds';
import { activationMs } from '../editor/activation';
import { temporaryFolder } from '../editor/cleanup';
import { type Editor, openEditor } from '../editor/driver';
import { packExtension } from '../editor/package';
import { startVsCode } from '../editor/vscode';
import { runCli } from '../integration/cli';
import type { Host } from '../machines/host';
import { proxyImage, tinyImage } from '../machines/images';
import { type Lab, startLab } from '../machines/lab';
import { median } from './transferReport';

const HOSTS = 50;
const SERVICES = 20;
/** Deployments at a time while the services are set up. */
const AT_ONCE = 4;
const ACTIVATIONS = 5;
/** The most that half of them may take, in milliseconds. */
const ACTIVATION_MS = 50;
/** The same for the tree, as a person finds it, from when VS Code hears that there are data. */
const PAINT_MS = 200;
/** Hosts that are nowhere: each is listed because a plan for it was asked for, and taken off the list again. */
const STRANGERS = 10;
/** Those of them that are taken off while all rows are closed. */
const CLOSED = 5;
const LOG_LINES = 20_000;
/** The page drops the oldest lines by the hundred. */
const DROPPED_AT_ONCE = 100;
/** Lines of one build step: BuildKit cuts a step that says more than 200 KB a second. */
const STEP_LINES = 2_100;
/** A line far out of sight of the log's end; no other has it as a part. */
const SOUGHT = '10234';
/** An unused connection is closed two minutes after its last use. */
const CLOSED_MS = 130_000;
const HIDDEN_MS = 60_000;
/** Until nothing of what was done before is drawn any more. */
const QUIET_MS = 10_000;
const LIMIT = 180_000;
/** Pixels: so high that all rows of one host are in sight. */
const SIZE = { width: 1280, height: 1400 };
/** A tree's rows in the page, and what its extension calls the view. */
interface Tree {
  readonly list: string;
  readonly view: string;
}

/** The only trees of these names. */
const SLOTS: Tree = { list: '.monaco-list[role="tree"][aria-label^="Slots"]', view: SLOTS_VIEW };
const PLAIN: Tree = { list: '.monaco-list[role="tree"][aria-label^="Plain Rows"]', view: 'plainTree.rows' };

const PARTS = ['activation', 'panel', 'tree', 'hidden'] as const;

const hostNames = numbered('host', HOSTS);
const serviceNames = numbered('service', SERVICES);
const strangers = numbered('nowhere', STRANGERS);

function numbered(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${word}-${String(index + 1).padStart(2, '0')}`);
}

/** @param named The parts to measure; all of them if none is named. */
async function main(named: readonly string[]): Promise<void> {
  const unknown = named.filter((name) => PARTS.every((part) => part !== name));
  assert.equal(unknown.join(), '', `the parts are ${PARTS.join(', ')}`);
  const measures = (part: (typeof PARTS)[number]): boolean => named.length === 0 || named.includes(part);
  const vsix = await packExtension();
  report('VSIX', `${(statSync(vsix).size / 1e6).toFixed(2)} MB`);
  const lab = await startLab();
  const temporary = temporaryFolder('bench');
  try {
    const host = await (await lab.host({ engine: '28.5', name: 'production' })).dockerReady();
    await lab.images(proxyImage, tinyImage);
    const folder = path.join(temporary.path, 'bench');
    writeWorkspace(folder);
    if (measures('tree') || measures('hidden')) {
      await deployAll(lab, host, folder);
    }
    const vscode = await startVsCode({
      folder,
      vsix,
      extensionFolder: path.join(__dirname, 'plainTree'),
      trust: true,
      env: { DOCKER_HOST: `unix://${lab.engine.socketPath}`, SSH_AUTH_SOCK: '' },
      machineSettings: {
        'blueGreen.sshConfigFile': writeAliases(lab, host, temporary.path),
        'blueGreen.knownHostsFile': lab.knownHostsFile,
        'blueGreen.identityFiles': [lab.identityFile],
        'blueGreen.hosts': hostNames,
      },
    });
    try {
      const editor = await openEditor(vscode, { limit: LIMIT, size: SIZE });
      try {
        if (measures('activation')) await benchActivation(editor, folder);
        if (measures('panel')) await benchPanel(editor);
        if (measures('tree') || measures('hidden')) await benchTree(editor, host);
        if (measures('hidden')) await benchHidden(editor, host);
      } catch (error) {
        await editor.screenshot('bench-editor-error');
        throw error;
      } finally {
        await editor.close();
      }
    } finally {
      await vscode.stop();
    }
  } finally {
    await lab.stop();
    temporary.remove();
  }
}

/** Services of a tiny image, each with a host name of its own, and one whose build says very much. */
function writeWorkspace(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const tiny = `FROM ${tinyImage}\nSTOPSIGNAL SIGKILL\nRUN echo 1 > /www/index.html\n`;
  const steps = Array.from(
    { length: Math.ceil(LOG_LINES / STEP_LINES) },
    (_, index) => `RUN seq ${index * STEP_LINES + 1} ${(index + 1) * STEP_LINES}`,
  );
  const dockerfiles = {
    Dockerfile: tiny,
    'Dockerfile.checked': `${tiny}HEALTHCHECK --interval=1s --retries=1 CMD test ! -e /www/ill\n`,
    // Steps that an earlier run has left in the builder's cache would say nothing.
    'Dockerfile.talkative': `${tiny}ENV BEGUN=${Date.now()}\n${steps.join('\n')}\n`,
  };
  for (const [name, text] of Object.entries(dockerfiles)) {
    writeFileSync(path.join(folder, name), text);
  }
  const services = [...serviceNames, 'talkative'].map((name, index) => {
    const dockerfile =
      index === 0 ? 'Dockerfile.checked' : name === 'talkative' ? 'Dockerfile.talkative' : 'Dockerfile';
    return [name, { port: 8080, build: { dockerfile }, route: `${name}.test` }] as const;
  });
  writeFileSync(path.join(folder, 'bluegreen.json'), JSON.stringify({ services: Object.fromEntries(services) }));
}

async function deployAll(lab: Lab, host: Host, folder: string): Promise<void> {
  const deploy = async (service: string): Promise<void> => {
    const { code, stdout, stderr } = await runCli(lab, ['deploy', service, '--host', host.name], { cwd: folder });
    assert.equal(code, 0, `${stdout}\n${stderr}`);
  };
  const [first = '', ...others] = serviceNames;
  // The first one sets up the proxy.
  await deploy(first);
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let service = others.shift(); service !== undefined; service = others.shift()) {
        await deploy(service);
      }
    }),
  );
  say(`${SERVICES} services are live on ${host.name}.`);
}

/** An ssh configuration in which one machine has many names. @returns its path. */
function writeAliases(lab: Lab, host: Host, folder: string): string {
  const block = readFileSync(lab.sshConfigFile, 'utf8');
  const aliases = block.replace(`Host ${host.name}\n`, `Host ${host.name} ${hostNames.join(' ')}\n`);
  assert.notEqual(aliases, block, 'the machine has its other names');
  const file = path.join(folder, 'ssh_config');
  writeFileSync(file, aliases);
  return file;
}

/**
 * As a window loads with a bluegreen.json in its folder, when VS Code and all other extensions have the processor as well;
 * and by itself, by the first command in a window that has long been open. The latter has to keep to what it may take.
 */
async function benchActivation(editor: Editor, folder: string): Promise<void> {
  const configuration = path.join(folder, 'bluegreen.json');
  const aside = path.join(folder, 'aside.json');
  const loading: number[] = [];
  while (loading.length < ACTIVATIONS) {
    loading.push(await activationMs(editor));
    // That list lies over the window; and each window activates anew.
    await editor.reload();
  }
  report(`activation as a window loads, ${ACTIVATIONS} windows`, describe(loading));
  const alone: number[] = [];
  renameSync(configuration, aside);
  while (alone.length < ACTIVATIONS) {
    await editor.reload();
    await editor.page.waitForTimeout(QUIET_MS);
    await editor.runCommand('Blue-Green: Show Deployment');
    await editor.notification(/There has been no deployment from this workspace yet/);
    alone.push(await activationMs(editor));
  }
  renameSync(aside, configuration);
  await editor.reload();
  report(`activation by the first command, ${ACTIVATIONS} windows`, describe(alone));
  keepTo('Activation', alone, ACTIVATION_MS);
}

/** A log of 20,000 lines: its page is scrolled from end to end, a frame at a time, and a line of it is found. */
async function benchPanel(editor: Editor): Promise<void> {
  await editor.runCommand('Blue-Green: Deploy…');
  await editor.pick(/^talkative/);
  await editor.pick('production');
  const panel = await editor.webview(/Read the plan/, LIMIT);
  await panel.getByRole('tab', { name: /Log/ }).click();
  await panel.locator('.log .line').first().waitFor({ state: 'attached' });
  const { lines, frames } = await scrollThrough(panel);
  assert.ok(lines > LOG_LINES - DROPPED_AT_ONCE, `${lines} lines`);
  report(`log of ${lines.toLocaleString('en-US')} lines scrolled through, ${frames.length} frames`, describe(frames));
  await editor.screenshot('bench-editor-log');
  report(
    `a line of it far out of sight found with Ctrl+F, from the last key to its sight`,
    `${(await find(editor, panel)).toFixed(0)} ms`,
  );
  await editor.screenshot('bench-editor-found');
  await editor.press('Escape');
  await panel.getByRole('button', { name: 'Cancel' }).click();
  await editor.webview(/Cancelled before anything was touched/);
  await editor.tidy();
}

/** @returns how many lines there are, and the milliseconds of each frame. */
function scrollThrough(panel: Frame): Promise<{ lines: number; frames: number[] }> {
  return panel.evaluate(async () => {
    const log = document.querySelector('.log');
    if (log === null) throw new Error('There is no log.');
    const frame = (): Promise<number> => new Promise(requestAnimationFrame);
    const step = log.clientHeight / 2;
    const frames: number[] = [];
    log.scrollTop = 0;
    await frame();
    let before = await frame();
    while (log.scrollTop + log.clientHeight < log.scrollHeight - 1 && frames.length < 2_000) {
      log.scrollTop += step;
      const now = await frame();
      frames.push(now - before);
      before = now;
    }
    return { lines: log.querySelectorAll('.line').length, frames };
  });
}

/** Looks for a line by VS Code's own find, as a person would. @returns milliseconds until it is in sight. */
async function find(editor: Editor, panel: Frame): Promise<number> {
  const { page } = editor;
  await panel.locator('.log').focus();
  await editor.press('Control+F');
  const input = page.locator('.simple-find-part.visible input, .webview-find-widget.visible input').first();
  await input.waitFor();
  await input.pressSequentially(SOUGHT.slice(0, -1));
  const begin = performance.now();
  await input.press(SOUGHT.slice(-1));
  await editor.until(`line ${SOUGHT} in sight`, () =>
    panel.evaluate((sought) => {
      const box = document.querySelector('.log')?.getBoundingClientRect();
      const text = [...document.querySelectorAll('.log .text')].find((it) => it.textContent === sought);
      const at = text?.getBoundingClientRect();
      return box !== undefined && at !== undefined && at.top >= box.top && at.bottom <= box.bottom ? true : undefined;
    }, SOUGHT),
  );
  return performance.now() - begin;
}

/** 50 hosts, all open: everything drawn anew from what is known, and one slot that changes. */
async function benchTree(editor: Editor, host: Host): Promise<void> {
  for (const name of strangers) {
    await editor.runCommand('Blue-Green: Add Host…');
    await editor.pick(/Enter a Host/);
    await editor.type(name);
  }
  await editor.openView('Blue-Green');
  const slots = editor.tree('Slots');
  const list = editor.page.locator(SLOTS.list).first();
  await slots.row('host-01');
  await benchOneRow(editor, host);
  const [closed, open] = [strangers.slice(0, CLOSED), strangers.slice(CLOSED)];
  const remove = 'Blue-Green: Remove Host from List';
  const asFound = await drawAnew(editor, SLOTS, remove, closed);
  reportDrawing('closed', asFound);
  keepTo('The tree', asFound.afterData, PAINT_MS);
  await openHosts(editor, list);
  reportDrawing('all open', await drawAnew(editor, SLOTS, remove, open));
  await editor.screenshot('bench-editor-tree');
  await editor.openView('Plain Tree');
  await editor.tree('Plain Rows').row('host-01');
  const plain = 'a tree of as many rows that are known beforehand';
  reportDrawing(plain, await drawAnew(editor, PLAIN, 'Plain Tree: Remove Host', open));
  await editor.screenshot('bench-editor-plain-tree');
}

/** Milliseconds, each time it was drawn. */
interface Redrawn {
  readonly firsts: readonly number[];
  readonly lasts: readonly number[];
  /** From the moment at which the window hears that there are other data, to the last row. */
  readonly afterData: readonly number[];
  readonly rows: number;
}

/** Takes these hosts off a list, one after the other: VS Code then draws all of the tree anew. */
async function drawAnew(editor: Editor, tree: Tree, command: string, names: readonly string[]): Promise<Redrawn> {
  const drawing = new Drawing(editor, tree);
  const refreshes = await Refreshes.watch(editor, tree.view);
  const firsts: number[] = [];
  const lasts: number[] = [];
  const afterData: number[] = [];
  let rows = 0;
  for (const name of names) {
    await editor.runCommand(command);
    await editor.filter(name);
    await editor.highlighted(name);
    await drawing.begin('keydown');
    await editor.press('Enter');
    const drawn = await drawing.settled();
    firsts.push(drawn.first);
    lasts.push(drawn.last);
    afterData.push(drawn.start + drawn.last - refreshes.takeOnly());
    rows = drawn.rows;
  }
  await refreshes.stop();
  return { firsts, lasts, afterData, rows };
}

function reportDrawing(what: string, { firsts, lasts, afterData, rows }: Redrawn): void {
  const times = `${rows.toLocaleString('en-US')} rows drawn anew, ${firsts.length} times`;
  report(`${HOSTS} hosts with ${SERVICES} services, ${what}: ${times}, from Enter to the first row`, describe(firsts));
  report('to the last row', describe(lasts));
  report('to the last row, from when VS Code hears that there are other data', describe(afterData));
}

/** When the window hears from an extension that the data of a view have changed, by the clock of the page. */
class Refreshes {
  readonly #session: CDPSession;
  readonly #seconds: number[] = [];
  /** What the page's clock shows at the browser's second 0, in milliseconds. */
  readonly #zero: number;

  private constructor(session: CDPSession, view: string, zero: number) {
    this.#session = session;
    this.#zero = zero;
    session.on('Network.webSocketFrameReceived', ({ timestamp, response }) => {
      const message = Buffer.from(response.payloadData, 'base64');
      if (message.includes('$refresh') && message.includes(view)) this.#seconds.push(timestamp);
    });
  }

  static async watch({ page }: Editor, view: string): Promise<Refreshes> {
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    const before = await page.evaluate(() => performance.now());
    const { metrics } = await session.send('Performance.getMetrics');
    const after = await page.evaluate(() => performance.now());
    const seconds = metrics.find(({ name }) => name === 'Timestamp')?.value ?? Number.NaN;
    const refreshes = new Refreshes(session, view, (before + after) / 2 - seconds * 1000);
    await session.send('Network.enable');
    return refreshes;
  }

  /** The one since it was asked last. */
  takeOnly(): number {
    const seconds = this.#seconds.splice(0);
    assert.equal(seconds.length, 1, 'the extension says once that there are other data');
    return this.#zero + (seconds[0] ?? Number.NaN) * 1000;
  }

  stop(): Promise<void> {
    return this.#session.detach();
  }
}

/**
 * A slot that falls ill, with its host the only one that is open: the others are names of the same machine, so that it
 * would be theirs too.
 */
async function benchOneRow(editor: Editor, host: Host): Promise<void> {
  const slots = editor.tree('Slots');
  const list = editor.page.locator(SLOTS.list).first();
  const drawing = new Drawing(editor, SLOTS);
  await slots.expand('host-01');
  await slots.expand(['host-01', 'service-20']);
  await slots.expand(['host-01', 'service-01']);
  await slots.row(['host-01', 'service-01', /^BLUE live, healthy/]);
  // All ages are said anew first: each row says another one once a minute.
  await slots.action('host-01', /Refresh/);
  await pause(QUIET_MS);
  await drawing.begin();
  await host.mustExec('docker exec service-01_BLUE sh -c "echo > /www/ill"');
  // Read without the scrolling of the driver, for which VS Code draws rows anew.
  await editor.until(
    'the slot to be shown as ill',
    async () => /live, unhealthy/.test(await list.innerText()) || undefined,
  );
  const { touched } = await drawing.settled();
  report('rows drawn anew when one slot falls ill', String(touched));
  await editor.screenshot('bench-editor-one-row');
  await host.mustExec('docker exec service-01_BLUE busybox rm /www/ill');
  await slots.row(['host-01', 'service-01', /^BLUE live, healthy/]);
  await editor.viewAction('Collapse All');
}

/** Opens every host's row with the keyboard, from the last one up, so that those to come stay where they are. */
async function openHosts(editor: Editor, list: Locator): Promise<void> {
  await list.focus();
  await editor.press('End');
  for (const name of [...hostNames].reverse()) {
    const row = list.locator('.monaco-list-row.focused');
    await editor.until(`${name} to have the focus`, async () => {
      if ((await row.count()) === 1 && (await row.innerText()).includes(name)) return true;
      await editor.press('ArrowUp');
      return undefined;
    });
    await editor.press('ArrowRight');
    await editor.until(
      `${name} to be seen`,
      async () => (await row.innerText()).includes(`${SERVICES} services`) || undefined,
    );
  }
  say(`${HOSTS} hosts are open.`);
}

interface Drawn {
  /** When it began, by the clock of the page. */
  readonly start: number;
  /** Milliseconds until the first and the last change of the rows. */
  readonly first: number;
  readonly last: number;
  /** Rows of the whole tree, and those that were drawn anew in place. */
  readonly rows: number;
  readonly touched: number;
}

/** What the page notes down of a tree's rows. */
interface Seen {
  start: number;
  first: number;
  last: number;
  readonly touched: Set<string>;
  readonly rows: HTMLElement;
}

/** Watches the rows of the tree from within the page. */
class Drawing {
  constructor(
    private readonly editor: Editor,
    private readonly tree: Tree,
  ) {}

  /** Begins now, or with the person's next key. */
  async begin(on?: 'keydown'): Promise<void> {
    await this.editor.page.evaluate(
      ([selector, event]) => {
        const rows = document.querySelector<HTMLElement>(`${selector} .monaco-list-rows`);
        if (rows === null) throw new Error('There is no tree.');
        const waits = event !== undefined;
        const seen: Seen = { start: waits ? Infinity : performance.now(), first: 0, last: 0, touched: new Set(), rows };
        Object.assign(window, { blueGreenDrawing: seen });
        if (event !== undefined) {
          window.addEventListener(event, () => (seen.start = performance.now()), { capture: true, once: true });
        }
        new MutationObserver((changes) => {
          if (performance.now() < seen.start) return;
          for (const { target } of changes) {
            const row = (target instanceof Element ? target : target.parentElement)?.closest('.monaco-list-row');
            if (row !== null && row !== undefined) seen.touched.add(row.getAttribute('data-index') ?? '');
          }
          seen.first ||= performance.now();
          seen.last = performance.now();
        }).observe(rows, { childList: true, characterData: true, subtree: true });
      },
      [this.tree.list, on] as const,
    );
  }

  /** Waits until nothing has been drawn for a second. */
  async settled(): Promise<Drawn> {
    const { page } = this.editor;
    let before: Drawn | undefined;
    return this.editor.until('the tree to settle', async () => {
      const now = await page.evaluate(() => {
        const { blueGreenDrawing: seen } = window as unknown as { blueGreenDrawing: Seen };
        const row = seen.rows.querySelector<HTMLElement>('.monaco-list-row');
        return {
          start: seen.start,
          first: seen.first - seen.start,
          last: seen.last - seen.start,
          rows: Math.round(Number.parseFloat(seen.rows.style.height) / (row?.offsetHeight ?? 1)),
          touched: seen.touched.size,
        };
      });
      const isSettled = now.last > 0 && before?.last === now.last;
      before = now;
      await page.waitForTimeout(1_000);
      return isSettled ? now : undefined;
    });
  }
}

/** What the machine hears by SSH while no view of ours can be seen. */
async function benchHidden(editor: Editor, host: Host): Promise<void> {
  await editor.tidy();
  await editor.openView('Explorer');
  await host.mustExec('iptables -I INPUT -p tcp --dport 22');
  const seconds = HIDDEN_MS / 1000;
  const open = await connections(host);
  report(`views hidden, ${open} connections still open: bytes to the host in ${seconds} s`, await received(host));
  await pause(CLOSED_MS);
  const left = await connections(host);
  report(`two minutes later, ${left} connections: bytes to the host in ${seconds} s`, await received(host));
}

async function connections(host: Host): Promise<number> {
  return Number(await host.mustExec("ss -Htn state established '( sport = :22 )' | wc -l"));
}

/** Bytes that come in for sshd meanwhile, as the host's own kernel counts them. */
async function received(host: Host): Promise<string> {
  await host.mustExec('iptables -Z INPUT 1');
  await pause(HIDDEN_MS);
  const [, bytes = ''] = (await host.mustExec('iptables -nvxL INPUT 1')).trim().split(/\s+/);
  return Number(bytes).toLocaleString('en-US');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Has the bench fail when half of them take longer. */
function keepTo(what: string, times: readonly number[], limitMs: number): void {
  if (median(times) > limitMs) {
    say(`${what} takes more than ${limitMs} ms.`);
    process.exitCode = 1;
  }
}

function describe(times: readonly number[]): string {
  const sorted = [...times].sort((one, other) => one - other);
  const at = (part: number): string => (sorted[Math.floor(part * (sorted.length - 1))] ?? 0).toFixed(0);
  return `median ${at(0.5)} ms, 95th percentile ${at(0.95)} ms, longest ${at(1)} ms`;
}

function report(what: string, figure: string): void {
  console.log(`| ${what} | ${figure} |`);
}

function say(text: string): void {
  console.error(`[bench] ${text}`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
