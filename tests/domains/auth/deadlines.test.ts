import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person, TestBackstay } from "../../support/backstay.js";
import { connectJson, type Reply } from "../../support/http-request.js";
import { auditOf } from "../audit.js";
import { bearer, curl, eventually, openDatabase, operator, operatorToken, testClock, upTo } from "../support.js";
import { turnOn } from "./authenticator.js";
import { codeIn, type Mailed, startMailed } from "./mailed.js";
import { pageCall } from "./passkey-house.js";

// Whoever calls says how long he waits. What he does is written down with it, or is not done; what he guessed is counted and
// written down whether he waits or not.

/** Long enough for whatever is not held up, in milliseconds. */
const DEADLINE = 3_000;

const clock = testClock();
let mailed: Mailed;
let backstay: TestBackstay;
beforeAll(async () => {
  const settings = {
    "limits.rate": "on",
    "limits.secrets_per_minute": "1000000",
    "auth.access_ttl": "30d",
    "database.lock_timeout": "60s",
    "database.statement_timeout": "60s",
  } as const;
  mailed = await startMailed(settings, { overrides: { clock } });
  backstay = mailed.backstay;
});
afterAll(() => mailed.stop());

const hurried = { "connect-timeout-ms": String(DEADLINE) };
const auth = (method: string, body: object, headers = {}): Promise<Reply> =>
  connectJson(backstay.url, `auth.v1.AuthService/${method}`, body, { ...hurried, ...headers });

/** A table that nobody can write to, or read either. */
interface Held {
  table: string;
  mode?: "exclusive" | "access exclusive";
  /** How many statements go on waiting for it after their calls were answered. */
  lasting?: number;
}

/** What `calls` answer while a table is held, and all that is to be cancelled then. */
async function whileHeld({ table, mode = "exclusive", lasting = 0 }: Held, calls: () => Promise<Reply[]>) {
  const sql = postgres(backstay.databaseUrl, { max: 2, onnotice: () => {} });
  const isLeft = async () => {
    // What chains the audit log, and what prunes, is nobody's call.
    const waiting = await sql`select 1 from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
        and query not like 'with placed%' and query not like 'with old%'`;
    return waiting.length === lasting || undefined;
  };
  try {
    return await sql.begin(async (held): Promise<Reply[]> => {
      await held.unsafe(`lock table backstay.${table} in ${mode} mode`);
      const replies = await calls();
      await eventually(5_000, "what belongs to the calls is cancelled", isLeft);
      return replies;
    });
  } finally {
    await sql.end();
  }
}

const late = (replies: Reply[]) =>
  expect(new Set(replies.map(({ reason }) => reason))).toEqual(new Set(["DEADLINE_EXCEEDED"]));

/** Entries of a type about nobody, with the words of `detail`. */
async function ofNobody(type: string, detail: string): Promise<number> {
  const rows = await openDatabase(backstay)`select 1 from (
      select type, account_id, detail from backstay.audit_inbox
      union all select type, account_id, detail from backstay.audit_log
    ) as entries where type = ${type} and account_id is null and detail like ${`%${detail}%`}`;
  return rows.length;
}

describe("while the audit log cannot be written to", () => {
  let ada: Person;
  let ben: Person;
  let recoveryCodes: string[];
  let tokens: { refreshToken: string };
  let replies: Reply[];

  beforeAll(async () => {
    ada = await backstay.signUp();
    ben = await backstay.signUp();
    ({ recoveryCodes } = await turnOn(backstay, ben.token, clock));
    const { login, secret } = ada;
    tokens = (await auth("SignIn", { login, secret })).json.tokens;
    const { refreshToken } = tokens;
    await auth("Refresh", { refreshToken });
    // The time of an exchange is the database's.
    const sql = postgres(backstay.databaseUrl, { max: 1 });
    await sql`update backstay.grants set rotated_at = rotated_at - interval '1 minute' where rotated_at is not null`;
    await sql.end();
    clock.advance(60_000);
    const { challengeId } = (await pageCall(backstay, "BeginSignIn")).json;
    replies = await whileHeld({ table: "audit_inbox", lasting: 3 }, () =>
      Promise.all([
        auth("SignIn", { login, secret, cookie: true }),
        auth("SignIn", { login, secret: "a wrong secret" }),
        auth("SignIn", { login: "nobody at all", secret: "a wrong secret" }),
        auth("SignIn", { login: ben.login, secret: ben.secret, otp: recoveryCodes[0] }),
        auth("Refresh", { refreshToken }),
        pageCall(backstay, "FinishSignIn", { challengeId, credential: { id: "AAAA" } }, hurried),
        connectJson(
          backstay.url,
          "accounts.v1.AccountService/UpdateAccount",
          { account: { id: ada.id, name: "Another" }, updateMask: "name" },
          { ...hurried, ...bearer(operatorToken(backstay)) },
        ),
      ]),
    );
  });

  it("nobody gets an answer in time, nor a cookie", () => {
    late(replies);
    expect(replies.flatMap(({ cookies }) => cookies)).toEqual([]);
  });

  it("nobody is signed in", async () => {
    const devices = await openDatabase(backstay)`select 1 from backstay.devices where account_id = ${ada.id}`;
    const entries = await auditOf(backstay, ada.id, "sign_in.ok");
    expect(devices).toHaveLength(2);
    expect(entries).toHaveLength(2);
  });

  it("no recovery code is used up", async () => {
    const { login, secret } = ben;
    expect((await auth("SignIn", { login, secret, otp: recoveryCodes[0] })).status).toBe(200);
    expect(await auditOf(backstay, ben.id, "recovery_code.used")).toHaveLength(1);
  });

  it("no sign-in is revoked for a token that came again; the next time it is", async () => {
    expect(await auditOf(backstay, ada.id, "refresh_token.reused")).toEqual([]);
    expect((await auth("Refresh", { refreshToken: tokens.refreshToken })).reason).toBe("REFRESH_TOKEN_REUSED");
    expect(await auditOf(backstay, ada.id, "refresh_token.reused")).toHaveLength(1);
  });

  it("nobody changes another's account", async () => {
    const { account } = await operator(backstay).accounts.getAccount({ id: ada.id });
    expect(account?.name).toBe(`Name of ${ada.login}`);
    expect(await auditOf(backstay, ada.id, "admin.called")).toEqual([]);
  });

  it("what was refused is written down as soon as it can be, of known logins and unknown ones", async () => {
    await eventually(5_000, "the refusals are in the log", async () => {
      const known = await auditOf(backstay, ada.id, "sign_in.failed");
      const unknown = await ofNobody("sign_in.failed", '"secret"');
      const passkeys = await ofNobody("sign_in.failed", '"passkey"');
      return (known.length === 1 && unknown === 1 && passkeys === 1) || undefined;
    });
  });
});

describe("what was not compared in time", () => {
  const counted = async () => {
    const [row] = await openDatabase(
      backstay,
    )`select coalesce(sum(tries), 0)::int as tries from backstay.sign_in_tries`;
    return row!.tries as number;
  };

  it("counts for no guess at a secret", async () => {
    const { login, secret } = await backstay.signUp();
    const before = await counted();
    const five = () => Promise.all(upTo(5).map(() => auth("SignIn", { login, secret })));
    late(await whileHeld({ table: "identities", mode: "access exclusive" }, five));
    await eventually(5_000, "the tries are given back", async () => (await counted()) === before || undefined);
    expect((await auth("SignIn", { login, secret })).status).toBe(200);
  });

  it("nor at a code for a new secret: that serves afterwards", async () => {
    const { login, email } = await mailed.verified();
    await curl(backstay, "auth.v1.AuthService/RequestSecretReset", { login });
    const code = codeIn(await mailed.mailTo(email));
    const before = await counted();
    const body = { login, code, secret: "a new secret of ada" };
    for (let tries = 0; tries < 2; tries++) {
      late(await whileHeld({ table: "grants" }, () => Promise.all([1, 2, 3].map(() => auth("ResetSecret", body)))));
      await eventually(10_000, "the tries are given back", async () => (await counted()) === before || undefined);
    }
    expect((await auth("ResetSecret", body)).status).toBe(200);
    expect((await auth("SignIn", { login, secret: body.secret })).status).toBe(200);
  }, 30_000);
});
