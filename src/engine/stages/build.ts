import { buildImage } from '../../docker/build';
import type { DockerEngine } from '../../docker/engine';
import { type ImageDetails, inspectImage, platformOf } from '../../docker/images';
import { hostLabel } from '../../hostNames';
import { t } from '../../l10n';
import { DeployError, LABEL, type Plan, type ServiceConfig } from '../../model';
import type { Run } from '../context';

/** A release: the built image, under its name `<service>:<release>` in the engine that built it. */
export interface BuiltImage {
  readonly reference: string;
  readonly image: ImageDetails;
  readonly port: number;
}

/** Builds the image for the host's platform and finds the port it serves on. */
export async function buildStage(run: Run, builder: DockerEngine, plan: Plan): Promise<BuiltImage> {
  const { service, signal } = run;
  const { platform } = run.engine.info;
  const reference = `${service.name}:${plan.release}`;
  await buildImage(
    builder,
    {
      context: service.build.context,
      dockerfile: service.build.dockerfile,
      ...(service.build.target !== undefined && { target: service.build.target }),
      args: service.build.args,
      secrets: service.build.secrets,
      ssh: service.build.ssh,
      labels: imageLabels(service, plan),
      tag: reference,
      // Only when it is another one: a builder of the host's own platform need not know of platforms.
      ...(builder.info.platform !== platform && { platform }),
    },
    {
      log: (text, level) => run.emit({ type: 'log', stage: 'build', source: 'build', level, text }),
      step: (done, total) => run.emit({ type: 'progress', stage: 'build', done, total, unit: 'steps' }),
    },
    signal,
  );
  const image = await inspectImage(builder, reference, signal);
  if (image === undefined) {
    throw new DeployError('build', t('The build ended well, but its image is not there.'), {
      hint: t('Look whether something cleans up images on the machine that builds.'),
    });
  }
  const built = platformOf(image);
  if (built !== platform) {
    throw new DeployError(
      'build',
      t('The image is built for {0}, but {1} runs {2}.', built, hostLabel(run.host.name), platform),
      {
        hint: t('Nothing was sent. Take base images that exist for {0}, and no other --platform after FROM.', platform),
      },
    );
  }
  return { reference, image, port: servicePort(service, image) };
}

function imageLabels(service: ServiceConfig, plan: Plan): Record<string, string> {
  return {
    [LABEL.service]: service.name,
    [LABEL.release]: plan.release,
    [LABEL.person]: plan.person,
    ...(plan.commit !== undefined && { [LABEL.commit]: plan.commit }),
  };
}

function servicePort(service: ServiceConfig, image: ImageDetails): number {
  if (service.port !== undefined) {
    return service.port;
  }
  const [only, ...more] = image.exposedPorts;
  if (only === undefined || more.length > 0) {
    throw new DeployError(
      'config',
      only === undefined
        ? t('It is not known on which port {0} listens.', service.name)
        : t('The image exposes several ports: {0}.', image.exposedPorts.join(', ')),
      { hint: t('Add one EXPOSE line to the Dockerfile, or say the port with --port or "port" in bluegreen.json.') },
    );
  }
  return only;
}
