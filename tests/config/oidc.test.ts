import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readConfig } from "../../server/config.js";

const folder = mkdtempSync(join(tmpdir(), "backstay-config-oidc-"));
afterAll(() => rmSync(folder, { recursive: true }));

function read(file: string, env: NodeJS.ProcessEnv = {}) {
  writeFileSync(join(folder, "backstay.config.json"), file);
  return readConfig({ flags: {}, env, cwd: folder, development: false });
}

const acme = { name: "acme", issuer: "https://acme.example", clientId: "harbour" };
const list = (...entries: object[]) => JSON.stringify({ oidc: entries });

it("reads the list of providers, with what is meant where nothing is said", () => {
  const said = { scopes: "openid", trustEmail: true, clientSecret: "a secret" };
  const config = read(list(acme, { ...acme, ...said, name: "other-1", issuer: "http://localhost:4000/tenant" }));
  expect(config.oidc).toEqual([
    { ...acme, clientSecret: undefined, scopes: "openid email profile", trustEmail: false },
    { ...acme, ...said, name: "other-1", issuer: "http://localhost:4000/tenant" },
  ]);
});

it("takes a secret from the environment", () => {
  const entry = { ...acme, clientSecretEnv: "ACME_SECRET" };
  expect(read(list(entry), { ACME_SECRET: "a secret" }).oidc[0]?.clientSecret).toBe("a secret");
  expect(() => read(list(entry))).toThrow(/oidc\[0\]: the environment has no ACME_SECRET$/);
});

it("has none without the file, and without the list", () => {
  expect(readConfig({ flags: {}, env: {}, cwd: "/nowhere", development: false }).oidc).toEqual([]);
  expect(read("{}").oidc).toEqual([]);
});

it.each<[object, RegExp]>([
  [{ ...acme, name: "Acme" }, /json:1: oidc\[0\]: name: has up to 32 lower-case letters, digits and -$/],
  [{ ...acme, name: "../x" }, /oidc\[0\]: name: /],
  [{ ...acme, issuer: "http://acme.example" }, /oidc\[0\]: issuer: begins with https:\/\//],
  [{ ...acme, issuer: "http://localhost.evil.example" }, /oidc\[0\]: issuer: /],
  [{ ...acme, issuer: "https://user@acme.example" }, /oidc\[0\]: issuer: /],
  [{ ...acme, issuer: "https://acme.example/?x=1" }, /oidc\[0\]: issuer: /],
  [{ ...acme, issuer: "acme" }, /oidc\[0\]: issuer: /],
  [{ ...acme, scopes: "email" }, /oidc\[0\]: scopes: has openid among its words$/],
  [{ ...acme, trustEmail: "yes" }, /oidc\[0\]: trustEmail: /],
  [{ ...acme, trust: true }, /oidc\[0\]: .*"trust"/],
  [{ name: "acme", issuer: "https://acme.example" }, /oidc\[0\]: clientId: /],
  [{ ...acme, clientSecret: "a", clientSecretEnv: "B" }, /are not given together$/],
])("stops the start for %j", (entry, says) => {
  expect(() => read(list(entry))).toThrow(says);
});

it("stops the start for two of one name, and for what is no provider", () => {
  expect(() => read(list(acme, acme))).toThrow(/oidc\[1\]: there is another acme$/);
  expect(() => read('{"oidc": [7]}')).toThrow(/oidc\[0\]: /);
});

it("shows no secret when something else is wrong", () => {
  const wrong = { ...acme, clientSecret: "pa55word", issuer: "http://acme.example/pa55word" };
  try {
    read(list(wrong));
  } catch (error) {
    return expect(String(error)).not.toContain("pa55word");
  }
  throw new Error("it was not refused");
});

it("still names the line of a mistake that comes after the list", () => {
  expect(() =>
    read(`{"oidc": [{"name": "acme",\n"issuer": "https://acme.example", "clientId": "x"}],\n"prot": 1}`),
  ).toThrow(/json:3: there is no setting prot/);
});
