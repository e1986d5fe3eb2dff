/** Zero configuration: a service from nothing but a Dockerfile. */
import path from 'node:path';
import type { ServiceConfig } from '../model';
import { serviceFormat } from './format';
import { toServiceConfig } from './machine';
import { makeServiceName } from './names';
import { defaultsOf } from './shapes';

/** Words in a Dockerfile's name that say where an image is meant to run, and not what it is. */
const ENVIRONMENT_WORDS = new Set(
  'ci dev develop development local prod production release stage staging test testing'.split(' '),
);

/**
 * The service's name: that of the context's folder, and the word that the Dockerfile's own name adds, as in
 * `api.Dockerfile` or `Dockerfile.api`. Words for an environment add nothing, and neither do the neighbours of the
 * file: a name must not change because another Dockerfile is put beside it.
 */
export function zeroServiceName(dockerfile: string, context: string): string {
  const folder = makeServiceName(path.basename(context));
  const match = /^(?:(.+)[._-])?(?:dockerfile|containerfile)(?:[._-](.+))?$/i.exec(path.basename(dockerfile));
  const words = [match?.[1], match?.[2]]
    .flatMap((part) => part?.toLowerCase().split('.') ?? [])
    .filter((word) => !ENVIRONMENT_WORDS.has(word) && makeServiceName(word) !== folder);
  return words.length === 0 ? folder : makeServiceName([folder, ...words].join('-'));
}

/** A service with every default, built from a Dockerfile whose folder is the context unless another one is given. */
export function zeroService(dockerfile: string, context = path.dirname(dockerfile), name?: string): ServiceConfig {
  const written = defaultsOf(serviceFormat);
  return toServiceConfig(
    name ?? zeroServiceName(dockerfile, context),
    { ...written, build: { ...written.build, context, dockerfile } },
    context,
    {},
    () => undefined,
  );
}
