/** Levels of lists and objects within each other that are looked at. */
const MOST_DEPTH = 100;

/** The JSON of a value that is the same once it has been read again; undefined for any other, such as one with a Date in it. */
export function exactJson(value: unknown): string | undefined {
  return isJson(value, MOST_DEPTH) ? JSON.stringify(value) : undefined;
}

function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  // What holds itself has no end of levels.
  if (typeof value !== "object" || depth === 0) return false;
  const isEach = (one: unknown) => isJson(one, depth - 1);
  if (Array.isArray(value)) return value.every(isEach);
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && Object.values(value).every(isEach);
}
