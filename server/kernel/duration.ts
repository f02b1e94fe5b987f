const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The milliseconds of a duration such as `250ms`, `5s`, `10m`, `2h` or `14d`; undefined when the text is none. */
export function milliseconds(text: string): number | undefined {
  const [, digits, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  return digits === undefined || unit === undefined ? undefined : Number(digits) * UNITS[unit]!;
}
