import { randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { bearer, curl, eventually, openDatabase, upTo } from "../support.js";

// What is of the moment comes to whoever keeps up, also when much of it comes at once.

const topics = declaredTopics();
topics.declare("room/{id}", { subscribe: true, publish: true, presence: true });

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { topics } });
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

it("five hundred who leave at once are all told", async () => {
  const sql = openDatabase(backstay);
  const stream = await standingStream(backstay, ada.token, { topics: ["room/crowd"], types: ["presence.leave"] });
  const people = upTo(500).map(() => randomUUID());
  await sql`insert into backstay.presences (topic, account_id, node_id, since, left_at)
    select 'room/crowd', who::uuid, ${randomUUID()}::uuid, now(), now() - interval '1 h'
    from unnest(${people}::text[]) as who`;
  const gone = new Set<string>();
  for (const _ of people) gone.add((await stream.event()).actorId);
  expect(gone).toEqual(new Set(people.map((id) => id.replaceAll("-", ""))));
});

it("groups of them all come to a reader who takes them compressed", async () => {
  const topic = "room/typing";
  const transport = createConnectTransport({ baseUrl: backstay.url, httpVersion: "1.1" });
  const call = new AbortController();
  const seen: string[] = [];
  let stands = false;
  const reading = (async () => {
    const options = { headers: bearer(ada.token), signal: call.signal };
    for await (const { item } of createClient(EventService, transport).subscribe({ topics: [topic] }, options)) {
      stands = true;
      if (item.case === "event" && item.value.type === "chat.typing") seen.push(item.value.id);
    }
  })().catch(() => {});
  await eventually(10_000, "the stream stands", async () => stands || undefined);
  const said: string[] = [];
  for (const _ of upTo(10)) {
    const group = upTo(10).map((n) => {
      const request = { topic, type: "chat.typing", ephemeral: true, data: { n, pad: "x".repeat(1_500) } };
      return curl<{ event: { id: string } }>(backstay, "events.v1.EventService/Publish", request, ben.token);
    });
    for (const { event } of await Promise.all(group)) said.push(event.id);
  }
  await eventually(5_000, "all have come", async () => seen.length === said.length || undefined);
  expect(new Set(seen)).toEqual(new Set(said));
  call.abort();
  await reading;
});
