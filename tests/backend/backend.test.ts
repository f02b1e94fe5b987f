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
    expect(theRegistry().topics.find("room/7")?.presence).toBe(true);
    expect(theRegistry().sockets.find("/project/ws")).toBeTypeOf("function");
    expect(() => app.topic("room/{id}", {})).toThrow("topic room/{id}: declared already");
    expect(() => app.topic("account/{id}", {})).toThrow("account/ and system/ are the server's own");
    expect(() => app.ws("project", () => {})).toThrow("write the path as /project/ws");
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
