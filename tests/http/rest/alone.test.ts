import { expect, test } from "vitest";
import { serverFiles } from "../../architecture/project.js";

const FOLDER = "server/http/rest/";
const files = serverFiles().filter(({ file }) => file.startsWith(FOLDER));

test("the transcoder reaches the house through house.ts only, and never a domain or the platform", () => {
  expect(files.length).toBeGreaterThan(10);
  const outside = files.flatMap(({ file, imports }) =>
    imports
      .filter(({ kind, target }) => kind === "file" && !target.startsWith(FOLDER))
      .map(({ target }) => [file, target] as const),
  );
  expect(new Set(outside.map(([file]) => file))).toEqual(new Set([`${FOLDER}house.ts`]));
  expect(outside.filter(([, target]) => !/^(server\/(rpc|kernel)|gen\/google)\//.test(target))).toEqual([]);
});

test("of packages it needs the one of protobuf", () => {
  const packages = files.flatMap(({ imports }) => imports.filter(({ kind }) => kind === "package"));
  expect(new Set(packages.map(({ target }) => target))).toEqual(new Set(["@bufbuild/protobuf"]));
});
