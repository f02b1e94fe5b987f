import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Ctx } from "../../../server/context.js";
import type { FeedItem } from "../../../server/domains/events/feed-item.js";
import { RECHECK } from "../../../server/domains/events/index.js";
import { subscribe } from "../../../server/domains/events/service.js";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { eventually, openDatabase, upTo, within } from "../support.js";
import { heardAt, sharedBus, startNode } from "./node.js";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

vi.setConfig({ testTimeout: 60_000 });

const settings = { events: { heartbeat: 15_000, streamTtl: 600_000, streamsPerAccount: 2_000 } };

/** A node over the database of a server, whose streams the test opens itself and whose every hold on them it counts. */
async function house(events: Partial<typeof settings.events> = {}) {
  const sql = openDatabase(backstay);
  const [grant] = await sql`select family_id from backstay.grants where account_id = ${ada.id} limit 1`;
  const caller = {
    kind: "account",
    via: "token",
    accountId: ada.id,
    roles: [],
    familyId: String(grant?.family_id).replaceAll("-", ""),
  };
  const bus = sharedBus();
  const node = await startNode(backstay.databaseUrl, { bus });
  const draining = new AbortController();
  const topics = declaredTopics();
  const rule = vi.fn((): boolean | Promise<boolean> => true);
  topics.declare("room/{id}", { subscribe: rule, presence: true });
  const slowRule = vi.fn((): boolean | Promise<boolean> => true);
  topics.declare("slow/{id}", { subscribe: slowRule });
  const held = { listeners: 0, places: 0, presences: 0 };
  const counted = (what: keyof typeof held, end: () => void) => {
    held[what]++;
    return () => {
      held[what]--;
      end();
    };
  };
  const log: Ctx["events"] = Object.create(node.events, {
    subscribe: {
      value: (topic: string, listener: never) => counted("listeners", node.events.subscribe(topic, listener)),
    },
    enter: { value: (owner: string, max: number) => counted("places", node.events.enter(owner, max)) },
  });
  const presence: Ctx["presence"] = {
    enter: (...args) => counted("presences", node.presence.enter(...args)),
  };
  const ports = {
    ...node,
    bus,
    topics,
    draining: draining.signal,
    events: log,
    presence,
    db: node.database,
    settings: { events: { ...settings.events, ...events } },
  };
  /** Opens a stream whose reader takes so many items, and then never anything more; its token may end sooner. */
  const open = (more: { topics?: string[] } = {}, reader: { takes?: number; tokenMs?: number } = {}) => {
    const { takes = Number.POSITIVE_INFINITY, tokenMs = 3_600_000 } = reader;
    const call = new AbortController();
    const said: FeedItem[] = [];
    const expiresAt = new Date(Date.now() + tokenMs);
    const ctx = { ...ports, caller: { ...caller, expiresAt }, signal: call.signal } as unknown as Ctx;
    const input = { topics: [], types: [], match: "", afterCursor: "", ...more };
    const over = subscribe(ctx, input, { write: (item) => said.push(item) < takes, onDrain() {} });
    over.catch(() => {});
    const stands = () => eventually(20_000, "the stream stands", async () => said[0]?.kind === "ready" || undefined);
    return { ctx, call, said, over, stands };
  };
  return { node, held, draining, bus, rule, slowRule, open };
}

const collectGarbage = () => {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
};

describe("a thousand streams that were open", () => {
  it.each(["hang up", "are told that the server stops"])("leave nothing behind when they %s", async (how) => {
    const { held, draining, open } = await house();
    const timers = [vi.spyOn(globalThis, "setInterval"), vi.spyOn(globalThis, "clearInterval")] as const;
    const remembered: WeakRef<Ctx>[] = [];
    await (async () => {
      const streams: ReturnType<typeof open>[] = [];
      while (streams.length < 1_000) {
        const some = upTo(50).map(() => open({ topics: ["account/me", "room/1"] }));
        await Promise.all(some.map(({ stands }) => stands()));
        streams.push(...some);
      }
      // Of each: an ear for either topic, one for the account and one for the topic where he is seen.
      expect(held).toEqual({ listeners: 2_000 + 1, places: 1_000, presences: 2_000 });
      expect(getEventListeners(draining.signal, "abort")).toHaveLength(1);
      if (how === "hang up") for (const { call } of streams) call.abort();
      else draining.abort();
      await within(5_000, Promise.all(streams.map(({ over }) => over)), "all are over");
      for (const { ctx, call, said } of streams) {
        expect(getEventListeners(call.signal, "abort")).toHaveLength(0);
        if (how !== "hang up") expect(said.at(-1)?.kind).toBe("goodbye");
        remembered.push(new WeakRef(ctx));
      }
    })();
    // What stays is the node's own: it hears of revocations.
    expect(held).toEqual({ listeners: 1, places: 0, presences: 0 });
    const [begun, ended] = timers.map(({ mock }) => mock.calls.length);
    expect(ended).toBe(begun);
    expect(begun).toBe(1);
    await eventually(5_000, "nothing knows the streams any more", async () => {
      collectGarbage();
      return remembered.every((ctx) => ctx.deref() === undefined) || undefined;
    });
    for (const timer of timers) timer.mockRestore();
  });

  it("leave nothing behind when they are refused", async () => {
    const { held, open } = await house();
    const streams = upTo(100).map(() => open({ topics: ["room/1", "stage/1"] }));
    for (const { over } of streams) await expect(over).rejects.toMatchObject({ reason: "TOPIC_FORBIDDEN" });
    expect(held).toEqual({ listeners: 0, places: 0, presences: 0 });
  });
});

describe("rules that are to be asked again", () => {
  it("are asked at once, for the streams of their topic alone, and end those they refuse", async () => {
    const { bus, rule, open } = await house();
    const [one, two, own] = [open({ topics: ["room/1"] }), open({ topics: ["room/2"] }), open()];
    await Promise.all([one, two, own].map(({ stands }) => stands()));
    rule.mockClear();
    rule.mockReturnValue(false);
    bus.publish(RECHECK, { topic: "room/1" });
    await expect(within(1_000, one.over, "the stream ends")).rejects.toMatchObject({ reason: "TOPIC_FORBIDDEN" });
    expect(rule).toHaveBeenCalledTimes(1);
    bus.publish(RECHECK, {});
    await expect(within(1_000, two.over, "the stream ends")).rejects.toMatchObject({ reason: "TOPIC_FORBIDDEN" });
    own.call.abort();
    await own.over;
  });

  it("are not missed by a stream that is just being opened", async () => {
    const { bus, rule, open } = await house();
    rule.mockImplementationOnce(() => {
      // After this answer, and before the stream listens.
      bus.publish(RECHECK, { topic: "room/1" });
      rule.mockReturnValue(false);
      return true;
    });
    const { over } = open({ topics: ["room/1"] });
    await expect(within(1_000, over, "the stream ends")).rejects.toMatchObject({ reason: "TOPIC_FORBIDDEN" });
  });
});

describe("a rule that never answers", () => {
  const never = () => new Promise<boolean>(() => {});

  it("lets nobody in, and keeps nobody waiting", async () => {
    const { slowRule, held, open } = await house();
    slowRule.mockImplementation(never);
    const { over } = open({ topics: ["slow/1"] });
    await expect(within(7_000, over, "the stream is refused")).rejects.toThrow(
      "the rule subscribe of the topic slow/1 did not answer within 5000 ms",
    );
    expect(held).toEqual({ listeners: 0, places: 0, presences: 0 });
  });

  it("keeps no other from ending the streams it refuses", async () => {
    const { node, bus, rule, slowRule, open } = await house();
    const slow = upTo(300).map(() => open({ topics: ["slow/1"] }));
    const [both, other] = [open({ topics: ["slow/1", "room/1"] }), open({ topics: ["room/1"] })];
    await Promise.all([...slow, both, other].map(({ stands }) => stands()));
    slowRule.mockImplementation(never);
    rule.mockReturnValue(false);
    bus.publish(RECHECK, {});
    for (const { over } of [both, other]) {
      await expect(within(15_000, over, "the stream ends")).rejects.toMatchObject({ reason: "TOPIC_FORBIDDEN" });
    }
    // Who was not answered stays, and the log tells of it, once.
    const complaint = { streams: 301, message: "rules of topics did not answer: their streams stay" };
    await eventually(7_000, "the log tells", async () => node.complaints.length > 0 || undefined);
    expect(node.complaints).toEqual([expect.objectContaining(complaint)]);
    slowRule.mockReturnValue(false);
    bus.publish(RECHECK, { topic: "slow/1" });
    for (const { over } of slow) {
      await expect(within(1_000, over, "the stream ends")).rejects.toMatchObject({ reason: "TOPIC_FORBIDDEN" });
    }
  });
});

describe("a reader who takes nothing more", () => {
  it.each([
    ["its token", {}, { tokenMs: 400 }],
    ["its life", { streamTtl: 400 }, {}],
  ])("is let go at the end of %s", async (_, settings, reader) => {
    const { held, open } = await house(settings);
    const { over, said, stands } = open({ topics: ["room/1"] }, { takes: 1, ...reader });
    await stands();
    await within(2_000, over, "the stream is over");
    expect(said.map(({ kind }) => kind)).toEqual(["ready"]);
    expect(held).toEqual({ listeners: 1, places: 0, presences: 0 });
  });

  it("is not cut off for what is of the moment, however much of it there is", async () => {
    const { node, open } = await house();
    const { call, over, stands } = open({ topics: ["room/1"] }, { takes: 2 });
    await stands();
    const moment = { topic: "room/1", type: "chat.typing", actorId: null, data: "{}", time: Date.now() };
    const heard = heardAt(node, "room/1");
    for (const n of upTo(3_000)) node.events.tell({ ...moment, id: `${n}` });
    await eventually(10_000, "all were told", async () => heard.length >= 3_000 || undefined);
    call.abort();
    await within(1_000, over, "the stream is over, without an error");
  });

  it("is let go at once when the server stops", async () => {
    const { held, draining, open } = await house();
    const { over, said, stands } = open({ topics: ["room/1"] }, { takes: 1 });
    await stands();
    draining.abort();
    await within(500, over, "the stream is over");
    expect(said.map(({ kind }) => kind)).toEqual(["ready"]);
    expect(held).toEqual({ listeners: 1, places: 0, presences: 0 });
  });
});

it("the sign-ins of all streams are looked up together", async () => {
  const { open } = await house({ heartbeat: 100 });
  const asked = vi.fn();
  const streams = upTo(50).map(() => open());
  const { database } = streams[0]!.ctx;
  await Promise.all(streams.map(({ stands }) => stands()));
  const original = database.run;
  const run = vi.spyOn(database, "run").mockImplementation(((text: string, values: unknown[]) => {
    if (text.includes("family_id = any")) asked();
    return original(text, values);
  }) as typeof original);
  await Promise.all(
    streams.map(({ said }) =>
      eventually(
        2_000,
        "heartbeats",
        async () => said.filter(({ kind }) => kind === "heartbeat").length > 3 || undefined,
      ),
    ),
  );
  expect(asked.mock.calls.length).toBeGreaterThan(0);
  expect(asked.mock.calls.length).toBeLessThan(50);
  run.mockRestore();
  for (const { call } of streams) call.abort();
  await Promise.all(streams.map(({ over }) => over));
});
