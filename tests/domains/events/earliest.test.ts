import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { curl, eventually, openDatabase, upTo } from "../support.js";

// What is kept comes, of every topic, whatever is gone of others.

const POLL = "events.v1.EventService/Poll";

const topics = declaredTopics();
topics.declare("room/{id}", { subscribe: true });

let backstay: TestBackstay;
let ada: Person;
/** A topic with 300 events, and one with 20 after them, of which the first ten are gone. */
let whole: string;
let pruned: string;
let asked: { topics: string[] };
let kept: string[];
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { topics } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  [whole, pruned] = [`room/${ada.id}-whole`, `room/${ada.id}-pruned`];
  asked = { topics: [whole, pruned] };
  await write(whole, 300);
  await write(pruned, 20);
  await prune(pruned, 10);
  kept = [
    ...upTo(300).map((n) => `${whole} ${n}`),
    ...upTo(20)
      .slice(10)
      .map((n) => `${pruned} ${n}`),
  ];
});
afterAll(() => backstay.stop());

/** Writes events, and waits until they are in the log. */
async function write(topic: string, count: number): Promise<void> {
  const sql = openDatabase(backstay);
  await sql`insert into backstay.outbox (id, topics, type, actor_id, data, created_at)
    select gen_random_uuid(), array[${topic}], 'chat.line', null, jsonb_build_object('text', ${topic} || ' ' || n), now()
    from generate_series(1, ${count}::int) as n order by n`;
  await eventually(5_000, "all are in the log", async () => {
    const [row] = await sql`select count(*)::int as count from backstay.events where topic = ${topic}`;
    return row?.count === count || undefined;
  });
}

/** Forgets the oldest events of a topic, as the server does. */
async function prune(topic: string, count: number): Promise<void> {
  await openDatabase(backstay)`with gone as (
      delete from backstay.events where log_offset in (
        select log_offset from backstay.events where topic = ${topic} order by log_offset limit ${count}
      ) returning topic, log_offset
    )
    insert into backstay.event_prunes as known (topic, log_offset) select topic, max(log_offset) from gone group by topic
    on conflict (topic) do update set log_offset = excluded.log_offset`;
}

/** What a stream brings until it has brought so many events. */
async function read(afterCursor: string, count: number, more = asked) {
  const stream = await standingStream(backstay, ada.token, { ...more, afterCursor });
  const texts: unknown[] = [];
  const gaps: { from: string; to: string; after: number }[] = [];
  while (texts.length < count) {
    const { event, gap } = await stream.next();
    if (event !== undefined) texts.push(event.data.text);
    if (gap !== undefined) gaps.push({ ...gap, after: texts.length });
  }
  await stream.close();
  return { ready: stream.cursor, texts, gaps };
}

it("a stream from earliest brings all of it, without a gap: what was gone before is missing to nobody", async () => {
  const { texts, gaps } = await read("earliest", kept.length);
  expect(texts).toEqual(kept);
  expect(gaps).toEqual([]);
});

it("polls from earliest bring all of it, each once", async () => {
  const texts: string[] = [];
  for (let cursor = "earliest"; texts.length < kept.length; ) {
    type Answer = { cursor: string; events?: { data: { text: string } }[] };
    const request = { ...asked, afterCursor: cursor, wait: "0s", gather: "0s" };
    const answer = await curl<Answer>(backstay, POLL, request, ada.token);
    expect(answer.events?.length).toBeGreaterThan(0);
    texts.push(...answer.events!.map(({ data }) => data.text));
    cursor = answer.cursor;
  }
  expect(texts).toEqual(kept);
});

it("the first cursor of a stream from earliest is one from which everything comes, without a gap", async () => {
  const own = { topics: [pruned] };
  const first = await read("earliest", 10, own);
  const again = await read(first.ready, 10, own);
  expect(again).toEqual({ ...first, texts: kept.slice(300) });
});

it("a cursor before what is gone of one topic brings what is kept of all, after a gap that skips nothing", async () => {
  const stream = await standingStream(backstay, ada.token, { ...asked, afterCursor: "earliest" });
  const { cursor } = await stream.event();
  await stream.close();
  const resumed = await read(cursor, kept.length - 1);
  expect(resumed.texts).toEqual(kept.slice(1));
  expect(resumed.gaps).toMatchObject([{ from: cursor, after: 0 }]);
  expect((await read(resumed.gaps[0]!.to, kept.length - 1)).texts).toEqual(kept.slice(1));
});

it("a gap after which nothing comes that is wanted is told once: a heartbeat follows at once, and leads past it", async () => {
  const { cursor } = await (await standingStream(backstay, ada.token, { ...asked, afterCursor: "earliest" })).event();
  const request = { ...asked, types: ["nothing.*"], afterCursor: cursor };
  const stream = await standingStream(backstay, ada.token, request);
  expect((await stream.next()).gap?.from).toBe(cursor);
  const { heartbeat } = await stream.next();
  const after = { ...request, afterCursor: heartbeat!.cursor, wait: "0s" };
  expect(await curl(backstay, POLL, after, ada.token)).toEqual({ cursor: expect.any(String) });
});

it("what goes while a reader is on his way to it is a gap, told once, which skips nothing of what is kept", async () => {
  const more = `room/${ada.id}-more`;
  await write(more, 5);
  const sql = openDatabase(backstay);
  // The look at the log waits for this: whatever goes before it does so while the reader is on his way.
  const reading = await sql.reserve();
  await reading`begin`;
  await reading`lock table backstay.events in access exclusive mode`;
  const stream = await standingStream(backstay, ada.token, { topics: [whole, more], afterCursor: "earliest" });
  await reading`delete from backstay.events where topic = ${more}`;
  await reading`insert into backstay.event_prunes (topic, log_offset) select ${more}, last_offset from backstay.event_log`;
  await reading`commit`;
  reading.release();
  const { gap } = await stream.next();
  expect(gap?.from).toBe(stream.cursor);
  for (const n of upTo(300)) expect((await stream.event()).data.text).toBe(`${whole} ${n}`);
  await stream.close();
  const resumed = await standingStream(backstay, ada.token, { topics: [whole], afterCursor: gap!.to });
  expect((await resumed.event()).data.text).toBe(`${whole} 1`);
});
