import { structuredPatch } from 'diff';

/** Unified diff of one file, without the two header lines; an empty string when nothing differs. */
export function unifiedDiff(before: string, after: string): string {
  const { hunks } = structuredPatch('before', 'after', before, after, undefined, undefined, { context: 3 });
  return hunks
    .map((hunk) =>
      [`@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`, ...hunk.lines].join('\n'),
    )
    .join('\n');
}
