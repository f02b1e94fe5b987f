// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the sources under test hold templates
import { expect, test } from "vitest";
import { blankOut } from "./blank.js";
import { sourceFile } from "./source.js";

function targets(text: string) {
  return sourceFile("server/domains/messages/service.ts", text).imports.map((one) => one.target);
}

test("every form of import names its target", () => {
  const text = `
    import "./side-effect.js";
    import all, { one, two as three } from "../accounts/index.js";
    import * as everything from "drizzle-orm/pg-core";
    import {
      many,
      lines,
    } from '@connectrpc/connect/protocol';
    export * from "./store.js";
    export { one } from "node:crypto";
    const late = await import("#gen/backstay/auth/v1/auth_pb.js");
    type Late = typeof import("postgres");
    const hidden = await import(name);`;
  expect(targets(text).sort()).toEqual([
    "",
    "@connectrpc/connect",
    "drizzle-orm",
    "gen/backstay/auth/v1/auth_pb.ts",
    "node:crypto",
    "postgres",
    "server/domains/accounts/index.ts",
    "server/domains/messages/side-effect.ts",
    "server/domains/messages/store.ts",
  ]);
});

test("an import of types only is known as one", () => {
  const { imports } = sourceFile(
    "server/context.ts",
    `import type { A } from "./a.js";
     import { type B, type C } from "./b.js";
     import { type D, e } from "./c.js";
     export type { F } from "./d.js";
     import type G from "./e.js";
     import type from "./f.js";`,
  );
  const byTarget = imports.map((one) => [one.target.slice("server/".length), one.typeOnly]);
  expect(Object.fromEntries(byTarget)).toEqual({
    "a.ts": true,
    "b.ts": true,
    "c.ts": false,
    "d.ts": true,
    "e.ts": true,
    "f.ts": false,
  });
});

test("comments, strings, templates and regular expressions import nothing", () => {
  const text = [
    "// import 'a';",
    "/* import 'b'; */",
    "const one = 'import \"c\"', two = \"import 'd'\";",
    "const three = `import 'e'; ${four({ five: `import 'f'` })} import 'g'`;",
    "const six = /import 'h' [/\"]/; const seven = 8 / 2; import './real.js';",
    "object.import('i'); const shape = { import: 'j' };",
    "const url = import.meta.url;",
  ].join("\n");
  expect(targets(text)).toEqual(["server/domains/messages/real.ts"]);
});

test("blanking keeps the length, the lines and the code", () => {
  const text = 'const a = "x"; // eval(\nconst b = `${eval("y")}`;\nconst c = 1 / 2 / 3;';
  const code = blankOut(text);
  expect(code).toHaveLength(text.length);
  expect(code.split("\n").map((line) => line.trimEnd())).toEqual([
    'const a = " ";',
    'const b = `${eval(" ")}`;',
    "const c = 1 / 2 / 3;",
  ]);
});

test("an unfinished comment or string ends with the file", () => {
  expect(blankOut("a /* b")).toBe("a     ");
  expect(blankOut("a 'b")).toBe("a ' ");
});
