/** Remembers the last `limit` ids: true when `id` is new, false when it was seen lately. */
export function recentIds(limit: number): (id: string) => boolean {
  const seen = new Set<string>();
  return (id) => {
    if (seen.has(id)) return false;
    seen.add(id);
    // A set keeps the order of insertion: its first is its oldest.
    if (seen.size > limit) seen.delete(seen.values().next().value as string);
    return true;
  };
}
