/** The path of a request's target, as it was sent. */
export function pathOf(url: string | undefined): string {
  const at = url?.indexOf("?") ?? -1;
  return at === -1 ? (url ?? "") : url!.slice(0, at);
}

/** Its query, as it was sent; empty when there is none. */
export function queryOf(url: string | undefined): string {
  const at = url?.indexOf("?") ?? -1;
  return at === -1 ? "" : url!.slice(at + 1);
}
