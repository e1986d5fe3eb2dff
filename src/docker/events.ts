import type { DockerEngine } from './engine';
import { jsonLines, object, text } from './json';

/** What happened to a container. */
export interface ContainerEvent {
  readonly container: string;
  /** Docker's word: create, start, die, stop, destroy, rename, pause, unpause, oom, health_status. */
  readonly action: string;
}

/** Commands run inside containers are no change of the containers, and we run some ourselves. */
const ACTIONS = ['create', 'start', 'die', 'stop', 'destroy', 'rename', 'pause', 'unpause', 'oom', 'health_status'];

/**
 * What happens to the engine's containers until the signal or the end of the connection: from now on, or from `sinceMs` on,
 * a time of this machine's clock; what happened up to two seconds before that may come as well. An engine keeps its last
 * 256 events (`since` of Docker's `/events`).
 */
export async function* containerEvents(
  engine: DockerEngine,
  signal: AbortSignal,
  sinceMs?: number,
): AsyncGenerator<ContainerEvent> {
  const filters = JSON.stringify({ type: ['container'], event: ACTIONS });
  const since = sinceMs === undefined ? undefined : Math.floor((sinceMs + engine.info.clockAheadMs) / 1_000) - 1;
  const stream = await engine.stream({ method: 'GET', path: '/events', query: { filters, since } }, signal);
  try {
    for await (const event of jsonLines(stream)) {
      const container = text(object(object(event['Actor'])['Attributes'])['name']);
      yield { container, action: text(event['Action']).replace(/:.*$/, '') };
    }
  } catch (error) {
    throw engine.explain(error, signal);
  } finally {
    stream.destroy();
  }
}
