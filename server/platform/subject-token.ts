/**
 * Any text as one token of a NATS subject, which may hold no dots, spaces, wildcards or line ends: letters, digits, `_` and
 * `-` stand for themselves, everything else for its UTF-16 units. Different texts make different tokens.
 */
export function toToken(text: string): string {
  if (text === "") return "%";
  return text.replace(/[^A-Za-z0-9_-]/g, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The text of a token that `toToken` made. */
export function fromToken(token: string): string {
  if (token === "%") return "";
  return token.replace(/%([0-9a-f]{4})/g, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)));
}
