import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { bearer, eventually } from "../domains/support.js";
import { request } from "../support/http-request.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";
import { makeAppFolder } from "./app-folder.js";
import { howToServe } from "./job-server.js";
import { signUp } from "./people.js";
import { cleanUp, run, startServer } from "./server-process.js";

// What the predecessor's manual shows of its hooks, in an app's file and an installation's etc/config.

const APP = `
import { backend } from "backstay";

const app = backend();

// Access check: a path is open to whoever knows its own word.
app.beforeAuth("/account/get", ({ headers }) => (headers["x-invitation"] === "welcome" ? { allow: true } : undefined));

// Auth check: pages, but those of /public, are for who is signed in; the others go and sign in.
app.afterAuth(/^\\/$|\\.html$/, ({ path }, { caller }) =>
  caller || path.startsWith("/public/") ? undefined : { redirect: "/public/index.html" },
);
app.afterAuth("/account/search", async (request, { error }) =>
  error?.status === 401 ? { redirect: "/public/index.html" } : undefined,
);
// Auth check: a part of the API is for administrators.
app.afterAuth({ method: "GET", path: "/message/*" }, (request, { caller }) =>
  caller?.roles.includes("admin") ? undefined : { status: 401, message: "access denied" },
);

// Post process: an answer says more than the server knows.
app.afterCall("SystemService/GetInfo", (request, { response }) => ({
  response: { name: response.name + " of process " + process.pid },
}));

await app.start();
`;

const CONFIG = `
# as the predecessor's manual has it
api-disallow-path=^/account/add$
api-deny-path=^/message/del$
api-disable=jobs,data
subscribe-interval=5000
`;

let data: TestDatabase;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
});
afterAll(async () => {
  await cleanUp();
  await data?.drop();
});

async function makeInstallation(config: string): Promise<string> {
  const folder = await makeAppFolder({ "app.ts": APP });
  mkdirSync(join(folder, ".backstay", "etc"), { recursive: true, mode: 0o711 });
  writeFileSync(join(folder, ".backstay", "etc", "config"), config);
  return folder;
}

it("an app's hooks and an installation's rules hold in every process that serves", async () => {
  const folder = await makeInstallation(CONFIG);
  const words = ["serve", "--workers", "2", "--port", "0", "--limits-rate", "off"];
  const server = await startServer(words, howToServe(folder, data.url));
  const ask = (path: string, headers: Record<string, string> = {}) => request(server.url + path, { headers });
  const ada = await signUp(server.url, "ada");
  const signedIn = bearer(ada.token);

  expect(await ask(`/account/get?id=${ada.id}`, { "x-invitation": "welcome" })).toMatchObject({
    status: 200,
    json: [{ id: ada.id }],
  });
  expect(await ask(`/account/get?id=${ada.id}`)).toMatchObject({ status: 401 });

  const toLogin = { status: 302, headers: { location: "/public/index.html" } };
  expect(await ask("/app.html")).toMatchObject(toLogin);
  expect(await ask("/")).toMatchObject(toLogin);
  expect(await ask("/public/index.html")).toMatchObject({ status: 404 });
  expect(await ask("/app.html", signedIn)).toMatchObject({ status: 404 });
  expect(await ask("/account/search")).toMatchObject({ ...toLogin, json: { status: 302, url: "/public/index.html" } });
  expect(await ask("/account/search", signedIn)).toMatchObject({ status: 200 });
  expect(await ask("/message/get", signedIn)).toMatchObject({
    status: 401,
    json: { status: 401, message: "access denied" },
  });

  const seen = new Set<string>();
  await eventually(20_000, "both processes have answered", async () => {
    const { json } = await ask("/v1/info");
    expect(json.name).toMatch(/ of process \d+$/);
    seen.add(json.name);
    return seen.size === 2 ? seen : undefined;
  });

  const add = new URLSearchParams({ name: "Ben", login: "ben", secret: "a long secret" }).toString();
  const form = { "content-type": "application/x-www-form-urlencoded" };
  expect(await request(`${server.url}/account/add`, { headers: form, body: add })).toMatchObject({ status: 401 });
  expect(await ask("/message/del?sender=x", signedIn)).toMatchObject({ status: 403 });
  expect(await ask("/v1/jobs", signedIn)).toMatchObject({ status: 404 });
  server.signal("SIGTERM");
  expect(await server.exit).toMatchObject({ code: 0 });
}, 60_000);

it.each([
  ["port=0\napi-deni-path=^/a", /etc\/config:2: there is no setting api-deni-path; did you mean api-deny-path\?/],
  [
    "access.deny=MessageService/DeletMessages",
    /etc\/config:1: access\.deny: no RPC is called MessageService\/DeletMessages; did you mean MessageService\/DeleteMessages\?/,
  ],
])(
  "a configuration that cannot be meant ends the start by one line: %s",
  async (config, says) => {
    const folder = await makeInstallation(config);
    // The parent of several processes ends by it itself, before it starts them.
    const workers = config.startsWith("access") ? "2" : "1";
    const server = run(["serve", "--port", "0", "--workers", workers], howToServe(folder, data.url));
    expect(await server.exit).toMatchObject({ code: 3 });
    expect(server.stderr()).toMatch(says);
    expect(server.stderr().trim().split("\n")).toHaveLength(1);
  },
  60_000,
);

it("so does a hook for what there is not, in one process and in several", async () => {
  const app = `
    import { backend } from "backstay";
    const app = backend();
    app.afterCall("MessageService/SendMesage", () => {});
    await app.start();
  `;
  const start = async (workers: string) =>
    run(["serve", "--port", "0", "--workers", workers], howToServe(await makeAppFolder({ "app.ts": app }), data.url));
  const servers = await Promise.all([start("1"), start("2")]);
  for (const server of servers) {
    expect(await server.exit).toMatchObject({ code: 1 });
    expect(server.stderr()).toContain(
      "app.afterCall MessageService/SendMesage: no RPC is called MessageService/SendMesage",
    );
  }
}, 60_000);
