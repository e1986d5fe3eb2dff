/** Mistakes that somebody might make in a stage, and for each the test that has to notice. */
import type { Stage } from '../../src/model';

/** A test by its file and its whole name. */
export interface Guard {
  readonly file: string;
  readonly name: string;
}

export interface Mutation {
  readonly stage: Stage;
  /** What is broken, as a sentence goes on after the name of the stage. */
  readonly what: string;
  /** Where it is not the stage's own file. */
  readonly file?: string;
  /** Is in the file exactly once. */
  readonly search: string;
  readonly replacement: string;
  readonly guard: Guard;
}

const guard = (file: string, name: string): Guard => ({ file, name });
const planIsAsRead = guard('test/unit/engine/plan.test.ts', 'what was read is done, and nothing else');
const neverHealthy = guard('test/integration/failures.test.ts', 'never healthy');
const bothGoLive = guard(
  'test/integration/local.test.ts',
  'two releases go live on this machine; nothing is sent, nothing is lost',
);
const loadedIsLookedAt = guard(
  'test/integration/transfer.test.ts',
  'nor when nobody asked beforehand: the loaded image is looked at',
);
const fallsIll = guard(
  'test/integration/health.test.ts',
  'the switch is taken back by itself, and the old slot serves on',
);
const drainWaits = guard('test/integration/drain.test.ts', 'wait: the deployment ends when it has ended');

export const mutations: readonly Mutation[] = [
  {
    stage: 'plan',
    what: 'does something else than what was read',
    search: 'if (isNew || !isDeepStrictEqual(whatItDoes(plan), whatItDoes(read))) {',
    replacement: 'if (isNew) {',
    guard: planIsAsRead,
  },
  {
    stage: 'plan',
    what: 'names the slot that is live as the one to fill',
    search: 'return otherSlot(view.served.slot);',
    replacement: 'return view.served.slot;',
    guard: bothGoLive,
  },
  {
    stage: 'build',
    what: 'takes port 80 for the one that the image exposes',
    search: 'return only;',
    replacement: 'return 80;',
    guard: bothGoLive,
  },
  {
    stage: 'transfer',
    what: 'leaves out layers that the host lacks, and does not look whether the image is complete',
    file: 'src/docker/transfer.ts',
    search: 'if (!loaded.complete) {',
    replacement: 'if (false) {',
    guard: loadedIsLookedAt,
  },
  {
    stage: 'transfer',
    what: 'gives up when the host refuses a part, without sending the whole image',
    file: 'src/docker/transfer.ts',
    search: "this.#trust === 'nothing' || !(leftOut || this.#inParts)",
    replacement: "this.#trust === 'nothing' || leftOut || this.#inParts",
    guard: loadedIsLookedAt,
  },
  {
    stage: 'proxy',
    what: 'publishes no port',
    search: 'publish: [{ hostPort: service.proxy.publish, containerPort: PROXY_PORT }],',
    replacement: 'publish: [],',
    guard: bothGoLive,
  },
  {
    stage: 'start',
    what: 'fills the slot that is live',
    search: 'view.served === undefined ? plan.slot : otherSlot(view.served.slot)',
    replacement: 'view.served?.slot ?? plan.slot',
    guard: bothGoLive,
  },
  {
    stage: 'probe',
    what: 'accepts any status',
    search: 'if (!isAccepted(status, health.status)) {',
    replacement: 'if (false) {',
    guard: neverHealthy,
  },
  {
    stage: 'switch',
    what: 'does not have nginx read its new files',
    file: 'src/nginx/scripts.ts',
    search: 'verdict unwritten; }\nkill -HUP "$m"',
    replacement: 'verdict unwritten; }',
    guard: bothGoLive,
  },
  {
    stage: 'verify',
    what: 'never counts failures',
    search: 'if (failed > allowed) {',
    replacement: 'if (false) {',
    guard: fallsIll,
  },
  {
    stage: 'drain',
    what: 'does not wait',
    search: 'if (connections === 0 && elapsed >= leastMs) {',
    replacement: 'if (true) {',
    guard: drainWaits,
  },
  {
    stage: 'retire',
    what: 'removes the slot that is to be kept',
    search: "if (what === 'remove') {",
    replacement: "if (what !== 'keep') {",
    guard: bothGoLive,
  },
];

/** A mutation's file, from the root of the tree. */
export function fileOf({ stage, file = `src/engine/stages/${stage}.ts` }: Mutation): string {
  return file;
}

/** The text of its file with the mistake in it. Throws when it is not clear where that goes. */
export function broken(text: string, mutation: Mutation): string {
  const [before, after, ...more] = text.split(mutation.search);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`${fileOf(mutation)} does not hold exactly once: ${mutation.search}`);
  }
  return before + mutation.replacement + after;
}
