/** The arrays our statements use, for the driver: asking each new connection for all that exist costs a round trip. */
export const ARRAYS = {
  texts: { to: 1009, from: [1009], serialize, parse: (text: string) => parse(text) },
  ids: {
    to: 2951,
    from: [2951],
    serialize,
    parse: (text: string) => parse(text).map((id) => id?.replaceAll("-", "") ?? null),
  },
};

function serialize(items: readonly unknown[]): string {
  const quoted = items.map((item) => (item == null ? "NULL" : `"${String(item).replace(/["\\]/g, "\\$&")}"`));
  return `{${quoted.join(",")}}`;
}

function parse(text: string): (string | null)[] {
  const items = text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^",]+)/gs);
  return Array.from(items, ([, quoted, plain]) => {
    if (quoted !== undefined) return quoted.replace(/\\(.)/gs, "$1");
    return plain === "NULL" ? null : plain!;
  });
}
