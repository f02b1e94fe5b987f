/**
 * A query with its pairs sorted by name, those of one name in the order they had. So it is signed: a proxy that puts parameters of
 * different names in another order does no harm.
 */
export function sortedByName(query: string): string {
  const pairs = query.split("&").map((pair) => ({ pair, name: pair.split("=", 1)[0]! }));
  return pairs
    .sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))
    .map(({ pair }) => pair)
    .join("&");
}
