import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Person } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { openDatabase, operator, operatorToken, refused } from "../support.js";
import { type House, headFor, startHouse } from "./house.js";

let house: House;
/** Ada blocks Ben; nobody has anything against Cleo. */
let ada: Person;
let ben: Person;
let cleo: Person;
let topic: string;
beforeAll(async () => {
  house = await startHouse();
});
beforeEach(async () => {
  const { backstay } = house;
  [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
  topic = `system/withheld/${ben.id}`;
  await ada.client.connections.block({ peerId: ben.id });
});
afterAll(() => house.stop());

const like = (peer: Person) => ben.client.connections.putConnection({ peerId: peer.id, type: "like" });

it("the log moves on by as much for somebody who is blocked as for somebody who is not", async () => {
  const heads = [await headFor(house, ben)];
  for (const peer of [cleo, ada]) {
    await like(peer);
    heads.push(await headFor(house, ben));
  }
  expect(heads.map((head) => head - heads[0]!)).toEqual([0, 1, 2]);
});

describe("the topic of what is withheld", () => {
  it("is administrators' alone", async () => {
    for (const { client } of [ada, ben, cleo]) {
      const poll = client.events.poll({ topics: [topic], afterCursor: "earliest" });
      expect(await refused(poll)).toMatchObject({ reason: "TOPIC_FORBIDDEN" });
      const publish = client.events.publish({ topic, type: "note.line" });
      expect(await refused(publish)).toMatchObject({ reason: "TOPIC_FORBIDDEN" });
    }
    const stream = await standingStream(house.backstay, operatorToken(house.backstay), { topics: [topic] });
    await like(ada);
    expect(await stream.event()).toMatchObject({ type: "connection.add", actorId: ben.id, topic });
    await like(cleo);
    await like(ada);
    expect(await stream.event()).toMatchObject({ type: "connection.update", topic });
  });

  it("is erased with the account of who did it", async () => {
    await like(ada);
    await headFor(house, ben);
    const left = () => openDatabase(house.backstay)`select 1 from backstay.events where topic = ${topic}`;
    expect(await left()).toHaveLength(1);
    await operator(house.backstay).accounts.deleteAccount({ id: ben.id });
    expect(await left()).toHaveLength(0);
  });
});
