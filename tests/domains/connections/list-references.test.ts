import { expect, it } from "vitest";
import { bearer } from "../support.js";
import { describeList } from "./list-cases.js";
import { second } from "./list-house.js";

const house = describeList("references");

it("shows who has connected to one, and not to whom one has", async () => {
  const ben = await house.backstay.signUp();
  await house.put({ peerId: ben.id });
  expect((await house.list()).map(({ peerId }) => peerId)).toEqual([ben.id]);
  expect((await ben.client.connections.listReferences({})).connections).toEqual([]);
});

it("shows nothing that is withheld, not even that there is a type", async () => {
  await house.put(
    { withheld: true, at: second(1) },
    { withheld: true, type: "view", at: second(2), updated: second(9) },
  );
  const [peerId] = await house.put({ at: second(3) });
  for (const request of [{}, { type: "view" }, { since: second(2) }, { descending: true }]) {
    const peers = (await house.list(request)).map((row) => row.peerId);
    expect(peers).toEqual("type" in request ? [] : [peerId]);
  }
});

it("shows properties as the other one last let them be seen, and when", async () => {
  const [peerId] = await house.put({
    at: second(1),
    properties: { n: 1 },
    updated: second(8),
    peerProperties: { n: 2 },
    peerUpdated: second(4),
  });
  const [row] = await house.list();
  expect(row).toMatchObject({ properties: { n: 2 }, updateTime: "2030-01-01T00:00:04Z" });
  const peers = async (request: object) => (await house.list(request)).map((found) => found.peerId);
  expect(await peers({ since: second(3) })).toEqual([peerId]);
  expect(await peers({ since: second(4) })).toEqual([]);
  expect(await peers({ filters: [{ column: "properties.n", values: [2] }] })).toEqual([peerId]);
  expect(await peers({ filters: [{ column: "properties.n", op: "matches", values: ["1"] }] })).toEqual([]);
  expect(await peers({ filters: [{ column: "update_time", op: "le", values: [second(4)] }] })).toEqual([peerId]);
});

it("is the same by REST, by GET and by search", async () => {
  await house.put({ at: second(1) }, { at: second(2), type: "follow" }, { at: second(3), type: "follow" });
  const rest = async (path: string, init: RequestInit = {}) => {
    const headers = { ...bearer(house.ada.token), "content-type": "application/json" };
    return (await fetch(`${house.backstay.url}${path}`, { ...init, headers })).json();
  };
  expect(await rest("/v1/references?type=follow&pageSize=1")).toEqual(
    await house.page({ type: "follow", pageSize: 1 }),
  );
  const body = { filters: [{ column: "type", values: ["follow"] }], descending: true };
  const found = await rest("/v1/references:search", { method: "POST", body: JSON.stringify(body) });
  expect(found).toEqual(await house.page(body));
});
