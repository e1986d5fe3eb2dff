import { createHash } from 'node:crypto';

/**
 * `docker save` of engines before 25 names a layer's folder by an id of its own, which is nowhere told before the end
 * of the archive. It is the SHA-256 of the layer's description (the file `json` beside it) with the chain id of the
 * layer and its parent's id put in (moby 20.10, image/tarexport/save.go and image/v1/imagev1.go). So the description
 * and the image's RootFS.Layers tell which layer a folder holds, and a match proves it.
 */
export function layerOfV1Folder(folder: string, description: string, chains: readonly string[]): number | undefined {
  const fields = topLevelFields(description);
  const parent = fields.get('parent');
  fields.delete('id');
  if (parent !== undefined) {
    fields.set('parent', parent.replace(/^"/, '"sha256:'));
  }
  const found = chains.findIndex((chain) => {
    fields.set('layer_id', JSON.stringify(chain));
    // The operating system is added after the id was made, except for the topmost layer.
    return hash(fields) === folder || hash(without(fields, 'os')) === folder;
  });
  return found < 0 ? undefined : found;
}

/** Chain ids of the layers: each stands for its layer and all below it (OCI image specification, "Layer ChainID"). */
export function chainIds(layers: readonly string[]): string[] {
  const chains: string[] = [];
  for (const layer of layers) {
    const below = chains.at(-1);
    chains.push(below === undefined ? layer : `sha256:${sha256(`${below} ${layer}`)}`);
  }
  return chains;
}

/** Go writes the fields of a map in the order of their names. */
function hash(fields: ReadonlyMap<string, string>): string {
  const names = [...fields.keys()].sort();
  return sha256(`{${names.map((name) => `${JSON.stringify(name)}:${fields.get(name) ?? ''}`).join(',')}}`);
}

function without(fields: ReadonlyMap<string, string>, name: string): Map<string, string> {
  const rest = new Map(fields);
  rest.delete(name);
  return rest;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The fields of a JSON object with their values as they are written: parsing would lose how Go escapes them. */
function topLevelFields(json: string): Map<string, string> {
  const fields = new Map<string, string>();
  const end = json.lastIndexOf('}');
  let depth = 0;
  let inString = false;
  let begin = json.indexOf('{') + 1;
  for (let at = begin; at <= end; at++) {
    const character = json[at];
    if (inString) {
      if (character === '\\') {
        at++;
      } else if (character === '"') {
        inString = false;
      }
    } else if (character === '"') {
      inString = true;
    } else if (character === '{' || character === '[') {
      depth++;
    } else if (depth > 0 && (character === '}' || character === ']')) {
      depth--;
    } else if (depth === 0 && (character === ',' || at === end)) {
      const [, name, value] = /^\s*"([^"]*)"\s*:\s*([^]*?)\s*$/.exec(json.slice(begin, at)) ?? [];
      if (name !== undefined && value !== undefined) {
        fields.set(name, value);
      }
      begin = at + 1;
    }
  }
  return fields;
}
