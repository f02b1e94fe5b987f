import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { onRevoked } from "../../../server/domains/auth/index.js";
import type { Caller } from "../../../server/kernel/caller.js";
import type { Database } from "../../../server/platform/db/db.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { sharedBus, startNode } from "../events/node.js";
import { curl, eventually, openDatabase } from "../support.js";

// What ends a stream: that its sign-in stands no more. It is looked up when a revocation is told of, at another node by the event
// that is committed with it, and by nothing else.

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

describe("a notice of a revocation", () => {
  it("ends nothing that stands, however late it comes, and what has fallen once it is looked up", async () => {
    const person = await backstay.signUp();
    const bus = sharedBus();
    const node = await startNode(backstay.databaseUrl, { bus });
    const heard: string[] = [];
    onTestFinished(onRevoked({ ...node, bus }, await callerOf(person), (loss) => heard.push(loss)));
    // Of long ago, or of what came to an end before this sign-in was made.
    const late = { accountId: person.id };
    const lookups = countLookups(node.database);
    bus.publish("auth.revoked", late);
    await eventually(10_000, "it is looked up", async () => lookups() > 0 || undefined);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(heard).toEqual([]);
    await openDatabase(backstay)`delete from backstay.grants where account_id = ${person.id}`;
    bus.publish("auth.revoked", late);
    await eventually(2_000, "it has fallen", async () => heard.length > 0 || undefined);
    expect(heard).toEqual(["sign-in"]);
  });

  it("is looked up again when the database could not be asked", async () => {
    const person = await backstay.signUp();
    const bus = sharedBus();
    const node = await startNode(backstay.databaseUrl, { bus });
    const heard: string[] = [];
    const caller = await callerOf(person);
    let isAway = true;
    const run: typeof node.database.run = (...args) =>
      isAway ? Promise.reject(new Error("away")) : node.database.run(...args);
    const database = Object.assign(Object.create(node.database), { run });
    onTestFinished(onRevoked({ ...node, bus, database }, caller, (loss) => heard.push(loss)));
    await openDatabase(backstay)`delete from backstay.grants where account_id = ${person.id}`;
    bus.publish("auth.revoked", { accountId: person.id });
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(heard).toEqual([]);
    isAway = false;
    await eventually(2_000, "it has fallen", async () => heard.length > 0 || undefined);
    expect(heard).toEqual(["sign-in"]);
  });

  it("tells of a role that was lost, and not of one that was given", async () => {
    const person = await backstay.signUp();
    const bus = sharedBus();
    const node = await startNode(backstay.databaseUrl, { bus });
    const heard: string[] = [];
    const caller = await callerOf(person, ["support"]);
    onTestFinished(onRevoked({ ...node, bus }, caller, (loss) => heard.push(loss)));
    const sql = openDatabase(backstay);
    const lookups = countLookups(node.database);
    await sql`update backstay.accounts set roles = '{admin,support}' where id = ${person.id}`;
    bus.publish("auth.revoked", { accountId: person.id });
    await eventually(10_000, "it is looked up", async () => lookups() > 1 || undefined);
    expect(heard).toEqual([]);
    await sql`update backstay.accounts set roles = '{admin}' where id = ${person.id}`;
    bus.publish("auth.revoked", { accountId: person.id });
    await eventually(2_000, "it is told", async () => heard.length > 0 || undefined);
    expect(heard).toEqual(["role"]);
  });

  async function callerOf(person: Person, roles: string[] = []): Promise<Caller> {
    const [grant] = await openDatabase(backstay)`select family_id from backstay.grants where account_id = ${person.id}`;
    const familyId = String(grant?.family_id).replaceAll("-", "");
    return { kind: "account", via: "token", accountId: person.id, familyId, roles, expiresAt: new Date(8.64e15) };
  }

  /** Counts the looks at sign-ins and roles that are answered from now on. */
  function countLookups(database: Database): () => number {
    let count = 0;
    const { run } = database;
    database.run = async (...args) => {
      const rows = await run.apply(database, args);
      if (/"(grants|accounts)"/.test(args[0])) count++;
      return rows as never;
    };
    return () => count;
  }
});
