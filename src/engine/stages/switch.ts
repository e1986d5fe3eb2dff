import { execInContainer } from '../../docker/containers';
import { t } from '../../l10n';
import { DeployError, type DrainConfig, type ServiceConfig, slotContainer, type SlotName } from '../../model';
import { CONF_DIRECTORY, EDITED_SUFFIX, includeLine, markerAnswer, slotVariable } from '../../nginx/conf';
import {
  changesOf,
  type FileChange,
  filesByHand,
  filesToRestore,
  filesToServe,
  namedBeside,
  type ProxyView,
  sharedByHand,
  switchIsBusy,
  switchProxy,
  type SwitchVerdict,
  tlsInTheWay,
} from '../../nginx/proxy';
import type { FilledSlot, ReadyProxy, Run } from '../context';
import { drainSlot } from './drain';

/** How long a slot that never proved itself is waited for when a switch is taken back: within the limit of an undo. */
const UNDO_DRAIN: DrainConfig = { timeoutMs: 30_000, atTimeout: 'cut' };

/**
 * Points nginx at the filled slot, and proves it. What takes that back is laid down before nginx is told: a switch that
 * gives no answer may have happened. `live` is the slot that serves now, `nginx` a look at the proxy that is under way: it
 * takes about as long as the first requests that the switch is to be proven by.
 */
export async function switchStage(
  run: Run,
  proxy: ReadyProxy,
  filled: FilledSlot,
  live: SlotName | undefined,
  nginx: Promise<ProxyView>,
): Promise<void> {
  const { service, deployment, engine } = run;
  const view = await nginx;
  const identity = { service: service.name, slot: filled.slot, deployment };
  const files = filesToServe(view, {
    ...identity,
    port: filled.port,
    route: service.route,
    nginxVersion: view.nginxVersion,
  });
  mustKeepWhatIsByHand(view, service, filled.slot, files);
  const back = filesToRestore(view, files);
  for (const change of changesOf(view, files)) {
    run.emit({ type: 'conf', ...change });
  }
  for (const { path } of filesByHand(view, files)) {
    await keepCopy(run, proxy, path);
  }
  let outcome: SwitchVerdict['kind'] | 'unknown' = 'unknown';
  run.undo.push({
    what: t('the switch'),
    run: async (undoSignal) => {
      if (outcome === 'refused' || outcome === 'unwritten' || outcome === 'busy') {
        return;
      }
      if (outcome !== 'reverted') {
        await tellNginx(run, proxy, back);
        run.live = live;
      }
      // Workers that already knew the new slot may pass requests on to it for a while yet.
      await drainSlot(run, proxy, filled.container, () => undefined, undoSignal, UNDO_DRAIN);
    },
  });
  const input = { files, service: service.name, expect: markerAnswer(identity) };
  const verdict = await switchProxy(engine, proxy.id, input, () => run.mustHoldLock());
  outcome = verdict.kind;
  mustHaveSwitched(run.service.name, verdict);
  run.live = filled.slot;
}

/**
 * Throws when a switch to `slot` would take away what somebody serves by hand, and there is nothing to put in its place:
 * TLS, other services in the same file, or a server that leads to the other slot.
 */
export function mustKeepWhatIsByHand(
  view: ProxyView,
  { name, route }: Pick<ServiceConfig, 'name' | 'route'>,
  slot: SlotName,
  files?: readonly FileChange[],
): void {
  const place = tlsInTheWay(
    view,
    name,
    files?.map(({ path }) => path),
  );
  if (place !== undefined) {
    throw new DeployError(
      'nginx-refused',
      t(
        '{0} serves TLS (line {1}) and was written by hand. It would not outlive a switch of {2}.',
        place.path,
        place.line,
        name,
      ),
      {
        hint: t(
          'Move the server with TLS into a file of its own in {0} that names no slot and holds `{1}`. CONFIGURATION.md shows how: "TLS of your own".',
          CONF_DIRECTORY,
          includeLine(route),
        ),
      },
    );
  }
  const shared = sharedByHand(view, name);
  if (shared !== undefined) {
    throw new DeployError(
      'nginx-refused',
      t(
        '{0} was written by hand and leads to {1} as well. That would not outlive a switch of {2}.',
        shared.path,
        shared.others.join(', '),
        name,
      ),
      {
        hint: t(
          'Give each service a file of its own in {0}. The next deployment then takes over its own.',
          CONF_DIRECTORY,
        ),
      },
    );
  }
  const beside = namedBeside(view, name);
  if (beside !== undefined && beside.slot !== slot) {
    throw new DeployError(
      'nginx-refused',
      t(
        '{0} leads to {1} as well. It would not follow a switch of {2}.',
        beside.path,
        slotContainer(name, beside.slot),
        name,
      ),
      {
        hint: t(
          'Take the file away, or let it name no slot: `{0}` holds the address of the live one, and a `map` of it leads to another port.',
          slotVariable(name),
        ),
      },
    );
  }
}

/** Has nginx read its files anew as they are, so that it finds a container whose address has changed. */
export function reloadAsItIs(run: Run, proxy: ReadyProxy): Promise<void> {
  return tellNginx(run, proxy, []);
}

/** Has nginx take these files over, and proves that it did, whatever its workers answer then. */
async function tellNginx(run: Run, proxy: ReadyProxy, files: readonly FileChange[]): Promise<void> {
  const input = { files, service: run.service.name, expect: undefined };
  mustHaveSwitched(run.service.name, await switchProxy(run.engine, proxy.id, input, () => run.mustHoldLock()));
}

/** What somebody wrote by hand is not lost when the file is replaced. */
async function keepCopy(run: Run, proxy: ReadyProxy, path: string): Promise<void> {
  const copy = `${path}${EDITED_SUFFIX}`;
  const { exitCode, stderr } = await execInContainer(run.engine, proxy.id, ['cp', '-p', path, copy], {
    timeoutMs: 10_000,
    signal: run.signal,
  });
  if (exitCode !== 0) {
    throw new DeployError('nginx-refused', t('What was written by hand in {0} could not be copied.', path), {
      hint: t('Look whether the disk of the host is full.'),
      detail: stderr,
    });
  }
  run.note(t('{0} is replaced. What was written by hand in it is kept as {1} in the proxy.', path, copy), 'warning');
}

/** Throws `nginx-refused`, and says what serves, unless nginx has taken over what it was given. */
export function mustHaveSwitched(service: string, verdict: SwitchVerdict): void {
  switch (verdict.kind) {
    case 'switched':
      return;
    case 'refused':
      throw new DeployError('nginx-refused', t('nginx refuses the new configuration. The old one serves, untouched.'), {
        hint: /duplicate (default server|location)/.test(verdict.output)
          ? t(
              'Another service answers for the same requests already. Give {0} another host name or path with "route".',
              service,
            )
          : t('nginx says why below. Files of other services and your own in conf.d count as well.'),
        detail: verdict.output,
      });
    case 'reverted':
      throw new DeployError(
        'nginx-refused',
        t('nginx did not take the new configuration over. The previous one is back.'),
        {
          hint: t('Look at the log of the proxy.'),
          detail: verdict.output,
        },
      );
    case 'busy':
      throw switchIsBusy(verdict.output);
    case 'unwritten':
      throw new DeployError(
        'nginx-refused',
        t('The new nginx configuration could not be written. The old one serves.'),
        {
          hint: t('Look whether the disk of the host is full.'),
          detail: verdict.output,
        },
      );
    case 'broken':
      throw new DeployError('nginx-refused', t('nginx confirms neither the new configuration nor the previous one.'), {
        hint: t('Look at the status and at the log of the proxy before you deploy again.'),
        detail: verdict.output,
      });
  }
}
