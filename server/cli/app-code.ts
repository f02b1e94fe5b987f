import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Declared, type Hosted, type Registry, theRegistry } from "../backend/backend.js";
import type { Running } from "../main.js";

/** An app's own code, which has said that everything is declared. */
export interface AppCode {
  readonly declared: Declared;
  /** Hands it the server that runs now: its `app.start()` is done. */
  attach(server: Hosted): void;
  /** Rejects, with one line, when the rest of its file fails. */
  readonly failed: Promise<never>;
}

const FILES = ["app.ts", "app.js", "app.mjs"];
/** A file that has been read, and still has not called `app.start()`, is not going to. */
const PATIENCE_MS = 10_000;

/** Runs the app file of a folder up to its `app.start()`; undefined when there is none. Throws one clear line. */
export async function loadAppCode(folder: string): Promise<AppCode | undefined> {
  const found = FILES.filter((name) => existsSync(join(folder, name)));
  const [name] = found;
  if (name === undefined) return undefined;
  if (found.length > 1) throw new Error(`${folder} has both ${found.join(" and ")}: keep one`);
  const file = join(folder, name);
  if (!file.endsWith(".mjs") && typeOf(folder) !== "module") {
    const otherwise = name === "app.js" ? ", or call it app.mjs" : "";
    throw new Error(`${name}: it is an ES module, so package.json needs "type": "module"${otherwise}`);
  }
  return loadAppFile(file);
}

/** Runs the file of an app up to its `app.start()`. Throws one clear line. */
export async function loadAppFile(file: string): Promise<AppCode> {
  const name = basename(file);
  const registry = theRegistry();
  let attach = (_: Hosted) => {};
  const server = new Promise<Hosted>((resolve) => {
    attach = resolve;
  });
  const declared = new Promise<void>((resolve) => {
    registry.host = () => {
      resolve();
      return server;
    };
  });
  const whole = import(pathToFileURL(file).href).catch((error) => {
    throw explain(error, file, name);
  });
  const failed = whole.then(() => new Promise<never>(() => {}));
  // It is told where somebody waits for it.
  failed.catch(() => {});
  await Promise.race([declared, whole.then(() => neverStarts(name, registry))]);
  return { declared: { ...registry.declared, appFile: file }, attach, failed };
}

/** Rejects when it is clear that the file, which was read to its end, does not call `app.start()`. */
async function neverStarts(name: string, registry: Registry): Promise<never> {
  if (!registry.asked) throw new Error(`${name} does not call backend() of "backstay": it is no app of ours`);
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  throw new Error(`${name} has not called app.start()`);
}

/** Where it happened in the app's file, and what, in one line. */
function explain(error: unknown, file: string, name: string): Error {
  const { message = String(error), stack = "" } = (error ?? {}) as Partial<Error>;
  const lines = message.split("\n").filter((line) => line.trim() !== "");
  // A file that cannot be read as TypeScript: the second line has the place and what is wrong there.
  const syntax = lines.map((line) => /^(.+?):(\d+):\d+: ERROR: (.*)$/.exec(line)).find((match) => match !== null);
  if (syntax) return new Error(`${syntax[1] === file ? name : syntax[1]}:${syntax[2]}: ${syntax[3]}`);
  const at = stack.indexOf(file);
  const line = at === -1 ? undefined : /^:(\d+)/.exec(stack.slice(at + file.length))?.[1];
  return new Error(`${name}${line === undefined ? "" : `:${line}`}: ${lines[0] ?? "failed"}`);
}

/** What the nearest package.json says that a `.js` is. */
function typeOf(folder: string): string | undefined {
  const file = join(folder, "package.json");
  if (existsSync(file)) return (JSON.parse(readFileSync(file, "utf8")) as { type?: string }).type;
  return dirname(folder) === folder ? undefined : typeOf(dirname(folder));
}

/** Starts a server with an app's code, if there is any, and waits for its end. Throws what the code failed by. */
export async function runWithCode(
  code: AppCode | undefined,
  start: (declared: Declared | undefined) => Promise<Running>,
): Promise<void> {
  const running = await start(code?.declared);
  let failure: { error: unknown } | undefined;
  code?.failed.catch((error) => {
    failure = { error };
    void running.stop();
  });
  code?.attach({ control: running.started.control, stop: running.stop });
  await running.ended;
  if (failure !== undefined) throw failure.error;
}
