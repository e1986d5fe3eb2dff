import { Message } from './protobuf';

/** A step of a build, as BuildKit sees it. It is told again each time something about it changes. */
export interface Vertex {
  readonly digest: string;
  /** `[build 2/5] RUN npm ci`, `[internal] load build context`, `exporting to image`. */
  readonly name: string;
  readonly cached: boolean;
  readonly started: boolean;
  readonly completed: boolean;
  readonly error: string;
}

export interface VertexLog {
  readonly vertex: string;
  readonly data: Buffer;
}

export interface Trace {
  readonly vertexes: readonly Vertex[];
  readonly logs: readonly VertexLog[];
  readonly warnings: readonly string[];
}

/**
 * Reads the value of a `moby.buildkit.trace` line: base64 of BuildKit's StatusResponse (moby/buildkit,
 * api/services/control/control.proto). Field numbers are those of that file. Undefined for what is none.
 */
export function readTrace(aux: unknown): Trace | undefined {
  if (typeof aux !== 'string') {
    return undefined;
  }
  try {
    const status = new Message(Buffer.from(aux, 'base64'));
    return {
      vertexes: status.messages(1).map(readVertex),
      logs: status.messages(3).map((log) => ({ vertex: log.text(1), data: log.bytes(4) })),
      warnings: status.messages(4).map((warning) => warning.text(3)),
    };
  } catch (error) {
    if (error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

function readVertex(vertex: Message): Vertex {
  return {
    digest: vertex.text(1),
    name: vertex.text(3),
    cached: vertex.number(4) !== 0,
    started: vertex.has(5),
    completed: vertex.has(6),
    error: vertex.text(7),
  };
}
