import { expect, test } from "vitest";
import { sourceFile } from "./source.js";
import { dangerousWordsHaveAReason, foldersSayWhatTheyHold, wordsStayInTheirPlace } from "./words.js";

function kept(file: string, text: string): string[] {
  return wordsStayInTheirPlace([sourceFile(file, text)]).map((finding) => finding.says);
}

function unreasoned(text: string): string[] {
  return dangerousWordsHaveAReason([sourceFile("server/rpc/a.ts", text)]).map(({ file, says }) => `${file} ${says}`);
}

test.each([
  ["const home = process.env.HOME;", "reads process.env: only config.ts, main.ts and cli/ do"],
  ["const { env } = process;", "reads process.env: only config.ts, main.ts and cli/ do"],
  [`import { env } from "node:process";`, "imports node:process: only config.ts, main.ts and cli/ do"],
  ["parse(process.argv);", "reads process.argv: only config.ts, main.ts and cli/ do"],
  ["process.exit(1);", "calls process.exit: only main.ts and cli/ do"],
  ["export default function start() {}", "has a default export"],
  ["export { start as default };", "has a default export"],
])("%s is refused in rpc/", (text, says) => {
  expect(kept("server/rpc/a.ts", text)).toEqual([says]);
});

test("main.ts and cli/ own the process, config.ts reads the environment but does not exit", () => {
  const text = "process.env.HOME; process.argv; process.exit(1);";
  expect(kept("server/main.ts", text)).toEqual([]);
  expect(kept("server/cli/serve.ts", text)).toEqual([]);
  expect(kept("server/config.ts", text)).toEqual(["calls process.exit: only main.ts and cli/ do"]);
});

test("words in comments and strings are talk, not code", () => {
  expect(kept("server/rpc/a.ts", `// process.env\nconst a = "process.exit(1)"; process.exitCode = 1;`)).toEqual([]);
  expect(unreasoned("// the same as any other; eval( is @ts-ignore's friend")).toEqual([]);
});

test.each([
  ["const a = b as any;", "as any"],
  ["eval(text);", "eval("],
  ["new RegExp(text);", "new RegExp("],
  ["// @ts-ignore", "@ts-ignore"],
])("%s needs a reason, on its line or the line above", (text, word) => {
  expect(unreasoned(`\n${text}`)).toEqual([`server/rpc/a.ts:2 says ${word} without "// reason: ..."`]);
  expect(unreasoned(`// reason: a fixed pattern\n${text}`)).toEqual([]);
  expect(unreasoned(`${text} // reason: a fixed pattern`)).toEqual([]);
  expect(unreasoned(`// reason:\n${text}`)).toHaveLength(1);
});

test("a folder named utils, helpers or common is found", () => {
  const files = ["server/rpc/utils/a.ts", "server/common/b.ts", "server/rpc/common-errors.ts"];
  const found = foldersSayWhatTheyHold(files.map((file) => sourceFile(file, ""))).map((finding) => finding.file);
  expect(found).toEqual(["server/rpc/utils/a.ts", "server/common/b.ts"]);
});
