import { expect, it } from "vitest";
import { bearer } from "../support.js";
import { describeList } from "./list-cases.js";
import { second } from "./list-house.js";

const house = describeList("connections");

it("shows what one has made, and not what others have", async () => {
  const ben = await house.backstay.signUp();
  await house.put({ peerId: ben.id });
  expect(await house.list()).toHaveLength(1);
  expect((await ben.client.connections.listConnections({})).connections).toEqual([]);
});

it("shows what is withheld from the peer, and what one wrote oneself", async () => {
  await house.put(
    { withheld: true, properties: { n: 1 }, at: second(1) },
    { properties: { n: 2 }, updated: second(8), peerProperties: { n: 3 }, peerUpdated: second(9), at: second(2) },
  );
  const rows = await house.list();
  expect(rows.map(({ properties }) => properties)).toEqual([{ n: 1 }, { n: 2 }]);
  expect(rows[1]!.updateTime).toBe("2030-01-01T00:00:08Z");
  expect(await house.list({ since: second(8) })).toEqual([]);
  expect(await house.list({ filters: [{ column: "properties.n", values: [3] }] })).toEqual([]);
});

it("is the same by REST, by GET and by search", async () => {
  await house.put({ at: second(1) }, { at: second(2), type: "follow" }, { at: second(3), type: "follow" });
  const rest = async (path: string, init: RequestInit = {}) => {
    const headers = { ...bearer(house.ada.token), "content-type": "application/json" };
    return (await fetch(`${house.backstay.url}${path}`, { ...init, headers })).json();
  };
  const since = encodeURIComponent(second(1));
  expect(await rest(`/v1/connections?type=follow&since=${since}&pageSize=1`)).toEqual(
    await house.page({ type: "follow", since: second(1), pageSize: 1 }),
  );
  const body = { filters: [{ column: "type", values: ["follow"] }], descending: true };
  const found = await rest("/v1/connections:search", { method: "POST", body: JSON.stringify(body) });
  expect(found).toEqual(await house.page(body));
});
