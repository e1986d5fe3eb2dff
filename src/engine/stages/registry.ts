import net from 'node:net';
import type { DockerEngine } from '../../docker/engine';
import { type ImageDetails, inspectImage, removeImage, splitReference, tagImage } from '../../docker/images';
import { pullImage, pushImage, registryAuth, registryOf } from '../../docker/registry';
import { hasSameContent } from '../../docker/sameImage';
import type { TransferResult } from '../../docker/transfer';
import { hostLabel } from '../../hostNames';
import { t } from '../../l10n';
import { DeployError, toDeployError } from '../../model';
import type { Run } from '../context';

/** Milliseconds for taking the registry's name from the image again. */
const CLEAN_UP_MS = 15_000;

/**
 * Brings an image of `source` to the host by way of a registry: pushed here and pulled there, both with this machine's
 * credentials. A registry of this machine (`localhost:5000/…`) is shared with the host through the SSH connection.
 */
export async function throughRegistry(
  run: Run,
  source: DockerEngine,
  image: ImageDetails,
  reference: string,
  repository: string,
): Promise<TransferResult> {
  const { engine, host, signal } = run;
  const name = `${repository}:${splitReference(reference).tag}`;
  const registry = registryOf(name);
  const auth = await registryAuth(registry);
  const layers = new PulledLayers();
  const say = (text: string): void => {
    layers.add(text);
    run.note(text);
  };
  const port = Number(/^(?:localhost|127\.0\.0\.1):(\d+)$/.exec(registry)?.[1]);
  const share = host.transport !== undefined && port > 0;
  try {
    await tagImage(source, reference, name, run.unbroken());
    run.note(t('Pushing {0}.', name));
    await pushImage(source, name, auth, (text) => run.note(text), signal);
    const end = share ? await host.transport.shareTcp(port, () => net.connect({ host: '127.0.0.1', port })) : undefined;
    try {
      run.note(t('Pulling {0} on {1}.', name, hostLabel(host.name)));
      await pullImage(engine, name, say, signal, { auth });
    } finally {
      end?.();
    }
    const pulled = await inspectImage(engine, name, signal);
    if (pulled === undefined || !hasSameContent(pulled, image)) {
      throw new DeployError(
        'transfer',
        t('What {0} pulled as {1} is not the image that was built.', hostLabel(host.name), name),
        {
          hint: t('Somebody else may push to that repository. Deploy again.'),
        },
      );
    }
    await tagImage(engine, name, reference, signal);
    return layers.result(image.layers.length);
  } catch (error) {
    const cause = toDeployError(error, 'transfer');
    throw cause.code === 'internal' || cause.code === 'transfer'
      ? new DeployError(
          'transfer',
          t('The image did not get to {0} through {1}: {2}', hostLabel(host.name), repository, cause.message),
          {
            hint:
              cause.hint ?? t('Check the name and your `docker login`, and that the host reaches the registry too.'),
            ...(cause.detail !== undefined && { detail: cause.detail }),
            cause,
          },
        )
      : cause;
  } finally {
    for (const each of new Set([source, engine])) {
      await removeImage(each, name, AbortSignal.timeout(CLEAN_UP_MS)).catch(() => undefined);
    }
  }
}

/** Counts the layers that a pull has fetched. */
class PulledLayers {
  #pulled = 0;

  /** @param line `ID: STATE` */
  add(line: string): void {
    this.#pulled += line.endsWith(': Pull complete') ? 1 : 0;
  }

  /** @param all layers of the image; those of which nothing was said were there. */
  result(all: number): TransferResult {
    const sentLayers = Math.min(this.#pulled, all);
    return { sentBytes: 0, sentLayers, skippedLayers: all - sentLayers, full: sentLayers === all };
  }
}
