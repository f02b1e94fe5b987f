import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStream, standingStream } from "../stream.js";
import { bearer, eventually, upTo } from "../support.js";
import * as houses from "./house.js";
import { type Body, methods, request, type Step, step } from "./house.js";
import { namingAccounts } from "./naming.js";
import type { Pair } from "./twins.js";
import { exported, toMe, toPeer, views } from "./views.js";

/*
 * Ada has blocked Ben. Cleo has nothing against Dan. All else that happens between Ada and Ben happens between Cleo and Dan as
 * well, at the same time of a clock that stands still: Ben and Dan ask the same of the server, and must be answered the same. The log
 * of events must move on by the same, too: cursors tell.
 */

let house: houses.House;
let twins: houses.Twins;
beforeAll(async () => {
  house = await houses.startHouse();
  twins = await houses.makeTwins(house);
});
afterAll(() => house.stop());

const compare = (steps: readonly Step[]) => houses.compare(house, twins, steps);
const meanwhile = (who: "peer" | "friend", rpc: string, body: Body) => houses.meanwhile(house, twins, who, rpc, body);

const PUT = "ConnectionService.PutConnection";
const UPDATE = "ConnectionService.UpdateConnection";
const SEND = "MessageService.SendMessage";
const LONG = "x".repeat(3_900);

/** All that can be done towards an account. */
const acts: readonly Step[] = [
  step(PUT, (pair) => ({ ...toPeer(pair), type: "like", properties: { note: "again", z: 1, a: [2] } })),
  step(PUT, (pair) => ({ ...toPeer(pair), type: "like" })),
  step(PUT, (pair) => ({ ...toPeer(pair), type: "follow", properties: { since: "now" } })),
  step(PUT, (pair) => ({ ...toPeer(pair), type: "follow" })),
  step(PUT, (pair) => ({ ...toPeer(pair), type: "follow", createOnly: true })),
  step(PUT, (pair) => ({ ...toPeer(pair), type: "poke", createOnly: true, properties: { hard: true } }), {
    key: "poke",
  }),
  step(PUT, (pair) => ({ ...toPeer(pair), type: "poke", createOnly: true, properties: { hard: true } }), {
    key: "poke",
  }),
  step(PUT, (pair) => ({ ...toPeer(pair), type: "poke", createOnly: true, properties: { hard: false } }), {
    key: "poke",
  }),
  step(PUT, (pair) => ({ ...toPeer(pair), type: "Not a type" })),
  step(UPDATE, (pair) => ({ connection: { ...toPeer(pair), type: "like", properties: { note: "again" } } })),
  step(UPDATE, (pair) => ({ connection: { ...toPeer(pair), type: "follow", properties: { mood: "fine" } } })),
  step(UPDATE, (pair) => ({
    connection: { ...toPeer(pair), type: "follow", properties: { mood: null } },
    updateMask: "properties.mood",
  })),
  step(UPDATE, (pair) => ({ connection: { ...toPeer(pair), type: "dislike", properties: { x: 1 } } })),
  step(UPDATE, (pair) => ({ connection: { ...toPeer(pair), type: "essay", properties: { title: "Long" } } })),
  step(UPDATE, (pair) => ({ connection: { ...toPeer(pair), type: "invite", properties: { state: "perhaps" } } })),
  step(UPDATE, (pair) => ({ connection: { ...toPeer(pair), type: "invite", properties: { state: "accepted" } } })),
  step(UPDATE, (pair) => ({ connection: { ...toPeer(pair), type: "invite", properties: { state: "declined" } } })),
  step("ConnectionService.DeleteConnections", (pair) => ({ ...toPeer(pair), type: "view" })),
  step("ConnectionService.DeleteConnections", (pair) => ({ ...toPeer(pair), type: "view" })),
  step(PUT, (pair) => ({ ...toPeer(pair), type: "view", properties: { page: 2 } })),
  step("CounterService.IncrementCounters", ({ peer }) => ({ accountId: peer.id, deltas: { ping: 3, karma: "-2" } })),
  step("CounterService.IncrementCounters", ({ peer }) => ({ accountId: peer.id, deltas: { ping: 1 } }), {
    key: "ping",
  }),
  step("CounterService.IncrementCounters", ({ peer }) => ({ accountId: peer.id, deltas: { ping: 1 } }), {
    key: "ping",
  }),
  step("CounterService.IncrementCounters", ({ peer }) => ({ accountId: peer.id, deltas: { ping: 2 } }), {
    key: "ping",
  }),
  step("CounterService.IncrementCounters", ({ peer }) => ({
    accountId: peer.id,
    deltas: { ping: "9007199254740991", karma: 1 },
  })),
  step("CounterService.IncrementCounters", ({ peer }) => ({ accountId: peer.id, deltas: { like1: 1 } })),
  step("CounterService.IncrementCounters", ({ peer }) => ({ accountId: peer.id, deltas: { none: 1 } })),
  step("CounterService.GetCounters", ({ peer }) => ({ accountId: peer.id })),
  step(SEND, ({ peer }) => ({ recipientId: peer.id, text: "Hello" })),
  step(SEND, ({ peer }) => ({ recipientId: peer.id, text: "Once" }), { key: "once" }),
  step(SEND, ({ peer }) => ({ recipientId: peer.id, text: "Once" }), { key: "once" }),
  step(SEND, ({ peer }) => ({ recipientId: peer.id, text: "Twice" }), { key: "once" }),
  step(SEND, ({ peer }) => ({ recipientId: peer.id, text: "" })),
  {
    rpc: SEND,
    // In one millisecond of the clock: no two messages to anybody have the same time.
    async ask(pair) {
      const answers: unknown[] = [];
      for (const n of upTo(3)) {
        const body = { recipientId: pair.peer.id, text: `Now ${n}` };
        answers.push(await request(house, pair, "me", SEND, body));
      }
      return answers;
    },
  },
  step("EventService.Publish", ({ peer }) => ({ topic: `account/${peer.id}`, type: "note.line" })),
  step("EventService.Publish", ({ friend }) => ({ topic: `room/${friend.id}`, type: "note.line", data: { n: 1 } })),
  step("EventService.Poll", ({ peer }) => ({ topics: [`account/${peer.id}`] })),
  {
    rpc: "EventService.Subscribe",
    ask: async ({ me, peer }) =>
      (await openStream(house.backstay, me.token, { topics: [`account/${peer.id}`] })).next(),
  },
  // Nobody has a stream but who asks: that who has blocked him is away tells nothing, and is all that is hidden from him.
  step("EventService.ListPresence", ({ peer }) => ({ accountIds: [peer.id] })),
  step("AccountService.UpdateAccount", ({ peer }) => ({ account: { id: peer.id, name: "Mine" }, updateMask: "name" })),
  step("AccountService.DeleteAccount", ({ peer }) => ({ id: peer.id })),
  step("AccountService.SetAccountStatus", ({ peer }) => ({ id: peer.id, status: "ACCOUNT_STATUS_BANNED" })),
  {
    rpc: "AccountService.ExportAccount",
    async ask({ me, peer }) {
      const headers = { ...bearer(me.token), accept: "application/x-ndjson" };
      const response = await fetch(`${house.backstay.url}/v1/accounts/${peer.id}:export`, { headers });
      return { status: response.status, text: await response.text() };
    },
  },
  step("AuthService.CreateApiKey", ({ peer }) => ({ accountId: peer.id, name: "theirs", scopes: ["*"] })),
  step("AuthService.DisableTotp", ({ peer }) => ({ accountId: peer.id, code: "123456" })),
  step("AuthService.ListApiKeys", ({ peer }) => ({ accountId: peer.id })),
  step("AuthService.GrantRole", ({ peer }) => ({ id: peer.id, role: "editor" })),
  step("AuthService.RevokeRole", ({ peer }) => ({ id: peer.id, role: "editor" })),
  step("AuthService.ListAuditEvents", ({ peer }) => ({ accountId: peer.id })),
];

/** What one does about messages one has received of them. */
const readings: readonly Step[] = [
  step("MessageService.ListMessages", ({ peer }) => ({ senderId: peer.id, pageSize: 1 }), {
    keep: (json, { known }) => known.set("time", (json.messages as { createTime: string }[])[0]!.createTime),
  }),
  step("MessageService.MarkRead", ({ peer, known }) => ({ senderId: peer.id, createTime: known.get("time") })),
  step("MessageService.DeleteMessages", ({ peer, known }) => ({ senderId: peer.id, createTime: known.get("time") })),
  step("MessageService.DeleteMessages", ({ peer }) => ({ senderId: peer.id })),
];

/** The other one's own block, which is hers to see. */
const ownBlock: readonly Step[] = [
  step("ConnectionService.Block", toPeer),
  step("ConnectionService.ListBlocked"),
  ...views,
  step("ConnectionService.Unblock", toPeer),
  step("ConnectionService.ListBlocked"),
];

/** All three in one room, and who asks is told so. It comes last: by account ids neither finds the other from then on. */
const inOneRoom: readonly Step[] = [
  {
    rpc: "EventService.ListPresence",
    async ask(pair) {
      const topic = `room/${pair.friend.id}`;
      const all = [pair.me, pair.peer, pair.friend];
      const streams = await Promise.all(
        all.map(({ token }) => standingStream(house.backstay, token, { topics: [topic] })),
      );
      const ids = await eventually(5_000, "all are in the room", async () => {
        const { json } = await request(house, pair, "me", "EventService.ListPresence", { topic });
        const listed = (json.presences as { accountId: string }[] | undefined) ?? [];
        return listed.length < all.length ? undefined : listed.map(({ accountId }) => accountId);
      });
      for (const stream of streams) await stream.close();
      return ids;
    },
  },
];

describe("somebody who is blocked cannot tell", () => {
  it("by any answer, before, while and after he is", async () => {
    const { blocked } = twins;
    const heard = await houses.listen(house, twins);
    await meanwhile("peer", PUT, (pair) => ({ ...toMe(pair), type: "follow", properties: { kept: true } }));
    await meanwhile("peer", PUT, (pair) => ({ ...toMe(pair), type: "invite", properties: { to: "tea" } }));
    await meanwhile("peer", SEND, ({ me }) => ({ recipientId: me.id, text: "Before" }));
    for (const who of ["peer", "friend"] as const) {
      const to = ({ me, friend }: Pair) => ({ peerId: who === "peer" ? friend.id : me.id });
      await meanwhile(who, PUT, (pair) => ({ ...to(pair), type: "like" }));
    }
    const early = ["like", "view"].map((type) =>
      step(PUT, (pair) => ({ ...toPeer(pair), type, properties: { n: 1 } })),
    );
    // As long as it may become: what the other one still sees of it is not to take up room.
    await compare([
      step(PUT, (pair) => ({ ...toPeer(pair), type: "essay" })),
      ...["a", "b", "c", "d"].map((key) =>
        step(UPDATE, (pair) => ({ connection: { ...toPeer(pair), type: "essay", properties: { [key]: LONG } } })),
      ),
    ]);
    await compare([
      ...early,
      step(PUT, ({ friend }) => ({ peerId: friend.id, type: "like" })),
      step(SEND, ({ peer }) => ({ recipientId: peer.id, text: "Before" })),
      step("CounterService.IncrementCounters", ({ peer }) => ({ accountId: peer.id, deltas: { ping: 1, karma: 5 } })),
      ...views,
    ]);

    await blocked.peer.client.connections.block({ peerId: blocked.me.id });
    await compare([...views, ...acts, ...views, ...ownBlock]);

    // She may well go on with him.
    await meanwhile("peer", SEND, ({ me }) => ({ recipientId: me.id, text: "While" }));
    await meanwhile("peer", PUT, (pair) => ({ ...toMe(pair), type: "like", properties: { note: "again" } }));
    await meanwhile("peer", UPDATE, (pair) => ({
      connection: { ...toMe(pair), type: "follow", properties: { more: 1 } },
    }));
    await meanwhile("peer", "ConnectionService.DeleteConnections", (pair) => ({ ...toMe(pair), type: "invite" }));
    await meanwhile("peer", PUT, (pair) => ({ ...toMe(pair), type: "invite", properties: { to: "lunch" } }));
    await meanwhile("peer", "CounterService.IncrementCounters", ({ me }) => ({
      accountId: me.id,
      deltas: { ping: 7 },
    }));
    await compare([...views, ...acts, ...readings, ...views]);

    // What she deletes of his is all that he has sent, whether she had it or not.
    await meanwhile("peer", "MessageService.DeleteMessages", ({ me }) => ({ senderId: me.id }));
    await compare([...views, exported, ...acts, ...views]);

    await blocked.peer.client.connections.unblock({ peerId: blocked.me.id });
    await compare([...views, ...acts, ...views]);
    await compare([step("ConnectionService.DeleteConnections", toPeer), ...views]);
    await blocked.peer.client.connections.block({ peerId: blocked.me.id });
    await compare([...acts, ...views, step("ConnectionService.DeleteConnections"), ...views]);

    // What his stream brought all the while, and what is kept of it, and of him.
    await compare([
      ...heard,
      step("EventService.Poll", { afterCursor: "earliest", gather: "0s" }),
      exported,
      ...inOneRoom,
    ]);
  }, 120_000);

  it("and every RPC that can name another account is among the questions", () => {
    const asked = [...views, ...acts, ...readings, ...ownBlock, ...inOneRoom].map(({ rpc }) => rpc);
    expect([...new Set(asked)].sort()).toEqual(expect.arrayContaining(namingAccounts(methods)));
    expect(namingAccounts(methods)).toContain("MessageService.SendMessage");
    for (const rpc of asked) expect(methods.has(rpc), rpc).toBe(true);
  });
});
