import { createHmac } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { declaredWebhooks, toWebhook, type WebhookOptions } from "../../server/kernel/webhooks.js";

const TARGET = "https://hooks.example.com/in";
const secret = "a secret of sixteen";

function wants(options: Partial<WebhookOptions>, type: string, topic: string): boolean {
  return toWebhook(TARGET, { secret, ...options }).wants({ type, topic });
}

/** What is said of a webhook that is refused, as an app without types may write it. */
function refusal(url: unknown, options?: unknown): string {
  try {
    toWebhook(url as string, options as WebhookOptions);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it was not refused");
}

describe("which events a webhook is for", () => {
  it("all but those of the server itself when it does not say", () => {
    expect(wants({}, "message.add", "account/1")).toBe(true);
    expect(wants({}, "chat.line", "room/7/team/red")).toBe(true);
    expect(wants({}, "auth.revoke", "system/revocations")).toBe(false);
    expect(wants({ topics: ["system/*"] }, "auth.revoke", "system/revocations")).toBe(true);
  });

  it.each([
    ["message.add", "message.add", true],
    ["message.add", "message.added", false],
    ["message.add", "message.del", false],
    ["message.*", "message.add", true],
    ["message.*", "message.add.more", true],
    ["message.*", "message", false],
    ["message.*", "messages.add", false],
  ])("the type %s fits %s: %s", (filter, type, fits) => {
    expect(wants({ types: [filter] }, type, "room/7")).toBe(fits);
    expect(wants({ types: ["none.such", filter] }, type, "room/7")).toBe(fits);
  });

  it.each([
    ["room/7", "room/7", true],
    ["room/7", "room/77", false],
    ["room/7", "room/7/x", false],
    ["room/7", "my-room/7", false],
    ["room/v1.2", "room/v1x2", false],
    ["room/{id}", "room/7", true],
    ["room/{id}", "room/A-b_c.d", true],
    ["room/{id}", "room/7/x", false],
    ["room/{id}", "rooms/7", false],
    ["room/{id}/team/{teamId}", "room/7/team/red", true],
    ["room/{id}/team/{teamId}", "room/7/game/red", false],
    ["account/*", "account/0123", true],
    ["account/*", "accounts/0123", false],
    ["room/*", "room/7/team/red", true],
    ["room/{id}/*", "room/7/team/red", true],
    ["room/{id}/*", "room/7", false],
  ])("the topic %s fits %s: %s", (filter, topic, fits) => {
    expect(wants({ topics: [filter] }, "chat.line", topic)).toBe(fits);
    expect(wants({ topics: ["none/such", filter] }, "chat.line", topic)).toBe(fits);
  });

  it("those of both, when both are said", () => {
    const options = { types: ["chat.line"], topics: ["room/{id}"] };
    expect(wants(options, "chat.line", "room/7")).toBe(true);
    expect(wants(options, "chat.line", "club/7")).toBe(false);
    expect(wants(options, "chat.typing", "room/7")).toBe(false);
  });
});

describe("the id", () => {
  it("is made of the URL, so that it is the same over restarts", () => {
    expect(toWebhook(TARGET, { secret }).id).toBe("5d838a1ceaf722de");
    expect(toWebhook(TARGET, { secret: `${secret}!`, types: ["a.b"] }).id).toBe(toWebhook(TARGET, { secret }).id);
    expect(toWebhook(`${TARGET}2`, { secret }).id).not.toBe(toWebhook(TARGET, { secret }).id);
  });

  it("may be given, and has to be when two are of one URL", () => {
    const webhooks = declaredWebhooks();
    webhooks.declare(TARGET, { secret, types: ["a.b"] });
    expect(() => webhooks.declare(TARGET, { secret })).toThrow("two of one URL need an id each");
    webhooks.declare(TARGET, { secret, id: "orders" });
    expect(() => webhooks.declare(`${TARGET}2`, { secret, id: "orders" })).toThrow("webhook orders: declared already");
    expect(webhooks.all()).toHaveLength(2);
    expect(webhooks.find("orders")?.url).toBe(TARGET);
    expect(webhooks.find("other")).toBeUndefined();
  });
});

describe("the secret", () => {
  it("signs as HMAC-SHA-256 does, by the bytes of its text", () => {
    const expected = createHmac("sha256", secret).update("text").digest("base64");
    expect(toWebhook(TARGET, { secret }).sign("text")).toBe(expected);
  });

  it("signs by the bytes that stand behind whsec_, as the example of Standard Webhooks", () => {
    const webhook = toWebhook(TARGET, { secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" });
    const signed = webhook.sign('msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}');
    expect(signed).toBe("g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  it("cannot be read from the webhook", () => {
    const webhook = toWebhook(TARGET, { secret });
    expect(JSON.stringify(webhook) + inspect(webhook, { depth: 9, showHidden: true })).not.toContain(secret);
  });

  it.each([
    undefined,
    "",
    "fifteen letters",
    16,
    "whsec_",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZ", // fewer than 24 bytes
    `whsec_${Buffer.alloc(65).toString("base64")}`,
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
  ])("is refused when it is short or malformed, and not repeated: %s", (secret) => {
    const said = refusal(TARGET, { secret });
    expect(said).toMatch(/^webhook to hooks\.example\.com: its secret has at least 16 characters/);
    if (typeof secret === "string" && secret !== "" && secret !== "whsec_") expect(said).not.toContain(secret);
  });
});

describe("a webhook that is refused", () => {
  it.each([
    undefined,
    "",
    "hooks.example.com/in",
    "/in",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:0",
    7,
  ])("has a URL of something else: %s", (url) =>
    expect(refusal(url, { secret })).toContain("its URL begins with https:// or http://"),
  );

  it.each(["https://ada:pa55word@example.com/", "https://pa55word@example.com/", "https://:pa55word@example.com/"])(
    "has a password in its URL, which is not repeated: %s",
    (url) => {
      expect(refusal(url, { secret })).toBe("webhook to example.com: its URL has a user or password: leave them out");
    },
  );

  it.each([
    [undefined, "it needs a secret"],
    [null, "it needs a secret"],
    ["a secret of sixteen", "it needs a secret"],
    [{ secret, type: ["a.b"] }, "there is no option type"],
    [{ secret, types: [] }, "types lists names"],
    [{ secret, types: "a.b" }, "types lists names"],
    [{ secret, types: ["message"] }, "types lists names"],
    [{ secret, types: ["*"] }, "types lists names"],
    [{ secret, types: ["Message.add"] }, "types lists names"],
    [{ secret, types: [7] }, "types lists names"],
    [{ secret, topics: [] }, "topics lists names"],
    [{ secret, topics: ["room"] }, "topics lists names"],
    [{ secret, topics: ["room/"] }, "topics lists names"],
    [{ secret, topics: ["*"] }, "topics lists names"],
    [{ secret, topics: ["room/*/x"] }, "topics lists names"],
    [{ secret, topics: ["room/7*"] }, "topics lists names"],
    [{ secret, topics: ["a/b/c/d/e/f"] }, "topics lists names"],
    [{ secret, id: "" }, "its id has"],
    [{ secret, id: "a b" }, "its id has"],
    [{ secret, id: 7 }, "its id has"],
  ])("has %j", (options, says) => expect(refusal(TARGET, options)).toContain(says));
});
