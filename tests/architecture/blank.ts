/**
 * Source text in which comments and the insides of literals are spaces, at the same length and with the same lines. What
 * is left is code, so that a rule finds words the program says and not words it talks about.
 */
export function blankOut(text: string): string {
  const out = text.split("");
  // One entry per template literal we are inside of: how many braces of its `${` are open.
  const templates: number[] = [];
  let at = 0;

  const blank = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== "\n") out[i] = " ";
  };
  const skipTo = (end: number, margin: number) => {
    const stop = end < 0 ? text.length : end;
    blank(at + margin, stop);
    at = end < 0 ? text.length : end + margin;
  };

  while (at < text.length) {
    const char = text[at];
    const next = text[at + 1];
    if (char === "/" && next === "/") skipTo(text.indexOf("\n", at), 0);
    else if (char === "/" && next === "*") {
      const end = text.indexOf("*/", at + 2);
      skipTo(end < 0 ? -1 : end + 2, 0);
    } else if (char === '"' || char === "'") skipTo(endOfLiteral(text, at, char), 1);
    else if (char === "/" && startsRegex(out, at)) skipTo(endOfRegex(text, at), 1);
    else if (char === "`" || (char === "}" && templates.at(-1) === 0)) {
      if (char === "}") templates.pop();
      const end = endOfTemplatePart(text, at + 1);
      blank(at + 1, end);
      if (text[end] === "$") templates.push(0);
      at = text[end] === "$" ? end + 2 : end + 1;
    } else {
      if (char === "{") nest(templates, 1);
      if (char === "}") nest(templates, -1);
      at++;
    }
  }
  return out.join("");
}

function nest(templates: number[], by: number): void {
  const inner = templates.length - 1;
  if (inner >= 0) templates[inner] = (templates[inner] ?? 0) + by;
}

/** Where the quote that opens at `from` closes; a string does not span lines. */
function endOfLiteral(text: string, from: number, quote: string): number {
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === quote || text[i] === "\n") return i;
  }
  return -1;
}

/** The closing backtick, or the `$` of the next `${`. */
function endOfTemplatePart(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "`" || (text[i] === "$" && text[i + 1] === "{")) return i;
  }
  return text.length;
}

function endOfRegex(text: string, from: number): number {
  let inClass = false;
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "[") inClass = true;
    else if (text[i] === "]") inClass = false;
    else if (text[i] === "\n" || (text[i] === "/" && !inClass)) return i;
  }
  return -1;
}

/** A slash opens a regular expression where a value may start; after a value it divides. */
function startsRegex(out: readonly string[], at: number): boolean {
  let i = at - 1;
  while (i >= 0 && /\s/.test(out[i] ?? "")) i--;
  if (i < 0) return true;
  if (!/[\w$)\]}"'`]/.test(out[i] ?? "")) return true;
  return /(?:^|[^\w$.])(?:return|typeof|case|in|of|await|yield|void|delete|throw)$/.test(
    out.slice(Math.max(0, i - 9), i + 1).join(""),
  );
}
