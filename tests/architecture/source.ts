import { posix } from "node:path";
import { blankOut } from "./blank.js";

/** One import, export-from or `import()`. */
export interface Import {
  readonly specifier: string;
  /** The repository's file, the `node:` module or the npm package it names. */
  readonly target: string;
  readonly kind: "file" | "node" | "package" | "computed";
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** From the repository's top, with slashes. */
  readonly file: string;
  readonly text: string;
  /** The text without comments and literals; see blankOut. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** What a rule found: where, and why it is wrong. */
export interface Finding {
  readonly file: string;
  readonly says: string;
}

export type Rule = (files: readonly SourceFile[]) => Finding[];

const STATIC = /\bimport\s+(type\s+(?!from\b))?(?:([\w$*{}\s,]+?)\s*\bfrom\s*)?(["'])( *)\3/dg;
const EXPORT_FROM = /\bexport\s+(type\s+)?(\*(?:\s+as\s+[\w$]+)?|\{[^}]*\})\s*from\s*(["'])( *)\3/dg;
const DYNAMIC = /(?<![.\w$])import\s*\(\s*(?:()()(["'`])( *)\3|(?=[^\s"'`]))/dg;

export function sourceFile(file: string, text: string): SourceFile {
  const code = blankOut(text);
  return { file, text, code, imports: importsOf(file, text, code) };
}

function importsOf(file: string, text: string, code: string): Import[] {
  return [STATIC, EXPORT_FROM, DYNAMIC].flatMap((pattern) =>
    Array.from(code.matchAll(pattern), (match) => {
      // The specifier itself is blank in the code, so it is read from the text at the same place.
      const [from, to] = match.indices?.[4] ?? [];
      const specifier = from === undefined ? "" : text.slice(from, to);
      return { specifier, typeOnly: isTypeOnly(match[1], match[2]), ...resolve(file, specifier) };
    }),
  );
}

function isTypeOnly(keyword: string | undefined, clause: string | undefined): boolean {
  if (keyword) return true;
  const names = clause
    ?.match(/^\s*\{([^}]*)\}\s*$/)?.[1]
    ?.split(",")
    .map((name) => name.trim());
  const given = names?.filter((name) => name !== "") ?? [];
  return given.length > 0 && given.every((name) => name.startsWith("type "));
}

function resolve(file: string, specifier: string): Pick<Import, "target" | "kind"> {
  if (specifier === "") return { target: "", kind: "computed" };
  if (specifier.startsWith("#gen/")) return { target: asSource(specifier.slice(1)), kind: "file" };
  if (specifier.startsWith(".")) {
    return { target: asSource(posix.join(posix.dirname(file), specifier)), kind: "file" };
  }
  if (specifier.startsWith("node:")) return { target: specifier, kind: "node" };
  const parts = specifier.split("/");
  return { target: parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/"), kind: "package" };
}

function asSource(path: string): string {
  return path.replace(/\.js$/, ".ts");
}
