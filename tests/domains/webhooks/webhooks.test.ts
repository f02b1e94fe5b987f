import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import type { SettingName } from "../../../server/config.js";
import { declaredWebhooks, type WebhookOptions } from "../../../server/kernel/webhooks.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { createDatabaseOn } from "../../support/postgres.js";
import { startReceiver } from "../../support/receiver.js";
import { eventually, openDatabase, upTo } from "../support.js";

const secret = "a secret of sixteen";

/** A Backstay with one webhook; it is stopped after the test. */
async function start(
  url: string,
  options: Partial<WebhookOptions> = {},
  settings: Partial<Record<SettingName, string>> = { "webhooks.allow_private": "on" },
): Promise<TestBackstay> {
  const webhooks = declaredWebhooks();
  webhooks.declare(url, { secret, id: "one", ...options });
  const backstay = await startBackstay(settings, { overrides: { webhooks } });
  onTestFinished(() => backstay.stop());
  return backstay;
}

/** Ada writes to Ben. */
async function hello(backstay: TestBackstay): Promise<{ ada: Person; ben: Person }> {
  const [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  await ada.client.messages.sendMessage({ recipientId: ben.id, text: "hello" });
  return { ada, ben };
}

interface Row {
  state: number;
  attempts: number;
  result: { status: number } | null;
  last_error: string | null;
}

/** Waits until the deliveries are as many, and all as they should be; those that wait for their time are not let wait. */
function deliveries(backstay: TestBackstay, count: number, areSo: (row: Row) => boolean): Promise<Row[]> {
  const sql = openDatabase(backstay);
  return eventually(15_000, `${count} deliveries that are done`, async () => {
    await sql`update backstay.jobs set run_at = now() where state = 3`;
    const rows = await sql<Row[]>`
      select state, attempts, result, last_error from backstay.jobs where name = 'backstay.webhooks.deliver'`;
    return rows.length === count && rows.every(areSo) ? [...rows] : undefined;
  });
}

const SUCCEEDED = 4;
const DEAD = 5;

describe("a webhook of a running server", () => {
  it("gets each event, also when it takes it only the third time", async () => {
    let refusals = 2;
    const receiver = await startReceiver((_, response) => (refusals-- > 0 ? response.writeHead(500).end() : undefined));
    const backstay = await start(`${receiver.url}/in?token=pa55word`, { types: ["message.*"] });
    const { ada } = await hello(backstay);
    const rows = await deliveries(backstay, 1, ({ state }) => state === SUCCEEDED);
    expect(rows).toMatchObject([{ attempts: 3, result: { status: 204 } }]);
    expect(receiver.received).toHaveLength(3);
    const [one, , three] = receiver.received.map(({ body, headers }) => ({ body: JSON.parse(body), headers }));
    expect(three?.body).toEqual(one?.body);
    expect(three?.body).toMatchObject({
      type: "message.add",
      actorId: ada.id,
      data: { text: "hello", senderId: ada.id },
    });
    expect(three?.headers["webhook-id"]).toBe(three?.body.id);
    expect(backstay.log()).not.toMatch(/pa55word|a secret of sixteen/);
  });

  it("is not sent what somebody does towards who has blocked him: it would stand there as said to her", async () => {
    const receiver = await startReceiver();
    const options = { types: ["message.*", "connection.*", "counter.*"], topics: ["account/*"] };
    const backstay = await start(`${receiver.url}/in`, options);
    const { ada, ben } = await hello(backstay);
    await ben.client.connections.block({ peerId: ada.id });
    await ada.client.messages.sendMessage({ recipientId: ben.id, text: "withheld" });
    await ada.client.connections.putConnection({ peerId: ben.id, type: "like" });
    await ada.client.counters.incrementCounters({ accountId: ben.id, deltas: { ping: 1n } });
    // What comes after it is sent, so that has been passed over.
    await ben.client.messages.sendMessage({ recipientId: ada.id, text: "shown" });
    await deliveries(backstay, 2, ({ state }) => state === SUCCEEDED);
    const texts = receiver.received.map(({ body }) => JSON.parse(body).data.text);
    expect(texts.sort()).toEqual(["hello", "shown"]);
  });

  it("that answers 410 is not asked again", async () => {
    const receiver = await startReceiver((_, response) => response.writeHead(410).end());
    const backstay = await start(receiver.url, { types: ["message.*"] });
    await hello(backstay);
    const [row] = await deliveries(backstay, 1, ({ state }) => state === DEAD);
    expect(row?.attempts).toBe(1);
    expect(row?.last_error).toContain("the webhook is gone: it answered 410");
  });

  it("that leads to this machine gets nothing, unless that is allowed", async () => {
    const receiver = await startReceiver();
    const backstay = await start(`http://localhost:${receiver.port}/pa55word`, { types: ["message.*"] }, {});
    await hello(backstay);
    const [row] = await deliveries(backstay, 1, ({ last_error }) => last_error !== null);
    expect(row?.last_error).toContain("the webhook leads to a private address");
    expect(receiver.received).toEqual([]);
    expect(backstay.log()).not.toContain("pa55word");
  });

  it("gets nothing more of an account that was erased", async () => {
    const receiver = await startReceiver((_, response) => response.writeHead(500).end());
    const backstay = await start(receiver.url, { types: ["message.*"] });
    const { ben } = await hello(backstay);
    await deliveries(backstay, 1, ({ attempts }) => attempts > 0);
    await ben.client.accounts.deleteAccount({ id: ben.id });
    const [row] = await deliveries(backstay, 1, ({ state }) => state === DEAD);
    expect(row?.last_error).toContain("the event is no longer kept");
  });

  it("may be declared in backstay.config.json", async () => {
    const receiver = await startReceiver();
    const home = mkdtempSync(join(tmpdir(), "backstay-home-"));
    const webhooks = [{ url: receiver.url, secret, types: ["account.*", "message.add"] }];
    writeFileSync(join(home, "backstay.config.json"), JSON.stringify({ "webhooks.allow_private": true, webhooks }));
    const backstay = await startBackstay({ home });
    onTestFinished(() => backstay.stop());
    await hello(backstay);
    await deliveries(backstay, 1, ({ state }) => state === SUCCEEDED);
    expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({ type: "message.add" });
  });
});

it("two nodes deliver each event once", async () => {
  const receiver = await startReceiver();
  const database = await createDatabaseOn(inject("postgres18"), inject("template"));
  const shared = { "database.url": database.url, secret: "5a".repeat(32), "webhooks.allow_private": "on" };
  const nodes = [
    await start(receiver.url, { types: ["message.*"] }, shared),
    await start(receiver.url, { types: ["message.*"] }, shared),
  ];
  const [ada, ben] = await Promise.all(nodes.map((node) => node.signUp()));
  const write = (n: number, from: Person, to: Person) =>
    from.client.messages.sendMessage({ recipientId: to.id, text: String(n) });
  await Promise.all(upTo(40).map((n) => (n % 2 === 0 ? write(n, ada!, ben!) : write(n, ben!, ada!))));
  await deliveries(nodes[0]!, 40, ({ state, attempts }) => state === SUCCEEDED && attempts === 1);
  const texts = receiver.received.map(({ body }) => Number(JSON.parse(body).data.text)).sort((a, b) => a - b);
  expect(texts).toEqual(upTo(40));
});
