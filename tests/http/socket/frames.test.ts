import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import { type AppSocket, type SocketFrame, socketPaths } from "../../../server/kernel/sockets.js";
import { makeKey, signUpAdmin } from "../../domains/auth/api-key-house.js";
import { operatorToken } from "../../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { seed } from "../../support/properties.js";
import { openSocket, reasonOf } from "./client.js";

const sockets = socketPaths();
/** What the app's handler was given. */
const given: { frame: SocketFrame; socket: AppSocket }[] = [];
sockets.declare("/project/ws", (frame, socket) => {
  given.push({ frame, socket });
  switch (frame.op) {
    case "echo":
      return frame.text;
    case "who":
      return { accountId: socket.accountId ?? null, roles: socket.roles, path: socket.path, query: socket.query };
    case "renamed":
      return { op: "another", id: "its own", status: 299 };
    case "later":
      return new Promise((resolve) => setTimeout(() => resolve({ done: true }), 50));
    case "silent":
      socket.send({ said: "by the way" });
      return undefined;
    case "forbidden":
      throw new DomainError("TOPIC_FORBIDDEN", "Not for you.");
    case "defect":
      throw new TypeError("a defect of the app");
    case "endless": {
      const circle: Record<string, unknown> = {};
      circle.circle = circle;
      return circle;
    }
    case "leave":
      return socket.close(4000, "as you like");
    default:
      return null;
  }
});

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { sockets } });
  ada = await backstay.signUp();
});
afterAll(() => backstay?.stop());

const bearer = ({ token }: { token: string }) => ({ authorization: `Bearer ${token}` });
const app = (person?: Person, query = "") =>
  openSocket(backstay.url, { path: `/project/ws${query}`, ...(person && { headers: bearer(person) }) });

describe("a frame of JSON on a path of the app", () => {
  it("is answered by what the app registered for the path, with the frame's op and id", async () => {
    const socket = await app(ada, "?room=7&room=8&empty=");
    expect(await socket.ask({ op: "echo", id: "1", text: "hello" })).toEqual({ op: "echo", id: "1", data: "hello" });
    expect(given.at(-1)?.frame).toEqual({ op: "echo", id: "1", text: "hello" });
    expect(await socket.ask({ op: "who" })).toEqual({
      op: "who",
      accountId: ada.id,
      roles: [],
      path: "/project/ws",
      query: { room: "7", empty: "" },
    });
    expect(given.at(-1)?.socket.id).toMatch(/^[0-9a-f]{32}$/);
    expect(await socket.ask({ op: "renamed", id: "2" })).toEqual({ op: "another", id: "its own", status: 299 });
    expect(await socket.ask({ op: "nothing" })).toEqual({ op: "nothing", data: null });
  });

  it("comes with what the API key behind it may be used for: with no role, unless that is all", async () => {
    const token = await signUpAdmin(backstay);
    const seenBy = async (proof: string) => {
      const socket = await app({ token: proof } as Person);
      await socket.ask({ op: "who" });
      const { roles, scopes } = given.at(-1)!.socket;
      return { roles, scopes };
    };
    expect(await seenBy(token)).toEqual({ roles: ["admin"], scopes: undefined });
    for (const scopes of [["events:read"], ["EventService/*", "auth:write"], ["*/*"]]) {
      const { key } = await makeKey(backstay, token, { scopes });
      expect(await seenBy(key)).toEqual({ roles: [], scopes });
    }
    const { key } = await makeKey(backstay, token, { scopes: ["*"] });
    expect(await seenBy(key)).toEqual({ roles: ["admin"], scopes: ["*"] });
  });

  it("is answered in its turn, also when the app takes its time or says nothing", async () => {
    const socket = await app();
    for (const op of ["later", "echo", "silent", "echo"]) socket.send({ op, text: "and then" });
    expect([await socket.next(), await socket.next(), await socket.next(), await socket.next()]).toEqual([
      { op: "later", done: true },
      { op: "echo", data: "and then" },
      { said: "by the way" },
      { op: "echo", data: "and then" },
    ]);
  });

  it("is refused in the app's own words, and a defect of the app is told to the log alone", async () => {
    const socket = await app(ada);
    const forbidden = await socket.ask({ op: "forbidden", id: "3" });
    expect(forbidden).toMatchObject({ op: "forbidden", id: "3", status: 403, message: "Not for you." });
    expect(reasonOf(forbidden)).toBe("TOPIC_FORBIDDEN");
    for (const op of ["defect", "endless"]) {
      const frame = await socket.ask({ op });
      expect(frame).toMatchObject({ op, status: 500 });
      expect(reasonOf(frame)).toBe("INTERNAL");
      expect(JSON.stringify(frame)).not.toMatch(/defect of the app|circular/i);
    }
    await expect.poll(() => backstay.log(), { timeout: 5_000 }).toMatch(/"door":"socket".*a defect of the app/);
  });

  it("may end the socket, after which what it sends goes nowhere", async () => {
    const socket = await app();
    socket.send({ op: "leave" });
    expect(await socket.closed()).toEqual({ code: 4000, reason: "as you like" });
    given.at(-1)?.socket.send({ too: "late" });
    given.at(-1)?.socket.close();
  });

  it("leaves the built-in operations and the paths what they are", async () => {
    const socket = await app(ada);
    expect(await socket.ask({ op: "subscribe", id: "a" })).toEqual({ op: "subscribe", id: "a", status: 200 });
    expect(await socket.find({ op: "event", id: "a" })).toMatchObject({ ready: {} });
    expect(await socket.ask("/v1/auth/current")).toMatchObject({ status: 200, account: { id: ada.id } });
  });
});

describe("what is no frame", () => {
  const cases: [text: string, op: string, id: string | undefined, status: number, reason: string][] = [
    ["", "error", undefined, 400, "MALFORMED_FRAME"],
    ["hello", "error", undefined, 400, "MALFORMED_FRAME"],
    ["null", "error", undefined, 400, "MALFORMED_FRAME"],
    ["7", "error", undefined, 400, "MALFORMED_FRAME"],
    ['"text"', "error", undefined, 400, "MALFORMED_FRAME"],
    ["[]", "error", undefined, 400, "MALFORMED_FRAME"],
    ['[{"op":"auth"}]', "error", undefined, 400, "MALFORMED_FRAME"],
    ["{", "error", undefined, 400, "MALFORMED_FRAME"],
    ["{}", "error", undefined, 400, "MALFORMED_FRAME"],
    [" /v1/ping", "error", undefined, 400, "MALFORMED_FRAME"],
    ['{"op":1,"id":"x"}', "error", "x", 400, "MALFORMED_FRAME"],
    ['{"op":""}', "error", undefined, 400, "MALFORMED_FRAME"],
    [`{"op":"${"x".repeat(65)}"}`, "error", undefined, 400, "MALFORMED_FRAME"],
    ['{"op":"subscribe","id":7}', "subscribe", undefined, 400, "MALFORMED_FRAME"],
    ['{"op":"subscribe","id":""}', "subscribe", undefined, 400, "MALFORMED_FRAME"],
    [`{"op":"unsubscribe","id":"${"x".repeat(65)}"}`, "unsubscribe", undefined, 400, "MALFORMED_FRAME"],
    ['{"op":"auth"}', "auth", undefined, 400, "MALFORMED_FRAME"],
    ['{"op":"auth","token":7}', "auth", undefined, 400, "MALFORMED_FRAME"],
    ['{"op":"auth","token":"a b"}', "auth", undefined, 401, "INVALID_TOKEN"],
    ['{"op":"nothing-here"}', "nothing-here", undefined, 501, "UNKNOWN_OPERATION"],
    ['{"op":"constructor"}', "constructor", undefined, 501, "UNKNOWN_OPERATION"],
    ['{"op":"__proto__"}', "__proto__", undefined, 501, "UNKNOWN_OPERATION"],
    ['{"op":"toString","__proto__":{"id":"x"}}', "toString", undefined, 501, "UNKNOWN_OPERATION"],
    [`{"op":"publish","type":"a.b","data":${"[".repeat(30_000)}${"]".repeat(30_000)}}`, "publish", undefined, 400, ""],
    ['{"op":"publish","type":"a.b","data":{"x":"\\ud800"}}', "publish", undefined, 400, "INVALID_UTF8"],
    ['{"op":"publish","type":"a.b","data":{"x":"\\u0000"}}', "publish", undefined, 400, "NUL_IN_TEXT"],
  ];
  it.each(cases)("%s", async (text, op, id, status, reason) => {
    const socket = await openSocket(backstay.url, { headers: bearer(ada) });
    const frame = await socket.ask(text);
    expect(frame).toMatchObject({ op, status, code: expect.any(Number), message: expect.any(String) });
    expect(frame.id).toBe(id);
    if (reason !== "") expect(reasonOf(frame)).toBe(reason);
    expect(await socket.ask("/v1/ping")).toMatchObject({ status: 200 });
  });
});

describe("auth", () => {
  it("makes nobody's socket somebody's", async () => {
    const socket = await openSocket(backstay.url);
    expect(await socket.ask("/v1/auth/current")).toMatchObject({ status: 401 });
    const answer = await socket.ask({ op: "auth", id: "in", token: ada.token });
    expect(answer).toEqual({ op: "auth", id: "in", status: 200, accountId: ada.id });
    expect(await socket.ask("/v1/auth/current")).toMatchObject({ status: 200, account: { id: ada.id } });
    expect(await socket.ask({ op: "subscribe" })).toMatchObject({ status: 200 });
  });

  it("is refused for another account, and for a token that is not good, and the socket stays whose it was", async () => {
    const ben = await backstay.signUp();
    const socket = await openSocket(backstay.url, { headers: bearer(ada) });
    const another = await socket.ask({ op: "auth", token: ben.token });
    expect(another).toMatchObject({ op: "auth", status: 403 });
    expect(reasonOf(another)).toBe("NOT_YOUR_ACCOUNT");
    expect(await socket.ask({ op: "auth", token: operatorToken(backstay) })).toMatchObject({ status: 403 });
    const bad = await socket.ask({ op: "auth", token: "bs_at_no" });
    expect(bad).toMatchObject({ op: "auth", status: 401 });
    expect(reasonOf(bad)).toBe("INVALID_TOKEN");
    expect(await socket.ask({ op: "auth", token: ada.token })).toMatchObject({ status: 200, accountId: ada.id });
    expect(await socket.ask("/v1/auth/current")).toMatchObject({ status: 200, account: { id: ada.id } });
  });

  it("takes the token of the command line too", async () => {
    const socket = await openSocket(backstay.url);
    expect(await socket.ask({ op: "auth", token: operatorToken(backstay) })).toEqual({ op: "auth", status: 200 });
    expect(await socket.ask(`/v1/accounts?filters.column=login`)).not.toMatchObject({ status: 401 });
  });
});

describe("whatever comes", () => {
  /** Numbers that are the same in every run of one seed. */
  const numbers = (seed: number) => () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed / 2_147_483_648;
  };

  it("two thousand random frames are each answered or end their socket, and the server goes on", async () => {
    const random = numbers(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    const words = [
      "op",
      "id",
      "auth",
      "subscribe",
      "unsubscribe",
      "publish",
      "echo",
      "topics",
      "types",
      "match",
      "token",
    ];
    const value = (depth = 0): unknown => {
      const kind = Math.floor(random() * (depth > 3 ? 5 : 7));
      if (kind === 0) return null;
      if (kind === 1) return random() * 2 ** Math.floor(random() * 70);
      if (kind === 2) return random() < 0.5;
      if (kind === 3) return pick(words);
      if (kind === 4) return String.fromCharCode(...Array.from({ length: random() * 20 }, () => random() * 0xd7ff));
      const length = Math.floor(random() * 4);
      if (kind === 5) return Array.from({ length }, () => value(depth + 1));
      return Object.fromEntries(Array.from({ length }, () => [pick(words), value(depth + 1)]));
    };
    const frame = (): string => {
      const kind = Math.floor(random() * 5);
      if (kind === 0) return `/${String(value(4))}?${String(value(4))}=${String(value(4))}`;
      if (kind === 1) return String(value(4));
      const json = JSON.stringify({ op: pick(words), ...(value(2) as object) });
      if (kind === 2) return json.slice(0, Math.floor(random() * json.length));
      return json;
    };
    const failures = () => backstay.log().match(/"code":"internal"|a door failed/g)?.length ?? 0;
    const before = failures();
    for (let round = 0; round < 50; round++) {
      const socket = await openSocket(backstay.url, { path: pick(["/ws", "/project/ws"]), headers: bearer(ada) });
      for (let n = 0; n < 40; n++) socket.send(frame());
      // Whatever is asked last is answered last.
      socket.send("/v1/ping?last");
      const last = await socket.find({ op: "/v1/ping" }, 10_000);
      expect(last.status, `seed ${seed}`).toBeGreaterThan(0);
      socket.ws.close();
    }
    expect(failures(), `seed ${seed}`).toBe(before);
  }, 60_000);
});
