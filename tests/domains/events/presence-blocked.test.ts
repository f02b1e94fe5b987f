import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { eventually, operator } from "../support.js";

const topics = declaredTopics();
topics.declare("room/{id}", { subscribe: true, presence: true });

let backstay: TestBackstay;
/** Ada blocks Ben; nobody has anything against Cleo. All three are there. */
let ada: Person;
let ben: Person;
let cleo: Person;
let room: string;
beforeAll(async () => {
  backstay = await startBackstay({ "events.presence_grace": "500ms" }, { overrides: { topics } });
});
beforeEach(async () => {
  [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
  room = `room/${ada.id}`;
  for (const who of [ada, ben, cleo]) await standingStream(backstay, who.token);
  await eventually(5_000, "all three are there", async () => (await there(cleo.client)).length === 3 || undefined);
  await ada.client.connections.block({ peerId: ben.id });
});
afterAll(() => backstay.stop());

type Listed = Awaited<ReturnType<Person["client"]["events"]["listPresence"]>>["presences"];
/** Has all three go into one room; answers what ends that of Ada. */
async function meet(): Promise<() => Promise<void>> {
  const [hers] = await Promise.all(
    [ada, ben, cleo].map(({ token }) => standingStream(backstay, token, { topics: [room] })),
  );
  await eventually(
    5_000,
    "all three are in the room",
    async () => (await inRoom(cleo.client)).length === 3 || undefined,
  );
  return hers!.close;
}
const peopleOf = (presences: Listed) =>
  [ada, ben, cleo].filter(({ id }) => presences.some(({ accountId }) => accountId === id));
const there = async (by: Person["client"]) =>
  peopleOf((await by.events.listPresence({ accountIds: [ada.id, ben.id, cleo.id] })).presences);
const inRoom = async (by: Person["client"], pageSize = 0) =>
  peopleOf((await by.events.listPresence({ topic: room, pageSize })).presences);

describe("of accounts", () => {
  it("neither finds the other while one has blocked the other, and everybody else finds both", async () => {
    expect(await there(ada.client)).toEqual([ada, cleo]);
    expect(await there(ben.client)).toEqual([ben, cleo]);
    expect(await there(cleo.client)).toEqual([ada, ben, cleo]);
    expect(await there(operator(backstay))).toEqual([ada, ben, cleo]);
    await ada.client.connections.unblock({ peerId: ben.id });
    expect(await there(ada.client)).toEqual([ada, ben, cleo]);
    expect(await there(ben.client)).toEqual([ada, ben, cleo]);
  });

  it("she is found by him as long as a room's list shows her too, and he by her never", async () => {
    const leave = await meet();
    expect(await inRoom(ben.client)).toEqual([ada, ben, cleo]);
    expect(await there(ben.client)).toEqual([ada, ben, cleo]);
    expect(await there(ada.client)).toEqual([ada, cleo]);
    await leave();
    await eventually(5_000, "she has left the room", async () => (await inRoom(ben.client)).length === 2 || undefined);
    expect(await there(ben.client)).toEqual([ben, cleo]);
    expect(await there(cleo.client)).toEqual([ada, ben, cleo]);
  });

  it("whom one has blocked is as somebody who is away, or is not there at all", async () => {
    const ask = async (accountIds: string[]) => await ben.client.events.listPresence({ accountIds });
    const away = await backstay.signUp();
    expect(await ask([ada.id])).toEqual(await ask([away.id]));
    expect(await ask([ada.id])).toEqual(await ask(["nobody"]));
  });
});

describe("of a topic", () => {
  beforeEach(async () => void (await meet()));

  it("who is blocked is left out for who has blocked him, and for nobody else", async () => {
    expect(await inRoom(ada.client)).toEqual([ada, cleo]);
    expect(await inRoom(ben.client)).toEqual([ada, ben, cleo]);
    expect(await inRoom(cleo.client)).toEqual([ada, ben, cleo]);
    expect(await inRoom(operator(backstay))).toEqual([ada, ben, cleo]);
    await ada.client.connections.unblock({ peerId: ben.id });
    expect(await inRoom(ada.client)).toEqual([ada, ben, cleo]);
  });

  it("pages are as full as if who is blocked were not there", async () => {
    const { presences, nextPageToken } = await ada.client.events.listPresence({ topic: room, pageSize: 1 });
    const rest = await ada.client.events.listPresence({ topic: room, pageSize: 1, pageToken: nextPageToken });
    expect(peopleOf([...presences, ...rest.presences])).toEqual([ada, cleo]);
    expect(rest.nextPageToken).toBe("");
  });
});
