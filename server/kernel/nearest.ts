/** A question to whoever mistyped a name, for the end of a sentence: `; did you mean ping?`. Empty when no name is like it. */
export function didYouMean(name: string, names: readonly string[]): string {
  const like = nearest(name, names);
  return like === undefined ? "" : `; did you mean ${like}?`;
}

/** The one of some names that a mistyped name is most like; undefined when none is so by 2 letters, or a third of them. */
function nearest(name: string, names: readonly string[]): string | undefined {
  const most = Math.min(Math.max(2, Math.floor(name.length / 3)), name.length - 1);
  const [first] = names.map((other) => ({ other, apart: distance(name, other) })).sort((a, b) => a.apart - b.apart);
  return first !== undefined && first.apart <= most ? first.other : undefined;
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
