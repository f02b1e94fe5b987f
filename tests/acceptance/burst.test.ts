import postgres from "postgres";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { follow } from "./follower.js";

const EVENTS = 3_000;

let backstay: TestBackstay;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

it("brings a burst of events to every stream that reads, and cuts none of them off", async () => {
  const streams = Array.from({ length: 20 }, () => follow(backstay.url, ben.token));
  await Promise.all(streams.map(({ ready }) => ready));
  const sql = postgres(backstay.databaseUrl, { max: 1 });
  // As when a relay comes back to an outbox that has filled meanwhile.
  await sql`insert into backstay.outbox (id, topics, type, data, created_at)
    select gen_random_uuid(), array[${`account/${ben.id}`}], 'message.add', jsonb_build_object('id', n::text, 'text', ''), now()
    from generate_series(1, ${EVENTS}) n`.finally(() => sql.end());
  await Promise.all(streams.map((stream) => stream.reaches(EVENTS)));
  const numbers = Array.from({ length: EVENTS }, (_, n) => String(n + 1));
  for (const { events } of streams) expect(events.map(({ messageId }) => messageId)).toEqual(numbers);
  await Promise.all(streams.map((stream) => stream.stop()));
});
