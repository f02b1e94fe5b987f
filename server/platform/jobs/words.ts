/** Characters that `lastError` keeps. */
const MOST = 4_000;
const STACK_LINES = 8;

/** What is kept of an error: its name, its message and the first lines of its stack, which name no folder of this machine. */
export function wordsOfError(error: unknown): string {
  try {
    return storable(error instanceof Error ? wordsOfReal(error) : `thrown: ${wordsOfOther(error)}`);
  } catch {
    // What is thrown may be anything, also something that throws when it is looked at.
    return "thrown: what cannot be put into words";
  }
}

function wordsOfReal(error: Error): string {
  const { name, message } = error;
  return [`${String(name)}: ${String(message)}`, ...placesOf(error)].join("\n");
}

function placesOf(error: Error): string[] {
  try {
    return String(error.stack)
      .split("\n")
      .filter((line) => /^\s+at /.test(line) && !line.includes("node:internal"))
      .slice(0, STACK_LINES)
      .map(withoutFolders);
  } catch {
    // Node makes it when it is looked at first, from whatever name and message the error has.
    return [];
  }
}

/** A text that the database takes, cut to what is kept. */
export function storable(text: string): string {
  return text
    .slice(0, MOST)
    .replaceAll("\0", "")
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

function wordsOfOther(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return typeof value;
  }
}

/** A place in a package begins with the package's name, one of the app's in the folder the server runs in; of others the file is left. */
function withoutFolders(line: string): string {
  const [, called = "", place = ""] = /^(\s+at (?:async )?(?:.*? \()?)(.*)$/.exec(line) ?? [];
  const below = place
    .replace("file://", "")
    .replace(`${process.cwd()}/`, "")
    .replace(/^.*\/node_modules\//, "");
  return called + below.replaceAll(/(?<=^|[\s(])\/[^()]*\//g, "");
}
