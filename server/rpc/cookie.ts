/** The names of the cookies in the header `cookie`, as they were sent. */
export function cookieNames(header: string): string[] {
  return header.split(";").map((pair) => pair.split("=", 1)[0]!.trim());
}

/** The value of a cookie in the header `cookie`; undefined when it has none of that name. */
export function cookieOf(header: string, name: string): string | undefined {
  for (const pair of header.split(";")) {
    const text = pair.trimStart();
    if (text.startsWith(name) && text[name.length] === "=") return text.slice(name.length + 1).trimEnd();
  }
  return undefined;
}
