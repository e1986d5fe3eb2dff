/**
 * All of the lower floors that the editor calls, in one bundle of its own (dist/engine.js). Nothing but
 * `engineLoader.ts` imports this at run time: activating the extension must not read ssh2 and dockerode from disk.
 */
export { loadConfig, serviceForDockerfile } from '../config/load';
export { checkDestination } from '../config/names';
export { parseConfig } from '../config/parse';
export { listContexts } from '../docker/localAddress';
export { placeAt, servicePlaces } from '../config/places';
export { configTemplate } from '../config/template';
export { zeroServiceName } from '../config/zero';
export { exposedPorts } from '../docker/dockerfile';
export { buildsOnHost, deploy } from '../engine/deploy';
export { CONTEXT_PREFIX, openHost } from '../engine/host';
export { drillHost } from '../engine/drill';
export { followLogs } from '../engine/followLogs';
export { observeHost } from '../engine/hostState';
export { previewDeployment } from '../engine/preview';
export { removeProxy, removeService } from '../engine/remove';
export { repairHost } from '../engine/repair';
export { rollback, switchSlot } from '../engine/rollback';
export { restartSlot, serviceConf, shellInto } from '../engine/slot';
export { watchHost } from '../engine/watch';
export { listAliases } from '../ssh/config';
