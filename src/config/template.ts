/** The text of a first bluegreen.json. */
import { t } from '../l10n';

export interface TemplateFacts {
  readonly service: string;
  /** Relative to the file, with `/`; undefined for a Dockerfile of that very name beside it. */
  readonly dockerfile: string | undefined;
  /** The Dockerfile's EXPOSEd port; undefined when it names none or several. */
  readonly port: number | undefined;
  /** Where the service was deployed to lately. */
  readonly hosts: readonly string[];
}

/** What is usually said of a service, with comments; what is left as it is stands commented out. */
export function configTemplate({ service, dockerfile, port, hosts }: TemplateFacts): string {
  const build =
    dockerfile === undefined
      ? '// "build": { "dockerfile": "Dockerfile.prod" },'
      : `"build": { "dockerfile": ${JSON.stringify(dockerfile)} },`;
  const portLine = port === undefined ? '"port": 8080,' : `"port": ${port}, // ${t('as the Dockerfile EXPOSEs it')}`;
  return `{
  // ${t('In VS Code, Ctrl+Space offers every key there is, and hovering over one explains it.')}
  "services": {
    "${service}": {
      ${build}
      // ${t('Aliases of your ssh configuration, user@host, "context:NAME" for a Docker context, or "local" for this machine.')}
      "hosts": ${JSON.stringify(hosts)},
      // ${t('Port the service listens on in its container, on 0.0.0.0.')}
      ${portLine}
      // ${t('Asked until it answers 2xx or 3xx, twice in a row. Only then does the new slot get requests.')}
      "health": "/",
      // ${t('Host names it answers for. Left out: every request that no other service claims.')}
      // "route": "${service}.example.com",
      "run": {
        "env": {
          // "LOG_LEVEL": "info",
          // ${t('Secrets come from the environment of whoever deploys, never from this file.')}
          // "DB_PASSWORD": { "fromEnv": "DB_PASSWORD" },
        },
        // "volumes": ["data:/data"],
      },
    },
  },
}
`;
}
