import { structuredPatch } from 'diff';

/** Unified diff of one file, without the two header lines; an empty string when nothing differs. */
export function unifiedDiff(before: string, after: string): string {
  const { hunks } = structuredPatch('before', 'after', before, after, undefined, undefined, { context: 3 });
  return hunks
    .map(({ oldStart, oldLines, newStart, newLines, lines }) =>
      [`@@ -${range(oldStart, oldLines)} +${range(newStart, newLines)} @@`, ...lines].join('\n'),
    )
    .join('\n');
}

/** No lines are said to begin at the line before them, as `diff -u` does it: `0,0` for a file that is new. */
function range(start: number, lines: number): string {
  return `${lines === 0 ? start - 1 : start},${lines}`;
}
