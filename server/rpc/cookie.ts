/** The value of a cookie in the header `cookie`; undefined when it has none of that name. */
export function cookieOf(header: string, name: string): string | undefined {
  for (const pair of header.split(";")) {
    const text = pair.trimStart();
    if (text.startsWith(name) && text[name.length] === "=") return text.slice(name.length + 1).trimEnd();
  }
  return undefined;
}
