import type { Finding, Rule, SourceFile } from "./source.js";

interface Word {
  readonly pattern: RegExp;
  /** Files that may say it. */
  readonly where?: RegExp;
  readonly says: string;
}

const STARTS_THE_PROCESS = /^server\/(main\.ts$|cli\/)/;
const READS_THE_ENVIRONMENT = /^server\/(config\.ts$|main\.ts$|cli\/)/;

const KEPT_WORDS: readonly Word[] = [
  {
    pattern: /\bprocess\s*\.\s*env\b|\{[^}]*\benv\b[^}]*\}\s*=\s*process\b/,
    where: READS_THE_ENVIRONMENT,
    says: "reads process.env: only config.ts, main.ts and cli/ do",
  },
  {
    pattern: /\bprocess\s*\.\s*argv\b|\{[^}]*\bargv\b[^}]*\}\s*=\s*process\b/,
    where: READS_THE_ENVIRONMENT,
    says: "reads process.argv: only config.ts, main.ts and cli/ do",
  },
  {
    pattern: /\bprocess\s*\.\s*exit\s*\(/,
    where: STARTS_THE_PROCESS,
    says: "calls process.exit: only main.ts and cli/ do",
  },
  // A tool's configuration is read by its default export.
  { pattern: /\bexport\s+default\b|\bas\s+default\b/, where: /\.config\.ts$/, says: "has a default export" },
];

const REASONED_WORDS: readonly Word[] = [
  { pattern: /\bas\s+any\b/, says: "as any" },
  { pattern: /\beval\s*\(/, says: "eval(" },
  { pattern: /\bnew\s+RegExp\s*\(/, says: "new RegExp(" },
];
const REASON = /\/\/ reason: \S/;
const IGNORED_TYPE = /(?:\/\/|\/\*|^\s*\*)\s*@ts-ignore\b/;

/** The environment and the process belong to whoever starts it; nothing is exported by default. */
export const wordsStayInTheirPlace: Rule = (files) =>
  files.flatMap((source) => [
    ...KEPT_WORDS.filter((word) => !word.where?.test(source.file)).flatMap((word) => linesWith(source, word)),
    ...environmentImports(source),
  ]);

function linesWith(source: SourceFile, word: Word): Finding[] {
  return source.code
    .split("\n")
    .flatMap((line, index) => (word.pattern.test(line) ? [at(source, index, word.says)] : []));
}

/** `import { env } from "node:process"` is the same by another name. */
function environmentImports(source: SourceFile): Finding[] {
  if (READS_THE_ENVIRONMENT.test(source.file)) return [];
  return source.imports
    .filter((one) => (one.target === "node:process" || one.target === "process") && !one.typeOnly)
    .map((one) => ({ file: source.file, says: `imports ${one.specifier}: only config.ts, main.ts and cli/ do` }));
}

/** What switches a check off says why, in `// reason: ...` on its line or the line above. */
export const dangerousWordsHaveAReason: Rule = (files) =>
  files.flatMap((source) => {
    const text = source.text.split("\n");
    return source.code.split("\n").flatMap((code, index) => {
      const word = IGNORED_TYPE.test(text[index] ?? "")
        ? "@ts-ignore"
        : REASONED_WORDS.find((one) => one.pattern.test(code))?.says;
      const reasoned = [text[index], text[index - 1]].some((line) => REASON.test(line ?? ""));
      return word === undefined || reasoned ? [] : [at(source, index, `says ${word} without "// reason: ..."`)];
    });
  });

/** A folder is named for what it is about. */
export const foldersSayWhatTheyHold: Rule = (files) =>
  files.flatMap((source) => {
    const folder = source.file.split("/").find((part) => ["utils", "util", "helpers", "common"].includes(part));
    return folder === undefined ? [] : [{ file: source.file, says: `stands in a folder named ${folder}` }];
  });

function at(source: SourceFile, index: number, says: string): Finding {
  return { file: `${source.file}:${index + 1}`, says };
}
