import { describe, expect, it } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import { readAnswer, readReplacement } from "../../server/kernel/hook-answers.js";
import { declaredHooks, type HookMatch } from "../../server/kernel/hooks.js";
import { Redirect } from "../../server/kernel/redirect.js";

const SEND = "backstay.messages.v1.MessageService/SendMessage";

describe("what a hook is for", () => {
  const matches: [match: HookMatch, rpc: string | undefined, httpMethod: string, path: string, fits: boolean][] = [
    ["MessageService/*", SEND, "POST", "/message/add", true],
    ["MessageService/*", undefined, "GET", "/MessageService/x", false],
    ["*/*", undefined, "GET", "/", false],
    ["/message/add", SEND, "GET", "/message/add", true],
    ["/message/add", SEND, "GET", "/message/add/", false],
    ["/message/*", SEND, "GET", "/message/add", true],
    ["/message/*", SEND, "GET", "/message", false],
    ["/*", undefined, "GET", "/", true],
    [/^\/$|\.html$/, undefined, "GET", "/a/b.html", true],
    [/^\/$|\.html$/, undefined, "GET", "/a/b.htm", false],
    [{ method: "GET", path: "/message/*" }, SEND, "GET", "/message/add", true],
    [{ method: "GET", path: "/message/*" }, SEND, "POST", "/message/add", false],
    [{ path: /add$/ }, SEND, "POST", "/message/add", true],
  ];
  it.each(matches)("%o of %s, %s %s: %s", (match, rpc, httpMethod, path, fits) => {
    const hooks = declaredHooks();
    hooks.declare("beforeAuth", match, () => {});
    const [hook] = hooks.all()!.beforeAuth;
    expect(hook!.fits({ rpc, httpMethod, path })).toBe(fits);
    // An expression with a memory of its own does not change that.
    expect(hook!.fits({ rpc, httpMethod, path })).toBe(fits);
  });

  it("does not depend on what an expression remembers", () => {
    const hooks = declaredHooks();
    hooks.declare("beforeAuth", /a/g, () => {});
    const [hook] = hooks.all()!.beforeAuth;
    const request = { rpc: undefined, httpMethod: "GET", path: "/a" };
    expect([hook!.fits(request), hook!.fits(request)]).toEqual([true, true]);
  });

  const malformed: unknown[] = [
    "",
    "message",
    "/a*b",
    "/a**",
    { method: "get", path: "/a" },
    { method: "GET", path: "A/B" },
    {},
    7,
    null,
  ];
  it.each(malformed)("%o is malformed", (match) => {
    expect(() => declaredHooks().declare("afterAuth", match as HookMatch, () => {})).toThrow(
      /^afterAuth .*write RPCs as/,
    );
  });

  it("needs a function", () => {
    expect(() => declaredHooks().declare("afterCall", "/a", "b" as never)).toThrow("afterCall /a: it needs a function");
  });

  it("is nothing at all until something is declared", () => {
    expect(declaredHooks().all()).toBeUndefined();
  });
});

describe("what a hook may answer", () => {
  const read = (answer: unknown, mayAllow = true) => readAnswer(answer, mayAllow, "unauthenticated");

  it("nothing, which lets the request go on, or that anyone may call", () => {
    expect([read(undefined), read(null), read({ allow: true })]).toEqual([undefined, undefined, "allow"]);
  });

  it.each([
    [400, "invalid_argument"],
    [401, "unauthenticated"],
    [403, "permission_denied"],
    [404, "not_found"],
    [409, "already_exists"],
    [429, "resource_exhausted"],
    [503, "unavailable"],
  ])("the status %i, which is %s", (status, kind) => {
    const refusal = read({ status, message: "No." });
    expect(refusal).toBeInstanceOf(DomainError);
    expect(refusal).toMatchObject({ kind, reason: "REFUSED_BY_APP", message: "No." });
  });

  it.each(["/public/index.html", "/", "/a?b=c#d", "https://example.com", "HTTP://example.com/a?b=%20"])(
    "a redirect to %s",
    (to) => {
      const redirect = read({ redirect: to });
      expect(redirect).toBeInstanceOf(Redirect);
      expect(redirect).toMatchObject({
        location: to,
        status: 302,
        kind: "unauthenticated",
        metadata: { location: to },
      });
      expect(read({ redirect: to, status: 307 })).toMatchObject({ status: 307 });
    },
  );

  it.each([
    "",
    "a",
    "//evil.example",
    "/\\evil.example",
    "/a\r\nset-cookie: b=c",
    "/a b",
    "/ü",
    "javascript:alert(1)",
    "ftp://example.com",
    "https://",
    "http:/a",
    7,
    `/${"a".repeat(2000)}`,
  ])("no redirect to %o", (redirect) => {
    expect(() => read({ redirect })).toThrow("its redirect must be a path of this server or an absolute URL");
  });

  const bugs: [answer: unknown, says: string][] = [
    ["no", "it returned string"],
    [false, "it returned boolean"],
    [{ status: 200 }, "its status must be one of 400, 401"],
    [{ status: "403" }, "its status must be one of"],
    [{ message: "No." }, "its status must be one of"],
    [{}, "its status must be one of"],
    [{ status: 403, message: 7 }, "its message must be a text"],
    [{ status: 403, message: "a".repeat(1001) }, "its message must be a text"],
    [{ allow: false }, "it returned allow"],
    [{ allow: true, status: 403 }, "it returned allow"],
    [{ redirect: "/a", status: 200 }, "the status of a redirect must be one of 301"],
    [{ status: 403, mesage: "No." }, "something unknown: mesage"],
  ];
  it.each(bugs)("%o is a fault of the app", (answer, says) => {
    expect(() => read(answer)).toThrow(says);
  });

  it("that anyone may call, before it is known who calls, and not after", () => {
    expect(() => read({ allow: true }, false)).toThrow("it returned allow, which only beforeAuth may");
  });

  it("other fields of an answer, as an object", () => {
    expect(readReplacement({ response: { a: 1 } })).toEqual({ a: 1 });
    expect([readReplacement(undefined), readReplacement(null)]).toEqual([undefined, undefined]);
    for (const answer of [{}, "a", { response: [] }, { response: "a" }, { response: {}, more: 1 }]) {
      expect(() => readReplacement(answer)).toThrow("it must return nothing or { response }");
    }
  });
});
