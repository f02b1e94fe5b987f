import { beforeEach, describe, expect, it, vi } from "vitest";
import { type Host, theBackend, theRegistry } from "../../server/backend/backend.js";

const KEY = Symbol.for("backstay.backend");
const nobody: Host = () => Promise.reject(new Error("nobody starts a server here"));

beforeEach(() => {
  Reflect.deleteProperty(globalThis, KEY);
});

/** A server that remembers what was asked of it. */
function recorder() {
  const asked: unknown[] = [];
  const host: Host = async () => ({
    control: {
      notify: (...words) => void asked.push(["notify", ...words]),
      publish: async (event) => {
        asked.push(["publish", event]);
        return { id: "7" };
      },
      recheck: (topic) => void asked.push(["recheck", topic]),
      submit: async (job) => {
        asked.push(["submit", job]);
        return { id: "8", created: true };
      },
      transaction: (work) =>
        work({
          db: {
            run: async (text) => {
              asked.push(["run", text]);
              return [];
            },
          },
          submit: async (job) => {
            asked.push(["submit in it", job]);
            return { id: "9", created: true };
          },
        }),
      cache: () => {
        throw new Error("app.cache: there is no cache");
      },
    },
    stop: async () => void asked.push(["stop"]),
  });
  return { asked, host };
}

describe("the app of a process", () => {
  it("is one, however often and from whichever copy of the package it is asked for", async () => {
    const app = theBackend(nobody);
    vi.resetModules();
    const copy = await import("../../server/backend/backend.js");
    expect(copy.theBackend).not.toBe(theBackend);
    expect(copy.theBackend(nobody)).toBe(app);
    expect(copy.theRegistry()).toBe(theRegistry());
  });

  it("keeps what is declared for the server, and refuses what is malformed or twice where it is declared", () => {
    const app = theBackend(nobody);
    app.topic("room/{id}", { presence: true });
    app.ws("/project/ws", () => "pong");
    expect(theRegistry().declared.topics.find("room/7")?.presence).toBe(true);
    expect(theRegistry().declared.sockets.find("/project/ws")).toBeTypeOf("function");
    expect(() => app.topic("room/{id}", {})).toThrow("topic room/{id}: declared already");
    expect(() => app.topic("account/{id}", {})).toThrow("account/ and system/ are the server's own");
    expect(() => app.ws("project", () => {})).toThrow("write the path as /project/ws");
  });

  it("keeps counters, public or not, and refuses those that are malformed or there already", () => {
    const app = theBackend(nobody);
    app.counter("score", { public: true });
    app.counter("coins");
    app.counter("follow1", { public: true });
    const { counters } = theRegistry().declared;
    expect(["score", "coins", "follow1", "ping", "scores"].map((name) => counters.find(name))).toEqual([
      { name: "score", public: true, derived: false },
      { name: "coins", public: false, derived: false },
      { name: "follow1", public: true, derived: true },
      { name: "ping", public: true, derived: false },
      undefined,
    ]);
    for (const name of ["score", "follow1", "ping"]) {
      expect(() => app.counter(name)).toThrow(`counter ${name}: declared already`);
    }
    expect(() => app.counter("My score")).toThrow("counter My score: use small letters, digits and underscores");
    expect(() => app.counter(`${"x".repeat(40)}1`)).toThrow("names that end in 0 or 1 are those of connections");
    expect(() => app.counter("level", { pub: true } as never)).toThrow("counter level: there is no option pub");
  });

  it("keeps jobs, crons and webhooks, with what they say of themselves", async () => {
    const app = theBackend(nobody);
    const touch = app.job<{ id: string }>("app.touch", ({ id }) => id, { timeout: "5s", maxAttempts: 3 });
    app.cron("app.nightly", "0 3 * * *", "app.touch", { args: { id: "7" }, timeZone: "Europe/Berlin" });
    app.cron("app.minutely", "* * * * *", () => "done");
    app.webhook("https://example.com/hook", { secret: "a secret of sixteen", types: ["message.*"] });
    const { jobs, webhooks } = theRegistry().declared;
    expect(touch.name).toBe("app.touch");
    expect(jobs.find("app.touch")).toMatchObject({ queue: "default", timeoutMs: 5_000, maxAttempts: 3, inside: false });
    expect(jobs.find("app.minutely")).toBeDefined();
    expect(jobs.crons().map(({ id, job }) => [id, job])).toEqual([
      ["app.nightly", "app.touch"],
      ["app.minutely", "app.minutely"],
    ]);
    expect(webhooks.all()).toHaveLength(1);
  });

  it.each<[string, (app: ReturnType<typeof theBackend>) => void]>([
    ["write its name as app.processUsers", (app) => app.job("not a name", () => {})],
    ["names that begin with backstay. are the server's own", (app) => app.job("backstay.mine", () => {})],
    ["it needs a function", (app) => app.job("app.a", "nothing" as never)],
    ["there is no option retries", (app) => app.job("app.a", () => {}, { retries: 3 } as never)],
    ["maxAttempts is a whole number from 1 to 100", (app) => app.job("app.a", () => {}, { maxAttempts: 0 })],
    ["timeout is a duration up to a day", (app) => app.job("app.a", () => {}, { timeout: "soon" })],
    ["backoff has durations least and most", (app) => app.job("app.a", () => {}, { backoff: { least: "2h" } })],
    ["args is no schema", (app) => app.job("app.a", () => {}, { args: {} as never })],
    ["there is no option tz", (app) => app.cron("app.a", "* * * * *", () => {}, { tz: "UTC" } as never)],
    ["missed is one, all or skip", (app) => app.cron("app.a", "* * * * *", () => {}, { missed: "some" as never })],
  ])("refuses where it is declared: %s", (says, declare) => {
    expect(() => declare(theBackend(nobody))).toThrow(says);
  });

  it("keeps hooks by what they are asked about, and refuses malformed ones where they are declared", () => {
    const app = theBackend(nobody);
    const { hooks } = theRegistry().declared;
    expect(hooks.all()).toBeUndefined();
    app.beforeAuth("/account/*", () => ({ allow: true }));
    app.afterAuth("MessageService/*", async (_, { caller }) => (caller ? undefined : { status: 401, message: "No." }));
    app.afterAuth(/\.html$/, () => ({ redirect: "/login", status: 303 }));
    app.afterCall({ method: "GET", path: "/message/get" }, (_, { response }) => ({ response }));
    const names = Object.values(hooks.all()!).map((declared) => declared.map(({ name }) => name));
    expect(names).toEqual([
      ["beforeAuth /account/*"],
      ["afterAuth MessageService/*", "afterAuth /\\.html$/"],
      ["afterCall GET /message/get"],
    ]);
    expect(() => app.beforeAuth("message", () => {})).toThrow("beforeAuth message: write RPCs as MessageService/*");
    expect(() => app.afterCall("/a", undefined as never)).toThrow("afterCall /a: it needs a function");
  });

  it("declares no job, no counter and no hook once it is being started", async () => {
    const { host } = recorder();
    const app = theBackend(host);
    await app.start();
    expect(() => app.job("app.late", () => {})).toThrow("job app.late: declare it before app.start()");
    expect(() => app.cron("app.late", "* * * * *", "app.x")).toThrow("cron app.late: declare it before app.start()");
    expect(() => app.counter("late")).toThrow("counter late: declare it before app.start()");
    expect(() => app.beforeAuth("/a", () => {})).toThrow("app.beforeAuth: declare it before app.start()");
  });

  it("submits by name and by what was registered, alone and in a transaction", async () => {
    const { asked, host } = recorder();
    const app = theBackend(host);
    const touch = app.job<{ id: string }>("app.touch", () => {});
    await app.start();
    expect(await app.submit("app.touch", { id: "1" }, { priority: 5, uniqueFor: "1h" })).toEqual({
      id: "8",
      created: true,
    });
    await app.transaction(async (tx) => {
      await tx.db.run("select 1");
      expect(await touch.submit({ id: "2" }, { orderKey: "k" }, tx)).toEqual({ id: "9", created: true });
    });
    expect(asked).toEqual([
      [
        "submit",
        expect.objectContaining({ name: "app.touch", args: { id: "1" }, priority: 5, uniqueForMs: 3_600_000 }),
      ],
      ["run", "select 1"],
      ["submit in it", expect.objectContaining({ name: "app.touch", args: { id: "2" }, orderKey: "k" })],
    ]);
    await expect(app.submit("app.touch", {}, { when: "now" } as never)).rejects.toThrow("there is no option when");
    await expect(app.submit("app.touch", {}, { delay: "1s", runAt: new Date() })).rejects.toThrow(
      "it has either runAt or delay",
    );
  });

  it("says what to do when it is asked for what only a running server can do", async () => {
    const app = theBackend(nobody);
    const says = "no server runs; await app.start() first";
    expect(() => app.notify({}, {})).toThrow(`app.notify: ${says}`);
    expect(() => app.recheck("room/7")).toThrow(`app.recheck: ${says}`);
    await expect(app.publish({ topic: "room/7", type: "chat.line" })).rejects.toThrow(`app.publish: ${says}`);
  });

  it("is started once, by whoever was there first, and passes on what it is asked until it is stopped", async () => {
    const { asked, host } = recorder();
    theRegistry().host = host;
    const app = theBackend(nobody);
    const starting = app.start();
    expect(app.start()).toBe(starting);
    await starting;
    app.notify({ path: "/project/ws" }, { op: "hello" });
    expect(await app.publish({ topic: "room/7", type: "chat.line" })).toEqual({ id: "7" });
    app.recheck();
    await app.stop();
    await app.stop();
    expect(asked).toEqual([
      ["notify", { path: "/project/ws" }, { op: "hello" }],
      ["publish", { topic: "room/7", type: "chat.line" }],
      ["recheck", undefined],
      ["stop"],
    ]);
    expect(() => app.notify({}, {})).toThrow("no server runs");
  });

  it("that is stopped while it starts stops what was started", async () => {
    const { asked, host } = recorder();
    const app = theBackend(host);
    void app.start();
    await app.stop();
    expect(asked).toEqual([["stop"]]);
  });
});
