import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig, toSettings } from "../../server/config.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backstay-caches-"));
  mkdirSync(join(folder, "home", "etc"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The caches of a backstay.config.json and the lines of an etc/config. */
function read(json: object, lines: string[] = [], flags: Record<string, string> = {}) {
  writeFileSync(join(folder, "backstay.config.json"), JSON.stringify(json, null, 2));
  writeFileSync(join(folder, "home", "etc", "config"), lines.join("\n"));
  const config = readConfig({ flags: { home: "./home", ...flags }, env: {}, cwd: folder, development: false });
  return Object.fromEntries(config.caches);
}

const DEFAULTS = { max: 10_000, ttlMs: undefined, sync: false };

it("always has one called default, whose sync is that of the setting", () => {
  expect(read({})).toEqual({ default: DEFAULTS });
  expect(read({}, [], { "cache.sync": "on" })).toEqual({ default: { ...DEFAULTS, sync: true } });
});

it("takes caches from etc/config, as the predecessor had them, with options by URL and by key", () => {
  const caches = read({}, [
    "cache-default=local:?bk-max_attempts=3&bk-max=7",
    "cache-backup=local://",
    "cache-backup-options-ttl=10m",
    "cache-backup-options-sync=true",
    "cache-on-disk-options-max=5",
    "cache-on-disk=local:",
  ]);
  expect(caches).toEqual({
    default: { ...DEFAULTS, max: 7 },
    backup: { ...DEFAULTS, ttlMs: 600_000, sync: true },
    "on-disk": { ...DEFAULTS, max: 5 },
  });
});

it("takes caches from backstay.config.json, as a URL or with options", () => {
  const caches = { plain: "local:?bk-ttl=5s", sized: { url: "local:", options: { max: 5, sync: true } } };
  expect(read({ caches, port: 1 })).toEqual({
    default: DEFAULTS,
    plain: { ...DEFAULTS, ttlMs: 5_000 },
    sized: { ...DEFAULTS, max: 5, sync: true },
  });
});

it("lets an option win over the same in the URL, and etc/config over backstay.config.json", () => {
  expect(read({}, ["cache-default-options-max=2", "cache-default=local:?bk-max=1"]).default).toMatchObject({ max: 2 });
  const json = { caches: { default: { url: "local:?bk-max=1", options: { ttl: "1s" } } } };
  expect(read(json, ["cache-default=local:?bk-max=3"]).default).toEqual({ max: 3, ttlMs: 1_000, sync: false });
  expect(read(json, ["cache-default-options-ttl=2s"]).default).toEqual({ max: 1, ttlMs: 2_000, sync: false });
});

it("takes the tables that rows of are cached, by comma", () => {
  const tables = (text: string) => {
    const flags = { "cache.tables": text };
    const config = readConfig({ flags, env: {}, cwd: folder, development: false });
    return toSettings(config).cache.tables;
  };
  expect(["", "grants", "accounts, grants"].map(tables)).toEqual([[], ["grants"], ["accounts", "grants"]]);
  expect(() => tables("grants,acounts")).toThrow(
    "--cache-tables: cache.tables must be names of tables by comma: there is no table acounts to cache; did you mean accounts?",
  );
  expect(() => tables("accounts,")).toThrow("--cache-tables: cache.tables must be names of tables by comma");
});

describe("stops the start with one line that says where and what:", () => {
  it.each([
    [
      "a scheme without a driver",
      "cache-a=redis://ada:pa55word@host1?bk-max_attempts=3",
      "cache a: there is no driver for redis:; the schemes are local:",
    ],
    ["no URL", "cache-a=pa55word", "cache a: expected a URL such as local:"],
    [
      "an option that there is not",
      "cache-default-options-tll=5s",
      "cache default: there is no option tll; did you mean ttl?",
    ],
    [
      "such an option in a URL",
      "cache-a=local:?bk-max_atempts=3",
      "cache a: there is no option max_atempts; did you mean max_attempts?",
    ],
    [
      "an option that every object has",
      "cache-default-options-constructor=1",
      "cache default: there is no option constructor",
    ],
    [
      "a parameter that is no option",
      "cache-a=local:?max=3",
      "cache a: there is no parameter max; options are written bk-max",
    ],
    [
      "a size that is none",
      "cache-default-options-max=0",
      "cache default: max must be a number of keys from 1 to 1000000",
    ],
    [
      "a time that is none",
      "cache-default-options-ttl=5",
      "cache default: ttl must be a duration such as 5s, 10m or 14d, from 1ms to 365d",
    ],
    ["a time that is too long", "cache-default-options-ttl=366d", "cache default: ttl must be a duration"],
    ["sync that is neither", "cache-default-options-sync=maybe", "cache default: sync must be true or false"],
    [
      "attempts that are no number",
      "cache-default-options-max_attempts=many",
      "cache default: max_attempts must be a number",
    ],
    ["options of nothing", "cache-a-options-max=3", "cache a: it has options, but no URL"],
    [
      "a setting written as its flag",
      "cache-tables=accounts",
      "there is no setting cache-tables; did you mean cache.tables?",
    ],
    ["a name that is none", "cache-A=local:", "there is no setting cache-A"],
  ])("%s", (_, line, message) => {
    const stopped = () => read({}, ["# a comment", line]);
    expect(stopped).toThrow(`${join(folder, "home", "etc", "config")}:2: ${message}`);
    expect(stopped).not.toThrow("pa55word");
  });

  it("the line of backstay.config.json, also of what stands behind the caches", () => {
    const file = join(folder, "backstay.config.json");
    const caches = { a: { url: "local:", options: { max: 1, port: 2 } } };
    expect(() => read({ caches })).toThrow(`${file}:7: cache a: there is no option port`);
    expect(() => read({ caches: { a: { url: "local:", option: 1 } } })).toThrow(
      `${file}:5: there is no setting caches.a.`,
    );
    const known = { a: { url: "local:", options: { max: 1 } } };
    expect(() => read({ caches: known, log: { max: 1 } })).toThrow(`${file}:11: there is no setting log.max`);
  });
});
