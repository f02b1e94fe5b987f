import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { auditOf } from "../audit.js";
import { pageCall } from "../auth/passkey-house.js";
import { standingStream } from "../stream.js";
import { bearer, curl, curlRefused, openDatabase, operator, operatorToken, refused, within } from "../support.js";

const AUTH = "auth.v1.AuthService";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

const remove = (who: Person, id = "me") => who.client.accounts.deleteAccount({ id });

describe("what goes with an account", () => {
  it("is its login, which is free again", async () => {
    await remove(ada);
    const again = await backstay.signUp(ada.login);
    expect(again.id).not.toBe(ada.id);
  });

  it("is its sign-in: nobody can tell that there was one", async () => {
    await remove(ada);
    const { login, secret } = ada;
    expect(await curlRefused(backstay, "auth.v1.AuthService/SignIn", { login, secret })).toMatchObject({
      code: "unauthenticated",
      reason: "INVALID_CREDENTIALS",
    });
  });

  it("are its tokens, at once", async () => {
    const { login, secret } = ada;
    const other = await curl<{ tokens: { accessToken: string; refreshToken: string } }>(
      backstay,
      "auth.v1.AuthService/SignIn",
      { login, secret },
    );
    // Both are in the server's memory when the account is deleted.
    await curl(backstay, "auth.v1.AuthService/GetCurrent", {}, other.tokens.accessToken);
    await remove(ada);
    const invalid = { code: "unauthenticated", reason: "INVALID_TOKEN", fields: [] };
    expect(await curlRefused(backstay, "auth.v1.AuthService/GetCurrent", {}, ada.token)).toEqual(invalid);
    expect(await curlRefused(backstay, "auth.v1.AuthService/GetCurrent", {}, other.tokens.accessToken)).toEqual(
      invalid,
    );
    const { refreshToken } = other.tokens;
    expect(await curlRefused(backstay, "auth.v1.AuthService/Refresh", { refreshToken })).toEqual(invalid);
  });

  it("are its streams, within a second", async () => {
    const stream = await standingStream(backstay, ada.token);
    await remove(ada);
    const { refused } = await stream.end(1_000);
    expect(refused).toMatchObject({ code: "unauthenticated", reason: "TOKEN_REVOKED" });
  });

  it("are the messages it received, and its counters", async () => {
    const sql = openDatabase(backstay);
    const counted = async () => {
      const [row] = await sql`select
        (select count(*)::int from backstay.messages where recipient_id = ${ada.id}) as messages,
        (select count(*)::int from backstay.counters where account_id = ${ada.id}) as counters`;
      return row;
    };
    const { message } = await ben.client.messages.sendMessage({ recipientId: ada.id, text: "Hello" });
    await ada.client.messages.markRead({ id: message!.id });
    expect(await counted()).toEqual({ messages: 1, counters: 2 });
    await remove(ada);
    expect(await counted()).toEqual({ messages: 0, counters: 0 });
  });

  it("is every row that names it, but those of what others received and heard", async () => {
    const sql = openDatabase(backstay);
    await ben.client.messages.sendMessage({ recipientId: ada.id, text: "To Ada" });
    await ada.client.messages.sendMessage({ recipientId: ben.id, text: "From Ada" });
    await remove(ada);
    const columns = await sql<{ table: string; column: string }[]>`
      select table_name as table, column_name as column from information_schema.columns
      where table_schema = 'backstay' and data_type = 'uuid'`;
    const left: string[] = [];
    for (const { table, column } of columns) {
      const [row] =
        await sql`select count(*)::int as count from backstay.${sql(table)} where ${sql(column)} = ${ada.id}`;
      if (row?.count > 0) left.push(`${table}.${column}`);
    }
    // The idempotency key of its creation stays for its day, so that a late repeat does not make it again, and what somebody may
    // have to answer for stays in the audit log.
    const mayStay = /^((events|outbox)\.actor_id|idempotency_keys\.resource_id|audit_(inbox|log)\.(actor|account)_id)$/;
    expect(left.filter((place) => !mayStay.test(place))).toEqual(["messages.sender_id"]);
    const [topic] = await sql`select count(*)::int as count from backstay.events where topic = ${`account/${ada.id}`}`;
    expect(topic?.count).toBe(0);
  });

  it("are not the messages it sent: they stay with those who received them", async () => {
    const { message } = await ada.client.messages.sendMessage({ recipientId: ben.id, text: "Farewell" });
    await remove(ada);
    expect((await ben.client.messages.listMessages({})).messages).toEqual([message]);
    expect(await refused(ben.client.accounts.getAccount({ id: ada.id }))).toMatchObject({
      reason: "ACCOUNT_NOT_FOUND",
    });
  });
});

describe("whose account", () => {
  it("is one's own by its id", async () => {
    await remove(ada, ada.id);
    expect(await refused(ben.client.accounts.getAccount({ id: ada.id }))).toMatchObject({ code: "not_found" });
  });

  it("is not someone else's", async () => {
    expect(await refused(remove(ben, ada.id))).toEqual({
      code: "permission_denied",
      reason: "NOT_YOUR_ACCOUNT",
      fields: [],
    });
    expect((await ada.client.accounts.getAccount({})).account?.id).toBe(ada.id);
  });

  it("is anyone's for an administrator; a repeat finds nothing", async () => {
    const { accounts } = operator(backstay);
    await accounts.deleteAccount({ id: ada.id });
    expect(await refused(accounts.deleteAccount({ id: ada.id }))).toEqual({
      code: "not_found",
      reason: "ACCOUNT_NOT_FOUND",
      fields: ["id"],
    });
  });

  it("must be said: nothing is deleted by leaving the id out", async () => {
    expect(await refused(remove(ada, ""))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: ["id"],
    });
  });

  it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody"])("is nobody's: %s", async (id) => {
    expect(await refused(remove(ada, id))).toMatchObject({ code: "not_found", reason: "ACCOUNT_NOT_FOUND" });
  });
});

describe("the last administrator", () => {
  const LAST = { code: "failed_precondition", reason: "LAST_ADMIN", fields: [] };
  const grant = (who: Person) => operator(backstay).auth.grantRole({ id: who.id, role: "admin" });

  it("stays, by his own hand and that of the command line", async () => {
    await grant(ada);
    expect(await refused(remove(ada))).toEqual(LAST);
    expect(await refused(operator(backstay).accounts.deleteAccount({ id: ada.id }))).toEqual(LAST);
    expect((await ada.client.accounts.getAccount({})).account?.id).toBe(ada.id);
    await grant(ben);
    await remove(ada);
    expect(await refused(remove(ben))).toEqual(LAST);
    await openDatabase(backstay)`update backstay.accounts set roles = '{}' where id = ${ben.id}`;
  });

  it("is one of two who go at once", async () => {
    for (const who of [ada, ben]) await grant(who);
    const outcomes = await Promise.all(
      [ada, ben].map((who) =>
        remove(who).then(
          () => "deleted",
          (error) => error.reason,
        ),
      ),
    );
    expect(outcomes.sort()).toEqual(["LAST_ADMIN", "deleted"]);
    await openDatabase(backstay)`update backstay.accounts set roles = '{}'`;
  });

  it("is nobody's concern who is none", async () => {
    await grant(ben);
    await remove(ada);
    await openDatabase(backstay)`update backstay.accounts set roles = '{}'`;
  });
});

it("answers a repeat by the same token as it answers any dead token", async () => {
  await curl(backstay, "accounts.v1.AccountService/DeleteAccount", { id: "me" }, ada.token);
  const again = await curlRefused(backstay, "accounts.v1.AccountService/DeleteAccount", { id: "me" }, ada.token);
  expect(again).toMatchObject({ code: "unauthenticated", reason: "INVALID_TOKEN" });
});

it("is written down, also when it was another who did it", async () => {
  await remove(ada);
  await operator(backstay).accounts.deleteAccount({ id: ben.id });
  expect(await auditOf(backstay, ada.id, "account.deleted")).toEqual([{ actorId: ada.id, detail: {} }]);
  expect(await auditOf(backstay, ben.id, "account.deleted")).toEqual([{ actorId: null, detail: {} }]);
});

it("lets one of ten deletions at once do it", async () => {
  const { accounts } = operator(backstay);
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, () =>
      accounts.deleteAccount({ id: ada.id }).then(
        () => "deleted",
        (error) => error.reason,
      ),
    ),
  );
  expect(outcomes.sort()).toEqual([...Array(9).fill("ACCOUNT_NOT_FOUND"), "deleted"]);
});

describe("while the account is being deleted", () => {
  /** Deletes Ada in a transaction that is committed only when `meanwhile` waits for it. */
  async function deletedDuring<T>(meanwhile: () => Promise<T>): Promise<T> {
    const sql = openDatabase(backstay);
    let answer: Promise<T> | undefined;
    await sql.begin(async (tx) => {
      await tx`delete from backstay.accounts where id = ${ada.id}`;
      answer = meanwhile();
      answer.catch(() => {});
      const waits = async () => {
        for (;;) {
          const rows = await sql`select 1 from pg_stat_activity where datname = current_database()
            and application_name = 'backstay' and wait_event_type = 'Lock'`;
          if (rows.length > 0) return;
        }
      };
      await within(10_000, waits(), "the call waits for the transaction");
    });
    return answer!;
  }

  it("a message to it finds no recipient", async () => {
    const sent = deletedDuring(() => ben.client.messages.sendMessage({ recipientId: ada.id, text: "Late" }));
    expect(await refused(sent)).toEqual({ code: "not_found", reason: "RECIPIENT_NOT_FOUND", fields: ["recipientId"] });
  });

  it.each<[string, (token: string) => Record<string, string>]>([
    ["", bearer],
    [" by an idempotency key", (token) => ({ ...bearer(token), "idempotency-key": "once" })],
  ])("a key of its own is asked for by a token that is dead%s", async (_, headers) => {
    const ask = { name: "late", scopes: ["*"] };
    const made = deletedDuring(() => connectJson(backstay.url, `${AUTH}/CreateApiKey`, ask, headers(ada.token)));
    expect(await made).toMatchObject({ status: 401, reason: "INVALID_TOKEN" });
  });

  it("a key that an administrator makes for it finds no account", async () => {
    const ask = { name: "late", scopes: ["*"], accountId: ada.id };
    const made = deletedDuring(() => curlRefused(backstay, `${AUTH}/CreateApiKey`, ask, operatorToken(backstay)));
    expect(await made).toEqual({ code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["accountId"] });
  });

  it.each(["EnrollTotp", "StartSession"])("%s is asked for by a token that is dead", async (method) => {
    const answer = deletedDuring(() => curlRefused(backstay, `${AUTH}/${method}`, {}, ada.token));
    expect(await answer).toMatchObject({ code: "unauthenticated", reason: "INVALID_TOKEN" });
  });

  it("a passkey is begun by a token that is dead", async () => {
    const begun = await deletedDuring(() => pageCall(backstay, "BeginRegistration", {}, bearer(ada.token)));
    expect(begun).toMatchObject({ status: 401, reason: "INVALID_TOKEN" });
  });

  it("a sign-in answers as if there were no such login", async () => {
    const { login, secret } = ada;
    const signedIn = deletedDuring(() => curlRefused(backstay, "auth.v1.AuthService/SignIn", { login, secret }));
    expect(await signedIn).toEqual({ code: "unauthenticated", reason: "INVALID_CREDENTIALS", fields: [] });
  });
});

it("waits for nobody who waits for it, also the first time: others write to it all the while", async () => {
  const fresh = await startBackstay({ "database.pool_size": "4" });
  try {
    const cleo = await fresh.signUp();
    const people = await Promise.all(Array.from({ length: 12 }, () => fresh.signUp()));
    const reasons = new Set<string | undefined>();
    let isOver = false;
    const storm = people.map(async ({ client }) => {
      while (!isOver) {
        await client.connections.block({ peerId: cleo.id }).catch(({ reason }) => reasons.add(reason));
        await client.connections.unblock({ peerId: cleo.id }).catch(({ reason }) => reasons.add(reason));
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await cleo.client.accounts.deleteAccount({ id: "me" });
    isOver = true;
    await Promise.all(storm);
    expect([...reasons].filter((reason) => reason !== "ACCOUNT_NOT_FOUND")).toEqual([]);
  } finally {
    await fresh.stop();
  }
});
