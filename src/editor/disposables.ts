/** Anything that can be let go of. VS Code's own `Disposable` is a class, which most of its objects are no instance of. */
export interface Disposer {
  dispose(): unknown;
}

export function disposeAll(disposers: readonly Disposer[]): void {
  for (const disposer of disposers) {
    disposer.dispose();
  }
}
