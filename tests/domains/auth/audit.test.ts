import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { CacheService } from "#gen/backstay/cache/v1/cache_pb.js";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { JobService } from "#gen/backstay/jobs/v1/jobs_pb.js";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { SystemService } from "#gen/backstay/system/v1/system_pb.js";
import { call, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { bearer, eventually, openDatabase, operator, operatorToken, refused, testClock, upTo } from "../support.js";

const DAY = 86_400_000;
const SERVICES = [AccountService, AuthService, CacheService, EventService, JobService, MessageService, SystemService];

let backstay: TestBackstay;
const clock = testClock(new Date().toISOString());
beforeAll(async () => {
  const limits = { "limits.rate": "on", "limits.secrets_per_minute": "1000000" } as const;
  backstay = await startBackstay({ ...limits, "auth.anonymous": "on" }, { overrides: { clock } });
});
afterAll(() => backstay.stop());

/** The log as text, a line an entry, once every entry has its place. */
async function log(where = "true"): Promise<string[]> {
  const sql = openDatabase(backstay);
  await eventually(5_000, "every entry has its place", async () => {
    const [waiting] = await sql`select 1 from backstay.audit_inbox limit 1`;
    return waiting === undefined || undefined;
  });
  const rows = await sql.unsafe(`select l::text as line from backstay.audit_log l where ${where} order by sequence`);
  return rows.map(({ line }) => line as string);
}

const signIn = (login: string, secret: string) => refused(backstay.anonymous().auth.signIn({ login, secret }));

describe("wrong secrets", () => {
  it("are kept with the account that they were tried for", async () => {
    const ada = await backstay.signUp();
    await signIn(ada.login.toUpperCase(), "a wrong secret");
    expect(await log(`type = 'sign_in.failed' and account_id = '${ada.id}'`)).toHaveLength(1);
  });

  it("do not fill the log while they are refused unheard: once a minute for a login, known or not", async () => {
    const ada = await backstay.signUp();
    const throttled = () => log("type = 'sign_in.throttled'");
    const before = (await throttled()).length;
    for (const login of [ada.login, "nobody at all"]) {
      for (const _ of upTo(5)) await signIn(login, "a wrong secret");
      for (const _ of upTo(5))
        expect(await signIn(login, "a wrong secret")).toMatchObject({ reason: "TOO_MANY_TRIES" });
    }
    expect(await throttled()).toHaveLength(before + 2);
    expect(await log(`type = 'sign_in.throttled' and account_id = '${ada.id}'`)).toHaveLength(1);
    clock.advance(61_000);
    for (const _ of upTo(5)) await signIn(ada.login, "a wrong secret");
    expect(await throttled()).toHaveLength(before + 3);
  });
});

it("is kept for as long as is said, and a job forgets what is older", async () => {
  const { login } = await backstay.signUp();
  const before = (await log()).length;
  expect(before).toBeGreaterThan(0);
  clock.advance(399 * DAY);
  await signIn(login, "a wrong secret");
  await runJob(backstay, "backstay.audit.prune");
  expect((await log()).length).toBeGreaterThan(before);
  clock.advance(2 * DAY);
  await runJob(backstay, "backstay.audit.prune");
  const kept = await log("type = 'sign_in.failed'");
  expect(kept).toHaveLength(1);
  for await (const { done, fault } of operator(backstay).auth.verifyAuditLog()) if (done) expect(fault).toBe("");
});

/** A request whose every text is `mark`, as far down as it goes; lists have one of each. */
function marked(schema: DescMessage, mark: string, depth = 0): object {
  if (depth > 3 || schema.typeName.startsWith("google.protobuf.")) return {};
  return Object.fromEntries(schema.fields.map((field) => [field.jsonName, markedField(field, mark, depth)]));
}

function markedField(field: DescField, mark: string, depth: number): unknown {
  if (field.fieldKind === "scalar") return field.scalar === ScalarType.STRING ? mark : undefined;
  if (field.fieldKind === "message") return marked(field.message, mark, depth + 1);
  if (field.fieldKind === "list" && field.listKind === "scalar") return [mark];
  return undefined;
}

/** Every text of an answer whose field the contract says to be a secret. */
function secretsIn(schema: DescMessage, message: Message): string[] {
  return schema.fields.flatMap((field) => {
    const value = (message as unknown as Record<string, unknown>)[field.localName];
    if (field.proto.options?.debugRedact) return [value].flat().map(String).filter(Boolean);
    return field.fieldKind === "message" && value ? secretsIn(field.message, value as Message) : [];
  });
}

describe("no secret is in it", () => {
  it("whatever is sent to any method, by anybody", async () => {
    const { token } = await backstay.signUp();
    const mark = "typed-where-it-does-not-belong";
    for (const method of SERVICES.flatMap((service) => service.methods)) {
      if (method.methodKind !== "unary" || method === AuthService.method.signOut) continue;
      const path = `${method.parent.typeName.slice("backstay.".length)}/${method.name}`;
      for (const who of [undefined, token, operatorToken(backstay)]) {
        await call(backstay.url, path, marked(method.input, mark), bearer(who));
      }
    }
    const lines = await log();
    expect(lines.filter((line) => line.includes("sign_in.failed")).length).toBeGreaterThan(0);
    // Of what an administrator does the log keeps the id, which is no secret; these were of nothing.
    expect(lines.filter((line) => line.includes(mark))).toEqual([]);
  });

  it("and nothing of what the server answered as one", async () => {
    const { id, login, secret, client } = await backstay.signUp();
    const { auth } = client;
    const shown = [secret, "a second secret"];
    const keep = (schema: DescMessage, message: Message) => void shown.push(...secretsIn(schema, message));
    keep(AuthService.method.signIn.output, await auth.signIn({ login, secret }));
    await auth.refresh();
    shown.push(auth.tokens!.accessToken, auth.tokens!.refreshToken);
    keep(AuthService.method.createApiKey.output, await auth.createApiKey({ scopes: ["*"] }));
    keep(AuthService.method.createApiKey.output, await operator(backstay).auth.createApiKey({ scopes: ["*"] }));
    keep(AuthService.method.enrollTotp.output, await auth.enrollTotp());
    await auth.changeSecret({ old: secret, new: "a second secret" });
    const other = backstay.anonymous();
    keep(AuthService.method.signInAnonymously.output, await other.auth.signInAnonymously());
    await other.auth.upgradeAnonymous({ login: `${login} too`, secret: "a second secret" });
    await operator(backstay).auth.grantRole({ id, role: "editor" });
    await auth.signOut();
    expect(shown.length).toBeGreaterThan(10);
    const lines = await log();
    for (const text of shown) expect(lines.filter((line) => line.includes(text))).toEqual([]);
  });
});
