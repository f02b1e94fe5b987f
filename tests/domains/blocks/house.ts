import postgres from "postgres";
import { expect } from "vitest";
import { declaredCounters } from "../../../server/kernel/counters.js";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import { decodeCursor } from "../../../server/kernel/event-cursor.js";
import { generatedDescriptors } from "../../architecture/project.js";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { bearer, curl, eventually, keyOf, testClock } from "../support.js";
import { ownCursors } from "./cursors.js";
import { methodsOf } from "./naming.js";
import { makePair, type Pair } from "./twins.js";

/** Every RPC there is. */
export const methods = methodsOf(await generatedDescriptors());

/** A server whose app shows everyone the counters that a block is about. */
export interface House {
  readonly backstay: TestBackstay;
  readonly clock: ReturnType<typeof testClock>;
  /** Whether everything that was done stands in the log. */
  isQuiet(): Promise<boolean>;
  stop(): Promise<void>;
}

export async function startHouse(): Promise<House> {
  const clock = testClock();
  const counters = declaredCounters();
  for (const name of ["follow1", "like1", "invite1", "poke1", "msg_count", "karma"]) {
    counters.declare(name, { public: true });
  }
  const topics = declaredTopics();
  topics.declare("room/{id}", { subscribe: true, publish: true, presence: true });
  const settings = { "events.poll_timeout": "100ms" };
  const backstay = await startBackstay(settings, { overrides: { clock, counters, topics } });
  const sql = postgres(backstay.databaseUrl, { max: 1 });
  const isQuiet = async () => (await sql`select 1 from backstay.outbox limit 1`).length === 0;
  const stop = async () => {
    await sql.end({ timeout: 1 });
    await backstay.stop();
  };
  return { backstay, clock, isQuiet, stop };
}

/** How far the log goes, by the cursor that somebody is given when nothing goes on. */
export async function headFor(house: House, { token }: Person): Promise<number> {
  await eventually(5_000, "the log has everything", async () => (await house.isQuiet()) || undefined);
  const { cursor } = await curl<{ cursor: string }>(
    house.backstay,
    "events.v1.EventService/Poll",
    { wait: "0s" },
    token,
  );
  return decodeCursor(keyOf(house.backstay), cursor).offset;
}

/** Two pairs of people who differ in one thing: in one of them a peer blocks somebody. */
export interface Twins {
  readonly blocked: Pair;
  readonly free: Pair;
  /** How far the log went when it was last looked at. */
  head: number;
}

/** Makes them of new people, each pair in the same order. */
export async function makeTwins(house: House): Promise<Twins> {
  const { backstay } = house;
  const key = keyOf(backstay);
  const [ben, dan] = [await backstay.signUp(), await backstay.signUp()];
  const [ada, cleo] = [await backstay.signUp(), await backstay.signUp()];
  const [eve, fay] = [await backstay.signUp(), await backstay.signUp()];
  return {
    blocked: makePair({ me: ben, peer: ada, friend: eve }, ownCursors(key)),
    free: makePair({ me: dan, peer: cleo, friend: fay }, ownCursors(key)),
    head: await headFor(house, ben),
  };
}

type Json = Record<string, unknown>;
type Role = "me" | "peer" | "friend";
export type Body = object | ((pair: Pair) => object);

/** A unary call by one of a pair, with its status and the names of its headers. */
export async function request({ backstay }: House, pair: Pair, who: Role, rpc: string, body: Body, key = "") {
  const { parent, name } = methods.get(rpc)!;
  const path = `${parent.typeName}/${name}`.replace(/^backstay\./, "");
  const headers = { ...bearer(pair[who].token), ...(key !== "" && { "idempotency-key": key }) };
  const answer = await call(backstay.url, path, typeof body === "function" ? body(pair) : body, headers);
  return { status: answer.status, json: answer.json, headers: [...answer.headers.keys()].sort() };
}

/** A question that is put by `me` of each pair. */
export interface Step {
  readonly rpc: string;
  readonly ask: (pair: Pair, house: House) => Promise<unknown>;
}

/** A question by a unary call. `keep` takes from the answer what later questions need. */
export function step(
  rpc: string,
  body: Body = {},
  options: { key?: string; keep?: (json: Json, pair: Pair) => void } = {},
): Step {
  return {
    rpc,
    async ask(pair, house) {
      const { status, json, headers } = await request(house, pair, "me", rpc, body, options.key);
      if (status === 200) options.keep?.(json, pair);
      // The bytes of an error's details say what `debug` says.
      const details = ((json.details ?? []) as Json[]).map(({ value: _, ...detail }) => detail);
      return { status, headers, json: status === 200 ? json : { ...json, details } };
    },
  };
}

/**
 * Does something in a pair; answers by how much the log has moved on, which whoever polls it can tell. What moved it unseen since it
 * was last looked at counts too, and must not be there.
 */
async function moving<T>(house: House, twins: Twins, { me, cursors }: Pair, act: () => Promise<T>) {
  const answer = await act();
  const from = twins.head;
  twins.head = await headFor(house, me);
  cursors.wrote(from, twins.head);
  return { answer, moved: twins.head - from };
}

/**
 * Puts questions one after the other, each to both at one time, and compares what is answered to the letter, and by how much it has
 * moved the log on.
 */
export async function compare(house: House, twins: Twins, steps: readonly Step[]): Promise<void> {
  const { blocked, free } = twins;
  for (const [n, { rpc, ask }] of steps.entries()) {
    house.clock.advance(1_000);
    const theirs = free.plain(await moving(house, twins, free, () => ask(free, house)));
    const ours = blocked.plain(await moving(house, twins, blocked, () => ask(blocked, house)));
    expect(JSON.stringify(ours, null, 1), `${n}: ${rpc}`).toBe(JSON.stringify(theirs, null, 1));
  }
}

/** What somebody else does in both pairs, and may do, which is to move the log on by as much; fails when it is refused. */
export async function meanwhile(house: House, twins: Twins, who: Role, rpc: string, body: Body): Promise<void> {
  house.clock.advance(1_000);
  const moves = [];
  for (const pair of [twins.free, twins.blocked]) {
    const { answer, moved } = await moving(house, twins, pair, () => request(house, pair, who, rpc, body));
    if (answer.status !== 200) throw new Error(`${rpc} answered ${JSON.stringify(answer.json)}`);
    moves.push(moved);
  }
  expect(moves[1], `${rpc} moves the log`).toBe(moves[0]);
}

/** Opens a stream of each pair's `me`; the questions it answers compare what they have brought since. */
export async function listen({ backstay }: House, { free, blocked }: Twins): Promise<Step[]> {
  const open = async (pair: Pair) => [pair, await standingStream(backstay, pair.me.token)] as const;
  const streams = new Map(await Promise.all([open(free), open(blocked)]));
  const brought = async (pair: Pair) => {
    const stream = streams.get(pair)!;
    const events = [];
    do events.push(await stream.event());
    while (events.at(-1)!.type !== "diary.end");
    await stream.close();
    return events;
  };
  return [step("EventService.Publish", { type: "diary.end" }), { rpc: "EventService.Subscribe", ask: brought }];
}
