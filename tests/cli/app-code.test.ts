import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { makeAppFolder } from "../acceptance/app-folder.js";
import { cleanUp, run } from "../acceptance/server-process.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";

// Each starts processes, on whatever else the machine does.
vi.setConfig({ testTimeout: 60_000 });

let data: TestDatabase;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
});
afterAll(async () => {
  await cleanUp();
  await data?.drop();
});

const HEAD = `import { backend } from "backstay";\nconst app = backend();\n`;
const secret = { BACKSTAY_SECRET: "ab".repeat(32) };
const dev = (cwd: string, env: Record<string, string> = {}) =>
  run(["dev", "--port", "0", "--no-demo"], { cwd, env: { DATABASE_URL: data.url, ...secret, ...env } });

/** Runs a server with this app, which is expected to fail, and answers how. */
async function failure(files: Record<string, string>) {
  const cwd = await makeAppFolder(files);
  const server = dev(cwd);
  const { code } = await server.exit;
  return { code, line: server.stderr().trim().replaceAll(cwd, "HERE"), printed: server.lines() };
}

/** What a server does first of all, for the apps of several folders: it prints for each, as JSON, why it cannot be. */
const LOADER = `
await import(${JSON.stringify(new URL("../../server/cli/typescript.mjs", import.meta.url))});
const { loadAppCode } = await import(${JSON.stringify(new URL("../../server/cli/app-code.ts", import.meta.url))});
const refusals = process.argv.slice(1).map((folder) => loadAppCode(folder).then(() => "", ({ message }) => message));
console.log(JSON.stringify(await Promise.all(refusals)));
process.exit();
`;

/** What the apps that cannot be are refused by, in one process: a whole server for each says no more. */
async function refusals(apps: Record<string, string>[]): Promise<string[]> {
  const folders: string[] = [];
  for (const files of apps) folders.push(await makeAppFolder(files));
  const loader = run(folders, { program: ["--input-type=module", "-e", LOADER] });
  const told = await loader.line(() => true);
  return (JSON.parse(told) as string[]).map((line, n) => line.replaceAll(folders[n]!, "HERE"));
}

describe("an app file that cannot be", () => {
  const CANNOT_BE: [what: string, files: Record<string, string>, line: string | RegExp][] = [
    ["is there twice", { "app.ts": HEAD, "app.js": HEAD }, "HERE has both app.ts and app.js: keep one"],
    ["is no TypeScript", { "app.ts": `${HEAD}const x = ;\n` }, 'app.ts:3: Unexpected ";"'],
    [
      "declares what is malformed",
      { "app.js": `${HEAD}app.topic("Room/{id}", {});\n` },
      "app.js:3: topic Room/{id}: write it as room/{id}, of 2 to 5 parts",
    ],
    [
      "uses the server before it runs",
      { "app.mjs": `${HEAD}app.notify({}, {});\n` },
      "app.mjs:3: app.notify: no server runs; await app.start() first",
    ],
    [
      "is in a package of CommonJS",
      { "app.js": HEAD, "package.json": '{"type":"commonjs"}' },
      'app.js: it is an ES module, so package.json needs "type": "module", or call it app.mjs',
    ],
    [
      "needs a package that is missing",
      { "app.ts": `import { x } from "not-there";\n${HEAD}x();\n` },
      /^app\.ts(:\d+)?: Cannot find package 'not-there'[^\n]*$/,
    ],
    // Given up ten seconds after it was read.
    ["was read and has not called app.start()", { "app.ts": HEAD }, "app.ts has not called app.start()"],
  ];
  let lines: Promise<string[]>;
  beforeAll(() => {
    lines = refusals(CANNOT_BE.map(([, files]) => files));
    // Whoever waits for it hears of it.
    lines.catch(() => {});
  });

  it.each<[what: string, files: Record<string, string>, line: string]>([
    ["fails", { "app.ts": `${HEAD}\nthrow new Error("no mood\\nat all");\n` }, "app.ts:4: no mood"],
    [
      "is somebody else's",
      { "app.js": "globalThis.express = 1;\n" },
      'app.js does not call backend() of "backstay": it is no app of ours',
    ],
  ])("%s: the server ends by one line and the code 1", async (_, files, line) => {
    expect(await failure(files)).toEqual({ code: 1, line: `backstay: ${line}`, printed: [] });
  });

  it("ends a server, in order, whose app fails behind its start", async () => {
    const text = `${HEAD}await app.start();\nsetInterval(() => {}, 1000);\nawait null;\nthrow new Error("later");\n`;
    const { code, line, printed } = await failure({ "app.ts": text });
    expect(code).toBe(1);
    expect(line).toBe("backstay: app.ts:6: later");
    expect(printed.at(-1)).toMatch(/^backstay ready /);
  });

  it.each(CANNOT_BE.map(([what, , line], n) => [what, line, n] as const))(
    "%s: says so in one line",
    async (_, line, n) => {
      const told = (await lines)[n]!;
      if (typeof line === "string") expect(told).toBe(line);
      else expect(told).toMatch(line);
    },
  );
});

describe("an app that runs", () => {
  const APP = `${HEAD}
setInterval(() => {}, 1000);
app.topic("room/{id}", { subscribe: true });
await app.start();
const { id } = await app.publish({ topic: "room/7", type: "chat.opened", data: { at: new Date(0) } });
app.notify({ path: "/nowhere" }, { op: "nothing" });
console.log("the app goes on " + id);
`;

  it("goes on behind its start when the server is ready, and does not keep it from ending", async () => {
    const server = dev(await makeAppFolder({ "app.ts": APP }), { BACKSTAY_WORKERS: "3" });
    const goesOn = await server.line((line) => line.startsWith("the app goes on"));
    expect(goesOn).toMatch(/ [0-9a-f]{32}$/);
    expect(server.lines().at(-2)).toMatch(/^backstay ready /);
    expect(JSON.parse(server.lines()[0]!)).toMatchObject({
      notes: [expect.stringContaining("`backstay serve`")],
      demo: [],
    });
    server.signal("SIGTERM");
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.stderr()).toBe("");
  });

  it("may start late, and of several files, and ends the server by app.stop()", async () => {
    const late = `setTimeout(async () => {
      await app.start();
      console.log("up");
      await app.stop();
    }, 50);\n`;
    const cwd = await makeAppFolder({ "app.ts": `import "./rooms.js";\n${HEAD}${late}` });
    writeFileSync(join(cwd, "rooms.ts"), `${HEAD}app.topic("room/{id}", {});\n`);
    const server = dev(cwd);
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.lines().slice(-2)).toEqual([expect.stringMatching(/^backstay ready /), "up"]);
  });
});

describe("an app that is run by itself", () => {
  const APP = `${HEAD}
await app.start();
console.log("up");
if (process.env.STOPS) {
  await app.stop();
  console.log("down");
}
`;
  const alone = async (env: Record<string, string> = {}) => {
    const cwd = await makeAppFolder({ "app.js": APP });
    return run([], {
      cwd,
      program: ["app.js"],
      env: { DATABASE_URL: data.url, BACKSTAY_PORT: "0", ...secret, ...env },
    });
  };

  it("starts a server for development, with its ready line, and ends with it", async () => {
    const server = await alone();
    await server.line((line) => line === "up");
    const [facts, ready, up] = server.lines();
    const { url, demo } = JSON.parse(facts!) as { url: string; demo: { login: string }[] };
    expect([ready, up]).toEqual([`backstay ready ${url}`, "up"]);
    expect(demo.map(({ login }) => login)).toEqual(["ada", "ben"]);
    server.signal("SIGINT");
    expect(await server.exit).toEqual({ code: 0, signal: null });
  });

  it("starts one for production where NODE_ENV says so, and goes on when it has stopped its server itself", async () => {
    const server = await alone({ NODE_ENV: "production", BACKSTAY_WORKERS: "2", STOPS: "1" });
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(JSON.parse(server.lines()[0]!)).not.toHaveProperty("demo");
    expect(server.stderr()).toContain("the setting workers is for `backstay serve`; this is one process");
    expect(server.lines().slice(-2)).toEqual(["up", "down"]);
  });

  it("says in one line why it cannot start, with the code of the command line", async () => {
    const server = await alone({ BACKSTAY_PORT: "many" });
    expect(await server.exit).toEqual({ code: 3, signal: null });
    expect(server.stderr().trim()).toMatch(/^backstay: BACKSTAY_PORT: port [^\n]*$/);
  });
});
