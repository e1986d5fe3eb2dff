import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { DockerEngine } from '../../docker/engine';
import { hostLabel } from '../../hostNames';
import { t } from '../../l10n';
import { DeployError, type EnvChanges, otherSlot, type Plan, type ServiceConfig, type SlotName } from '../../model';
import { exposedPorts } from '../../docker/dockerfile';
import { isOurs, takesTheRest } from '../../nginx/conf';
import { changesOf, type FileChange, filesByHand, filesToServe, NO_FILES, restTaker } from '../../nginx/proxy';
import type { Planned } from '../context';
import { freeDiskBytes as freeDiskBytesOf } from '../disk';
import type { Host } from '../host';
import { readCommit, releaseName } from '../identity';
import { type HostView, type ServiceView, viewHost } from '../observe';
import { serviceFromContainer } from '../release';
import { mustKeepWhatIsByHand } from './switch';

/** With less room than this on the host's disk, a deployment may well fill it. */
const LITTLE_DISK = 1_000_000_000;

/** Version assumed for the preview while there is no proxy yet; that of the default image. */
const ASSUMED_NGINX = '1.30.0';

/**
 * Observes the host and decides what the deployment will do. Touches nothing.
 * @param builder the engine that builds the image.
 * @param read the plan that was approved. Throws `plan-changed` when by now it would be another one.
 */
export async function planStage(
  service: ServiceConfig,
  host: Host,
  builder: DockerEngine,
  person: string,
  deployment: string,
  signal: AbortSignal,
  read?: Plan,
): Promise<Planned> {
  const [view, commit, dockerfile, freeDiskBytes] = await Promise.all([
    viewHost(host.engine, signal, service.name),
    readCommit(service.build.context, signal),
    readDockerfile(service),
    freeDiskBytesOf(host, signal),
  ]);
  const [serviceView] = view.services;
  if (serviceView === undefined) {
    throw new DeployError('internal', t('The host could not be observed.'));
  }
  const slot = slotToFill(serviceView);
  const served = serviceView.served && serviceView.slots[serviceView.served.slot];
  const described = served && serviceFromContainer(service.name, served);
  // For the preview; the built image is asked again.
  const [exposed, ...more] = exposedPorts(dockerfile);
  const port = service.port ?? (more.length === 0 ? exposed : undefined) ?? described?.port ?? 80;
  const wanted = {
    service: service.name,
    slot,
    deployment,
    port,
    route: service.route,
    nginxVersion: view.nginx?.nginxVersion ?? ASSUMED_NGINX,
  };
  const nginx = view.nginx ?? NO_FILES;
  const files = filesToServe(nginx, wanted);
  if (view.nginx !== undefined) {
    mustKeepWhatIsByHand(view.nginx, service, slot, files);
  }
  const plan: Plan = {
    deployment,
    service: service.name,
    host: host.name,
    dockerfile: service.build.dockerfile,
    context: service.build.context,
    release: releaseName(new Date(), commit?.commit, deployment),
    commit: commit?.commit,
    person,
    live: serviceView.live,
    slot,
    proxy: view.proxy === undefined ? 'create' : view.proxy.running ? 'use' : 'start',
    publish: service.proxy.publish,
    files: changesOf(nginx, files),
    env: envChanges(service.run.env, served?.env ?? [], served === undefined ? [] : described?.envNames),
    toSend: undefined,
    platform: host.engine.info.platform,
    freeDiskBytes,
    warnings: warningsOf(service, host, builder, { view, files, isDirty: commit?.dirty === true, freeDiskBytes }),
  };
  if (read === undefined) {
    return { view, service: serviceView, plan };
  }
  // The service's own file names the deployment that wrote it.
  const again = filesToServe(nginx, { ...wanted, deployment: read.deployment });
  mustBeAsRead({ ...plan, files: changesOf(nginx, again) }, read);
  return { view, service: serviceView, plan: { ...plan, toSend: read.toSend, warnings: read.warnings } };
}

/** What was seen for a plan. */
interface Seen {
  readonly view: HostView;
  /** What nginx's files will be. */
  readonly files: readonly FileChange[];
  /** Whether the folder has changes that are not committed. */
  readonly isDirty: boolean;
  readonly freeDiskBytes: number | undefined;
}

/** What a person should know before they say yes, a sentence each. */
function warningsOf(service: ServiceConfig, host: Host, builder: DockerEngine, seen: Seen): string[] {
  const { view, files, isDirty, freeDiskBytes } = seen;
  const { publish } = service.proxy;
  const warnings: string[] = [];
  if (isDirty) {
    warnings.push(t('The folder has changes that are not committed.'));
  }
  const rest = takesTheRest(service.route) && view.nginx !== undefined ? restTaker(view.nginx) : undefined;
  if (rest !== undefined && rest !== service.name) {
    warnings.push(t('{0} answers for every host name already. Give {1} a route.', rest, service.name));
  }
  for (const { path, text } of view.nginx === undefined ? [] : filesByHand(view.nginx, files)) {
    warnings.push(
      isOurs(text)
        ? t('{0} was edited by hand. It will be replaced; a copy is kept beside it.', path)
        : t('{0} was written by hand. It will be replaced; a copy is kept beside it.', path),
    );
  }
  if (view.proxy !== undefined && !view.proxy.ports.some((it) => it.hostPort === publish)) {
    const ports = view.proxy.ports.map((it) => it.hostPort).join(', ');
    warnings.push(
      ports === ''
        ? t('The proxy publishes no port, not {0}.', publish)
        : t('The proxy publishes port {0}, not {1}.', ports, publish),
    );
  }
  const { platform } = host.engine.info;
  if (builder.info.platform !== platform) {
    warnings.push(
      t(
        '{0} runs {1}, and Docker on {2} runs {3}. The image is built for {4}.',
        hostLabel(host.name),
        platform,
        builder.description,
        builder.info.platform,
        platform,
      ),
    );
  }
  if (freeDiskBytes !== undefined && freeDiskBytes < LITTLE_DISK) {
    warnings.push(
      // Roughly: a plan that is made anew a moment later does not warn of something else.
      t(
        'The disk of {0} has less than {1} MB left for images.',
        hostLabel(host.name),
        Math.ceil(freeDiskBytes / 1e8) * 100,
      ),
    );
  }
  return warnings;
}

/** Throws `plan-changed` when `plan` would do something else than `read`, or warns of something that `read` does not. */
export function mustBeAsRead(plan: Plan, read: Plan): void {
  const isNew = plan.warnings.some((warning) => !read.warnings.includes(warning));
  if (isNew || !isDeepStrictEqual(whatItDoes(plan), whatItDoes(read))) {
    throw new DeployError('plan-changed', t('The plan has changed since it was read.'), {
      hint: t('Read the new one, and decide again.'),
    });
  }
}

function whatItDoes({ dockerfile, context, commit, live, slot, proxy, publish, files, env, platform }: Plan): object {
  return { dockerfile, context, commit, live, slot, proxy, publish, files, env, platform };
}

/**
 * The slot that nginx does not serve, also while the one that it serves is down. Where it serves none: one whose
 * container is not running, so that nothing is ended needlessly.
 */
function slotToFill(view: ServiceView): SlotName {
  if (view.served !== undefined) {
    return otherSlot(view.served.slot);
  }
  return view.slots.BLUE?.running === true && view.slots.GREEN?.running !== true ? 'GREEN' : 'BLUE';
}

/**
 * What differs from the environment of the live slot. `before` are its `NAME=value` lines, the image's own included;
 * `names` are those that its deployment set. Undefined where they are: a slot that another tool made does not tell.
 */
export function envChanges(
  wanted: Readonly<Record<string, string>>,
  before: readonly string[],
  names: readonly string[] | undefined,
): EnvChanges | undefined {
  if (names === undefined) {
    return undefined;
  }
  const added = Object.keys(wanted).filter((name) => !names.includes(name));
  const changed = Object.entries(wanted)
    .filter(([name, value]) => names.includes(name) && !before.includes(`${name}=${value}`))
    .map(([name]) => name);
  return { added, changed, removed: names.filter((name) => !(name in wanted)) };
}

async function readDockerfile(service: ServiceConfig): Promise<string> {
  try {
    return await readFile(service.build.dockerfile, 'utf8');
  } catch (error) {
    throw new DeployError('config', t('There is no Dockerfile at {0}.', service.build.dockerfile), {
      hint: t('Create one, or name another with --dockerfile or "build.dockerfile" in bluegreen.json.'),
      cause: error,
    });
  }
}
