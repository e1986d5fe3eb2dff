import type { Row } from './treeRows';

/** A row that VS Code knows. It stays the same object while its row changes, so that one row can be drawn anew. */
export class TreeNode {
  /** Ids of the rows below it as VS Code last got them; undefined while it never asked. */
  shown: readonly string[] | undefined;

  constructor(public row: Row) {}
}

/** Milliseconds after which an age may read differently. */
const AGE_STEP_MS = 60_000;

/** The rows of the tree as VS Code has them, so that of a change only the rows that differ are drawn anew. */
export class ShownRows {
  private readonly nodes = new Map<string, TreeNode>();
  private shownAtTop: readonly string[] | undefined;
  private ageing: NodeJS.Timeout | undefined;

  /**
   * @param below What is to be shown below a row, or at the top.
   * @param draw Has VS Code draw a row anew, with those below it as far as they changed; all rows for undefined.
   */
  constructor(
    private readonly below: (row: Row | undefined) => readonly Row[],
    private readonly draw: (node: TreeNode | undefined) => void,
  ) {}

  /** The rows below one, or at the top, for VS Code to show. */
  children(parent: TreeNode | undefined): TreeNode[] {
    const rows = this.below(parent?.row);
    const ids = rows.map((row) => row.id);
    if (parent === undefined) {
      this.shownAtTop = ids;
    } else {
      parent.shown = ids;
    }
    return rows.map((row) => this.nodeOf(row));
  }

  /** Compares what is shown, of one host or of all, with what is to be shown, and has only the difference drawn. */
  update(host?: string): void {
    if (this.compareBelow(undefined, host)) {
      // VS Code is going to ask for all of them: what changes until then need not be told.
      this.shownAtTop = undefined;
      this.draw(undefined);
    }
  }

  /** While somebody sees the rows, the ages in them go on. */
  setVisible(visible: boolean): void {
    clearInterval(this.ageing);
    this.ageing = visible ? setInterval(() => this.update(), AGE_STEP_MS).unref() : undefined;
    if (visible) {
      this.update();
    }
  }

  find(id: string): TreeNode | undefined {
    return this.nodes.get(id);
  }

  nodeOf(row: Row): TreeNode {
    const node = this.nodes.get(row.id) ?? new TreeNode(row);
    node.row = row;
    this.nodes.set(row.id, node);
    return node;
  }

  /** Has the rows that differ drawn, at any depth. True when rows right below `parent` came, went or moved. */
  private compareBelow(parent: TreeNode | undefined, host: string | undefined): boolean {
    const shown = parent === undefined ? this.shownAtTop : parent.shown;
    if (shown === undefined) {
      return false;
    }
    const rows = this.below(parent?.row);
    if (rows.length !== shown.length || rows.some((row, index) => row.id !== shown[index])) {
      rows.forEach((row) => this.nodeOf(row));
      return true;
    }
    for (const row of rows.filter((it) => host === undefined || it.host === host)) {
      const known = this.nodes.get(row.id);
      const same = known !== undefined && JSON.stringify(known.row) === JSON.stringify(row);
      const node = this.nodeOf(row);
      if (this.compareBelow(node, host) || !same) {
        this.draw(node);
      }
    }
    return false;
  }
}
