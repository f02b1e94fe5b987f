import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { compatRules } from "../../server/compat/rules/index.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { checksumOf, sign } from "../support/sign.js";
import { addAccount, get, post, type Signer, signature } from "./predecessor.js";

let backstay: TestBackstay;
let ann: Signer;
beforeAll(async () => {
  backstay = await startBackstay();
  ann = await addAccount(backstay);
});
afterAll(() => backstay.stop());

const paths = compatRules.map(({ http }) => http.pattern.value as string);

it.each(paths)("%s answers GET and POST alike, and no other method", async (path) => {
  const statuses = await Promise.all(
    ["GET", "POST", "PUT", "DELETE"].map(async (method) => {
      const response = await fetch(backstay.url + path, { method });
      return { status: response.status, allow: response.headers.get("allow"), json: await response.json() };
    }),
  );
  const [got, posted, put, deleted] = statuses;
  expect(posted).toEqual(got);
  expect([200, 400, 401]).toContain(got!.status);
  expect([put!.status, deleted!.status]).toEqual([405, 405]);
  expect(put!.allow).toBe("GET, POST");
  expect(put!.json).toEqual({ status: 405, message: expect.any(String) });
});

it("every rule is a google.api.HttpRule that names its RPC", () => {
  for (const { http, method } of compatRules) {
    expect(http.selector).toBe(`${method.parent.typeName}.${method.name}`);
    expect(http.pattern).toEqual({ case: "get", value: expect.stringMatching(/^\/[a-z/]+$/) });
    expect(http.additionalBindings.map(({ pattern, body }) => [pattern.case, pattern.value, body])).toEqual([
      ["post", http.pattern.value, "*"],
    ]);
  }
});

it("with compat=false none of the paths answers, and the rest does", async () => {
  const modern = await startBackstay({ compat: "false" });
  try {
    for (const path of paths) expect((await fetch(modern.url + path)).status).toBe(404);
    expect((await fetch(`${modern.url}/v1/ping`)).status).toBe(200);
  } finally {
    await modern.stop();
  }
});

it.each([
  ["a parameter twice", "/account/get?id=1&id=2"],
  ["a % that escapes nothing", "/account/get?id=%zz"],
  ["bytes that are no text", "/account/get?id=%ff"],
  ["a NUL", "/account/update?name=%00"],
  ["a number that is none", "/message/get?mtime=yesterday"],
])("%s is refused with 400", async (_, path) => {
  const { status, json } = await get(backstay, path, ann);
  expect({ status, json }).toEqual({ status: 400, json: { status: 400, message: expect.any(String) } });
});

it.each([
  ["no JSON", "application/json", "{", 400],
  ["a JSON list", "application/json", "[]", 400],
  ["an object in a parameter", "application/json", '{"id":{"a":1}}', 400],
  ["a list of lists in a parameter", "application/json", `{"id":${"[".repeat(200_000)}${"]".repeat(200_000)}}`, 400],
  ["half a character", "application/json", '{"id":"a\\ud800"}', 400],
  ["XML", "text/xml", "<id/>", 415],
  ["text where only /login reads text as a form", "text/plain", "id=1", 415],
  ["a form that is not multipart", "multipart/form-data; boundary=x", "nothing of it", 400],
])("a body that is %s is refused", async (_, contentType, body, status) => {
  const reply = await post(backstay, "/account/get", body, ann, { "content-type": contentType });
  expect(reply).toMatchObject({ status, json: { status } });
});

it("a body of more than a message is refused with 413", async () => {
  expect((await post(backstay, "/account/get", `{"id":"${"x".repeat(1 << 20)}"}`, ann)).status).toBe(413);
});

it("a compressed body is read, and a long answer is compressed", async () => {
  const url = `${backstay.url}/account/get`;
  const body = gzipSync(JSON.stringify({ id: ann.id }));
  const contentType = "application/json";
  const headers = {
    "content-type": contentType,
    "content-encoding": "gzip",
    "bk-signature": signature(ann, { method: "POST", url, contentType }),
  };
  const response = await fetch(url, { method: "POST", headers, body });
  expect(((await response.json()) as { id: string }[])[0]!.id).toBe(ann.id);
});

it("a checksum is of the body before it is compressed, by this door and by Connect", async () => {
  const plain = JSON.stringify({ ids: [ann.id], id: ann.id });
  for (const path of ["/account/get", "/backstay.accounts.v1.AccountService/GetAccount"]) {
    const text = path === "/account/get" ? plain : JSON.stringify({ id: ann.id });
    const contentType = "application/json";
    const request = { method: "POST", url: backstay.url + path, contentType, checksum: checksumOf(text) };
    const headers = {
      "content-type": contentType,
      "content-encoding": "gzip",
      "bk-signature": sign({ login: ann.login, secret: ann.secret, ...request }),
    };
    const response = await fetch(backstay.url + path, { method: "POST", headers, body: gzipSync(text) });
    expect([path, response.status]).toEqual([path, 200]);
  }
});

it("what one caller sees is for no shared cache", async () => {
  expect((await get(backstay, "/account/get", ann)).headers.get("cache-control")).toBe("no-store");
  const { login, secret } = ann;
  const made = new URLSearchParams({ login: `cached ${Date.now()}`, secret: "long enough", name: "C" });
  for (const path of [`/login?${new URLSearchParams({ login, secret })}`, `/account/add?${made}`]) {
    const reply = await get(backstay, path);
    expect([reply.status, reply.headers.get("cache-control")], path).toEqual([200, "no-store"]);
  }
  expect((await get(backstay, "/ping")).headers.get("cache-control")).toBeNull();
});

it("an error names the parameter, and not the field behind it", async () => {
  expect((await get(backstay, "/message/get?_count=501", ann)).json.message).toMatch(/^_count: /);
  expect((await get(backstay, "/account/select?type=admin", ann)).json.message).toContain("column type");
  expect((await get(backstay, "/account/update", ann)).json.message).toContain("alias");
});

it("a signature may stand in the query, and is not taken for a parameter", async () => {
  const url = `${backstay.url}/account/search?name=nobody`;
  const signed = `${url}&bk-signature=${encodeURIComponent(signature(ann, { method: "GET", url }))}`;
  expect(await (await fetch(signed)).json()).toEqual({ count: 0, data: [], next_token: "" });
});

it("an unknown control parameter is ignored, as the predecessor did", async () => {
  expect((await get(backstay, "/account/get?_nosuch=1&_total=1", ann)).status).toBe(200);
});

it("no path, however odd, makes a server error", async () => {
  for (const path of ["/account/get/", "/Account/get", "/account//get", "/account/get%2F", "/login/x", "/account"]) {
    expect((await fetch(backstay.url + path)).status).toBe(404);
  }
});
