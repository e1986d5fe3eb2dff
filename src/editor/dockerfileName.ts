import { CONFIG_FILE_NAME } from '../config/fileName';

/**
 * Names a Dockerfile goes by; not those of BuildKit's ignore file for one of them, `Dockerfile.dockerignore`. The
 * manifest's `when` clauses hold the same pattern (test/unit/editor/manifest.test.ts).
 */
export const DOCKERFILE_NAME = /^(?!.*\.dockerignore$)(Dockerfile|Dockerfile\..+|.+\.Dockerfile)$/i;

/** Finds them in a workspace, whatever the case of the suffix, and more: what is found is to have such a name. */
export const DOCKERFILE_GLOB = '**/{Dockerfile,Dockerfile.*,*.Dockerfile,*.dockerfile}';
export const CONFIG_GLOB = `**/${CONFIG_FILE_NAME}`;
/** Never searched. */
export const SKIPPED_GLOB = '**/{node_modules,.git,vendor,.venv,dist}/**';
