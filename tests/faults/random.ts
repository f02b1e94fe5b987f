/** Numbers that only look random: the same seed gives the same run. */
export interface Random {
  /** From 0 up to, but not, 1. */
  next(): number;
  /** A whole number of `least` to `most`. */
  between(least: number, most: number): number;
  pick<T>(things: readonly T[]): T;
}

/** Mulberry32: small, and good enough to choose what breaks. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return { next, between, pick: (things) => things[between(0, things.length - 1)]! };
}
