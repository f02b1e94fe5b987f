import { afterAll, beforeAll, expect, it } from "vitest";
import { onRevoked } from "../../../server/domains/auth/index.js";
import type { Caller } from "../../../server/kernel/caller.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { sharedBus, startNode } from "../events/node.js";
import { curl, eventually, openDatabase } from "../support.js";

// What ends a stream at another node: the event that is committed with a revocation, and nothing else.

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

it("is the event of a revocation, and no other that somebody says in its topic", async () => {
  const sql = openDatabase(backstay);
  const bus = sharedBus();
  const node = await startNode(backstay.databaseUrl, { bus });
  const [grant] = await sql`select family_id from backstay.grants where account_id = ${ada.id}`;
  const familyId = String(grant?.family_id).replaceAll("-", "");
  const caller = { kind: "account", via: "token", accountId: ada.id, familyId, roles: [] } as unknown as Caller;
  let isRevoked = false;
  const end = onRevoked({ bus, events: node.events, database: node.database }, caller, () => {
    isRevoked = true;
  });

  const topic = "system/revocations";
  const heard: string[] = [];
  const leave = node.events.subscribe(topic, ({ id }) => heard.push(id));
  const data = JSON.stringify({ accountId: ada.id });
  const [momentary, durable] = ["0190163d8694739b8b1fcb8dd4e60771", "0190163d8694739b8b1fcb8dd4e60772"];
  node.events.tell({ topic, id: momentary, type: "auth.revoke", actorId: null, data, time: Date.now() });
  await sql`insert into backstay.outbox (id, topics, type, actor_id, data, created_at)
    values (${durable}, array[${topic}], 'chat.line', null, ${sql.json({ accountId: ada.id })}, now())`;
  await eventually(5_000, "both are heard", async () => heard.length === 2 || undefined);
  expect(isRevoked).toBe(false);

  await curl(backstay, "auth.v1.AuthService/SignOut", {}, ada.token);
  await eventually(5_000, "the revocation is heard", async () => isRevoked || undefined);
  leave();
  end();
});
