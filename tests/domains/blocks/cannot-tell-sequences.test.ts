import { afterAll, beforeAll, it } from "vitest";
import { fc } from "../../support/properties.js";
import * as houses from "./house.js";
import { type Body, type House, step } from "./house.js";
import type { Pair } from "./twins.js";
import { exported, views } from "./views.js";

/** Sequences that are tried; what has failed is told as small as it gets within a minute. */
const RUNS = 6;

let house: House;
beforeAll(async () => {
  house = await houses.startHouse();
});
afterAll(() => house.stop());

/** Something that happens: `me` is compared, the peer does the same in both pairs, and the block is of one pair alone. */
type Deed = { by: "me" | "peer"; rpc: string; body: Body; key?: string } | { stands: boolean };

const type = fc.constantFrom("like", "follow", "invite");
const by = fc.constantFrom("me" as const, "peer" as const);
const properties = fc.constantFrom({}, { note: "again" }, { note: "once", n: 1 });
const towards = (who: "me" | "peer", { me, peer }: Pair) => (who === "me" ? peer.id : me.id);

const block = fc.boolean().map((stands): Deed => ({ stands }));
const put = fc.record({ by, type, properties }).map(
  ({ by, ...rest }): Deed => ({
    by,
    rpc: "ConnectionService.PutConnection",
    body: (pair: Pair) => ({ peerId: towards(by, pair), ...rest }),
  }),
);
const create = type.map(
  (type): Deed => ({
    by: "me",
    rpc: "ConnectionService.PutConnection",
    body: ({ peer }: Pair) => ({ peerId: peer.id, type, createOnly: true }),
  }),
);
const state = fc.constantFrom("accepted", "declined").map((state) => ({ type: "invite", properties: { state } }));
const update = fc.oneof(fc.record({ type, properties }), state).map(
  (change): Deed => ({
    by: "me",
    rpc: "ConnectionService.UpdateConnection",
    body: ({ peer }: Pair) => ({ connection: { peerId: peer.id, ...change } }),
  }),
);
const remove = fc.record({ by, type: fc.option(type, { nil: "" }) }).map(
  ({ by, type }): Deed => ({
    by,
    rpc: "ConnectionService.DeleteConnections",
    body: (pair: Pair) => ({ peerId: towards(by, pair), type }),
  }),
);
const increment = fc.record({ by, ping: fc.integer({ min: -3, max: 3 }) }).map(
  ({ by, ping }): Deed => ({
    by,
    rpc: "CounterService.IncrementCounters",
    body: (pair: Pair) => ({ accountId: towards(by, pair), deltas: { ping } }),
  }),
);
const reset = fc
  .integer({ min: 0, max: 9 })
  .map((ping): Deed => ({ by: "peer", rpc: "CounterService.PutCounters", body: { counters: { ping } } }));
const send = by.map(
  (by): Deed => ({
    by,
    rpc: "MessageService.SendMessage",
    body: (pair: Pair) => ({ recipientId: towards(by, pair), text: "Hello" }),
  }),
);
const once = fc.constant<Deed>({
  by: "me",
  rpc: "MessageService.SendMessage",
  body: ({ peer }: Pair) => ({ recipientId: peer.id, text: "Once" }),
  key: "once",
});
const forget = by.map(
  (by): Deed => ({
    by,
    rpc: "MessageService.DeleteMessages",
    body: (pair: Pair) => ({ senderId: towards(by, pair) }),
  }),
);
const any = fc.oneof(block, put, put, create, update, update, remove, increment, reset, send, once, forget);
const deeds = fc.array(any, { minLength: 8, maxLength: 30 });

it("somebody who is blocked cannot tell by whatever happens, in whatever order, while blocks come and go", async () => {
  const property = fc.asyncProperty(deeds, async (all) => {
    const twins = await houses.makeTwins(house);
    const heard = await houses.listen(house, twins);
    const { me, peer } = twins.blocked;
    for (const deed of all) {
      if ("stands" in deed) {
        const { connections } = peer.client;
        await (deed.stands ? connections.block({ peerId: me.id }) : connections.unblock({ peerId: me.id }));
      } else if (deed.by === "me") await houses.compare(house, twins, [step(deed.rpc, deed.body, deed)]);
      else await houses.meanwhile(house, twins, "peer", deed.rpc, deed.body);
      await houses.compare(house, twins, views.slice(0, 3));
    }
    await houses.compare(house, twins, [...views, exported, ...heard]);
  });
  await fc.assert(property, { numRuns: RUNS, interruptAfterTimeLimit: 60_000 });
}, 120_000);
