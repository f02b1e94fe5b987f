import type { Import, Rule, SourceFile } from "./source.js";

/** A module or folder of platform/ that is one way to do what its port says. */
const IMPLEMENTATION = /^server\/platform\/(?:.+\/)?(?:memory|nats|postgres|disk|s3|embedded|redis)[^/]*(?:\/.*)?$/;
/** app.ts, and the parts it is put together from. */
const COMPOSITION_ROOT = /^server\/app(\.ts$|\/)/;

/** npm package -> the only files that name it. */
const KEPT_PACKAGES: readonly { readonly name: RegExp; readonly files: RegExp; readonly says: string }[] = [
  { name: /^(nats|@nats-io\/.*)$/, files: /\/nats\.ts$/, says: "files called nats.ts" },
  { name: /^ws$/, files: /^(server\/http\/socket|tests)\//, says: "server/http/socket/" },
  { name: /^sharp$/, files: /\/images\.ts$/, says: "images.ts" },
];

/** Nobody but app.ts names an implementation; its own folder may. */
export const onlyTheAppNamesImplementations: Rule = (files) =>
  files
    .filter((source) => !COMPOSITION_ROOT.test(source.file))
    .flatMap((source) =>
      source.imports
        .filter((one) => one.kind === "file" && isImplementation(one.target) && !sameFolder(source, one))
        .map((one) => ({ file: source.file, says: `names the implementation ${one.target}: only app.ts does` })),
    );

/** A driver stays behind the one file that wraps it. */
export const driversStayInTheirFile: Rule = (files) =>
  files.flatMap((source) =>
    KEPT_PACKAGES.filter((kept) => !kept.files.test(source.file)).flatMap((kept) =>
      source.imports
        .filter((one) => one.kind === "package" && kept.name.test(one.target))
        .map((one) => ({ file: source.file, says: `imports ${one.target}: only ${kept.says} may` })),
    ),
  );

function isImplementation(target: string): boolean {
  return IMPLEMENTATION.test(target) || (target.startsWith("server/") && target.endsWith("/nats.ts"));
}

/** Of server/platform/db/embedded/x.ts the folder is server/platform/db. */
function sameFolder(source: SourceFile, one: Import): boolean {
  const folder = one.target.split("/").slice(0, 3).join("/");
  return source.file.startsWith(`${folder}/`) && one.target.split("/").length > 3;
}
