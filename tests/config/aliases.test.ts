import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "../../server/config.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backstay-aliases-"));
  mkdirSync(join(folder, "home", "etc"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What the lines of an etc/config, and a backstay.config.json, come to. */
function read(lines: string[], json: object = {}) {
  writeFileSync(join(folder, "backstay.config.json"), JSON.stringify(json, null, 2));
  writeFileSync(join(folder, "home", "etc", "config"), lines.join("\n"));
  return readConfig({ flags: { home: "./home" }, env: {}, cwd: folder, development: false });
}

/** Which of some paths the patterns of a setting are found in. */
const found = (patterns: readonly { test(path: string): boolean }[], ...paths: string[]) =>
  paths.filter((path) => patterns.some((pattern) => pattern.test(path)));

it("the predecessor's names mean settings of ours, in both files, with the units turned", () => {
  const config = read(
    [
      "port=81",
      "debug=1",
      "api-signature-name=X-Signature",
      "api-disable=message, jobs,data",
      "subscribe-interval=2500",
      "cache-sync=1",
      "jobs-workers=2",
      "db-pool=pgsql",
      "db-pgsql-pool=postgresql://postgres@127.0.0.1/backend",
    ],
    { "api-subscribe-timeout": 60_000, "api-deny-path": "^/data/" },
  );
  expect(config).toMatchObject({
    port: 81,
    "log.level": "debug",
    "auth.signature_name": "x-signature",
    "access.disable": ["messages", "jobs", "data"],
    "events.poll_interval": 2_500,
    "events.poll_timeout": 60_000,
    "cache.sync": true,
    "jobs.workers": 2,
    "database.url": "postgresql://postgres@127.0.0.1/backend",
  });
  expect(found(config["compat.deny_path"], "/data/get", "/my/data/")).toEqual(["/data/get"]);
});

it("times may have a unit all the same", () => {
  expect(read(["subscribe-interval=2s"])["events.poll_interval"]).toBe(2_000);
});

it("patterns of paths are found anywhere in a path, and every line of a file adds one", () => {
  const config = read([
    "api-allow-path=/image/account/",
    "api-allow-path=^/(message|counter)/get$",
    "compat.allow_path=\\.txt$",
    "api-disallow-path=^/account/add$",
    "api-allow-admin=^/account/select$",
    "api-disable-session=^/account/put/secret$,^/account/del$",
    "disable-session=^/message/",
  ]);
  const paths = ["/my/image/account/7", "/message/get", "/message/get/unread", "/a.txt", "/a.txt/b"];
  expect(found(config["compat.allow_path"], ...paths)).toEqual(["/my/image/account/7", "/message/get", "/a.txt"]);
  expect(found(config["compat.disallow_path"], "/account/add", "/account/adds")).toEqual(["/account/add"]);
  const sessionless = ["/account/put/secret", "/account/del", "/message/get"];
  expect(found(config["compat.disable_session"], ...sessionless, "/account/get")).toEqual(sessionless);
  expect(found(config["compat.allow_admin"], "/account/select", "/account/get")).toEqual(["/account/select"]);
  expect(config["compat.deny_path"]).toEqual([]);
});

it("a pattern may be longer than one of a request", () => {
  const path = "/a".repeat(500);
  expect(found(read([`api-deny-path=^${path}$`])["compat.deny_path"], path, "/a")).toEqual([path]);
});

it("lists of RPCs add up by line too, and a cache may be called as the predecessor's settings were", () => {
  const config = read([
    "access.deny=JobService/*",
    "access.deny=CacheService/*,EventService/Poll",
    "cache-host=local:",
  ]);
  expect(config["access.deny"].map(({ source }) => source)).toEqual([
    "JobService/*",
    "CacheService/*",
    "EventService/Poll",
  ]);
  expect([...config.caches.keys()]).toEqual(["default", "host"]);
});

describe("what cannot be meant stops the start, with the file and line:", () => {
  const refusals: [why: string, lines: string[], says: RegExp][] = [
    [
      "a pattern that is none",
      ["port=1", "api-deny-path=^/a(b$"],
      /config:2: compat\.deny_path must be an RE2 regular expression: .*missing closing \)/,
    ],
    [
      "one line's pattern of two",
      ["api-deny-path=(", "api-deny-path=)"],
      /config:1 and .*config:2: compat\.deny_path must be/,
    ],
    [
      "what RE2 does not have",
      ["compat.allow_path=(?=x)"],
      /config:1: compat\.allow_path must be an RE2 regular expression/,
    ],
    [
      "an unknown name",
      ["api-alow-path=^/a"],
      /config:1: there is no setting api-alow-path; did you mean api-allow-path\?$/,
    ],
    [
      "an engine that is gone",
      ["", "db-pool=dynamodb"],
      /config:2: there is no db-pool any more: the only engine is pgsql, by the setting database\.url/,
    ],
    [
      "an engine's URL",
      ["db-dynamodb-pool=http://localhost:9000"],
      /config:1: there is no db-dynamodb-pool any more: the only engine is pgsql/,
    ],
    [
      "nanomsg",
      ["msg-host=node1,node2"],
      /config:1: there is no msg-host any more: nodes are joined by NATS alone, by the setting nats\.url/,
    ],
    ["caches elsewhere", ["cache-type=nanomsg"], /config:1: there is no cache-type any more: caches are local/],
    [
      "a port of its own for WebSockets",
      ["api-ws-port=8001"],
      /config:1: there is no api-ws-port any more: .* events\.ws_path/,
    ],
    ["a time that is none", ["subscribe-timeout=soon"], /config:1: events\.poll_timeout must be a duration/],
  ];
  it.each(refusals)("%s", (_, lines, says) => {
    expect(() => read(lines)).toThrow(says);
  });

  it("an unknown name of backstay.config.json", () => {
    expect(() => read([], { "api-dissable": "data" })).toThrow(
      /backstay\.config\.json:2: there is no setting api-dissable; did you mean api-disable\?$/,
    );
  });
});
