import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { auditOf } from "../audit.js";
import {
  bearer,
  curl,
  eventually,
  openDatabase,
  operatorToken,
  type Refused,
  refusedJson,
  upTo,
  within,
} from "../support.js";

interface Exported {
  domain: string;
  kind: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
  record: Record<string, any>;
}

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

/** Every line of an export, and how it ended. */
async function exported(token: string | undefined, id = "me"): Promise<{ records: Exported[]; refused?: Refused }> {
  const response = await open(token, id);
  return readLines(await response.text(), response.status);
}

function open(token: string | undefined, id = "me", signal?: AbortSignal): Promise<Response> {
  const headers = { ...bearer(token), accept: "application/x-ndjson" };
  return fetch(`${backstay.url}/v1/accounts/${id}:export`, { headers, ...(signal && { signal }) });
}

function readLines(text: string, status: number): { records: Exported[]; refused?: Refused } {
  const lines = text.split("\n").filter((line) => line !== "");
  const parsed = lines.map((line) => JSON.parse(line));
  if (status !== 200) return { records: [], refused: asRefused(parsed[0]) };
  const error = parsed.at(-1)?.error;
  return error === undefined ? { records: parsed } : { records: parsed.slice(0, -1), refused: asRefused(error) };
}

/** A refusal in the words of REST. */
function asRefused(json: { details: ({ "@type": string } & object)[] }): Refused {
  const details = json.details.map(({ "@type": type, ...debug }) => ({ type: type.replace(/^.*\//, ""), debug }));
  return refusedJson({ ...json, details });
}

const kinds = (records: Exported[]) => [...new Set(records.map(({ domain, kind }) => `${domain} ${kind}`))];

it("answers everything the installation holds of one's account, domain by domain", async () => {
  const { message: received } = await ben.client.messages.sendMessage({ recipientId: ada.id, text: "To Ada" });
  await ada.client.messages.markRead({ id: received!.id });
  await ada.client.messages.sendMessage({ recipientId: ben.id, text: "From Ada" });
  await ada.client.events.publish({ type: "diary.entry", data: { mood: "fine" } });
  await curl(backstay, "auth.v1.AuthService/CreateApiKey", { name: "backup", scopes: ["messages:read"] }, ada.token);
  await event("diary.entry");
  const { records, refused } = await exported(ada.token);
  expect(refused).toBeUndefined();
  expect(kinds(records)).toEqual([
    "counters counter",
    "accounts account",
    "auth identity",
    "auth device",
    "auth api_key",
    "messages message",
    "events event",
  ]);
  const of = (kind: string) => records.filter((one) => one.kind === kind).map(({ record }) => record);
  expect(of("account")).toEqual([
    expect.objectContaining({ id: ada.id, login: ada.login, status: "ACCOUNT_STATUS_ACTIVE" }),
  ]);
  expect(of("identity")).toEqual([expect.objectContaining({ kind: "login", label: ada.login })]);
  expect(of("device")).toEqual([expect.objectContaining({ method: "secret", address: "127.0.0.1" })]);
  expect(of("api_key")).toEqual([expect.objectContaining({ name: "backup", scopes: ["messages:read"] })]);
  expect(of("counter")).toEqual([
    { name: "msg_count", value: "1" },
    { name: "msg_read", value: "1" },
  ]);
  expect(of("message")).toEqual([
    expect.objectContaining({ senderId: ben.id, recipientId: ada.id, text: "To Ada", readTime: expect.any(String) }),
    { id: expect.any(String), senderId: ada.id, recipientId: ben.id, text: "From Ada", createTime: expect.any(String) },
  ]);
  expect(of("event")).toContainEqual(expect.objectContaining({ type: "diary.entry", data: { mood: "fine" } }));

  /** Waits until an event is in the log. */
  async function event(type: string): Promise<void> {
    const topic = `account/${ada.id}`;
    const logged = async () =>
      (await openDatabase(backstay)`select 1 from backstay.events where topic = ${topic} and type = ${type}`).length;
    await expect.poll(logged, { timeout: 5_000 }).toBe(1);
  }
});

it("says whether there is an authenticator, and nothing that it could be made from", async () => {
  const sql = openDatabase(backstay);
  await sql`insert into backstay.totp (account_id, secret_sealed, confirmed_at, last_step, created_at)
    values (${ada.id}, 'sealed-authenticator'::bytea, now(), 0, now())`;
  const { records } = await exported(ada.token);
  expect(records).toContainEqual({ domain: "auth", kind: "authenticator", record: { createTime: expect.any(String) } });
  expect(JSON.stringify(records)).not.toContain("sealed");
});

it("leaves out when others read what was sent to them", async () => {
  const { message } = await ada.client.messages.sendMessage({ recipientId: ben.id, text: "Read me" });
  await ben.client.messages.markRead({ id: message!.id });
  const { records } = await exported(ada.token);
  const sent = records.find(({ record }) => record.id === message!.id && record.text === "Read me");
  expect(sent?.record).not.toHaveProperty("readTime");
});

describe("a large account", () => {
  const LONG = "x".repeat(2_000);

  /** Messages that Ada has received and sent, more than a page of each, among those of others. */
  async function fill(count: number): Promise<void> {
    const sql = openDatabase(backstay);
    await sql`insert into backstay.messages (id, recipient_id, sender_id, mtime, text, created_at)
      select gen_random_uuid(), case when n % 2 = 0 then ${ada.id}::uuid else ${ben.id}::uuid end,
        case when n % 2 = 0 then ${ben.id}::uuid else ${ada.id}::uuid end, n, ${LONG} || n, now()
      from generate_series(1, ${count}) as n`;
  }

  it("is answered whole, each message once", async () => {
    await fill(5_000);
    const { records, refused } = await exported(ada.token);
    expect(refused).toBeUndefined();
    const texts = records
      .filter(({ kind }) => kind === "message")
      .map(({ record }) => Number(record.text.slice(2_000)));
    expect(texts).toHaveLength(5_000);
    expect(texts.sort((a, b) => a - b)).toEqual(upTo(5_000));
  });

  it("is read page by page as its reader takes it, without a transaction, and no further once he has gone", async () => {
    await fill(20_000);
    const controller = new AbortController();
    const response = await open(ada.token, "me", controller.signal);
    const reader = response.body!.getReader();
    await reader.read();
    // He takes no more: what is written waits, and nobody reads on, nor holds anything meanwhile.
    const sql = openDatabase(backstay);
    // The audit log has transactions of its own.
    const inTransaction = async () =>
      (
        await sql`select 1 from pg_stat_activity where datname = current_database()
        and application_name = 'backstay' and state like 'idle in transaction%' and query not like '%audit_%'`
      ).length;
    for (const _ of upTo(10)) {
      expect(await inTransaction()).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    controller.abort();
    await ada.client.accounts.getAccount({});
  });

  it("ends within a second for a caller whose sign-in ends meanwhile", async () => {
    await fill(20_000);
    const response = await open(ada.token);
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = decoder.decode((await reader.read()).value, { stream: true });
    await curl(backstay, "auth.v1.AuthService/SignOut", {}, ada.token);
    // He takes nothing meanwhile: it does not wait for him.
    const line = /"method":"backstay.accounts.v1.AccountService\/ExportAccount".*"reason":"TOKEN_REVOKED"/;
    await eventually(1_500, "the export has ended", async () => line.test(backstay.log()) || undefined);
    const rest = async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        text += decoder.decode(value, { stream: true });
      }
    };
    await within(5_000, rest(), "the export ends");
    const { records, refused } = readLines(text, 200);
    expect(refused?.reason).toBe("TOKEN_REVOKED");
    expect(records.length).toBeLessThan(20_000);
  });
});

describe("whose account", () => {
  it("is any for an administrator, who is written down as are owners", async () => {
    const { records } = await exported(operatorToken(backstay), ada.id);
    expect(records.find(({ kind }) => kind === "account")?.record.id).toBe(ada.id);
    await exported(ada.token, ada.id);
    expect(await auditOf(backstay, ada.id, "account.exported")).toEqual([
      { actorId: null, detail: {} },
      { actorId: ada.id, detail: {} },
    ]);
  });

  it("is not someone else's, and nobody's who is not signed in", async () => {
    expect((await exported(ben.token, ada.id)).refused).toMatchObject({ reason: "NOT_YOUR_ACCOUNT" });
    expect((await exported(undefined)).refused).toMatchObject({ reason: "TOKEN_MISSING" });
    expect(await auditOf(backstay, ada.id, "account.exported")).toEqual([]);
  });

  it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody"])("is nobody's: %s", async (id) => {
    expect((await exported(ada.token, id)).refused).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
    expect((await exported(operatorToken(backstay), id)).refused).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
  });
});
