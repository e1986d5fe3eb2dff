/**
 * JSON with comments. The package's main entry is a UMD file whose `require` no bundler can follow, so its ES module
 * is named here, once.
 */
export {
  findNodeAtLocation,
  getLocation,
  getNodePath,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser/lib/esm/main.js';
export type { Node, ParseError } from 'jsonc-parser/lib/esm/main.js';
