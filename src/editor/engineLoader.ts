/**
 * The one door to the engine. The first call reads dist/engine.js; the build turns the import below into a `require`
 * of that file (esbuild.mjs, "separate files").
 */
export type Engine = typeof import('./engine');

export function loadEngine(): Promise<Engine> {
  return import('./engine');
}
