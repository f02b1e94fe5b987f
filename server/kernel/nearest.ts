/** The one of some names that a mistyped name is most like; undefined when there are none. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  return [...names].sort((a, b) => distance(name, a) - distance(name, b))[0];
}

/** Levenshtein's: how many letters apart two names are. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
