import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { runJob } from "../run-job.js";
import { openDatabase, testClock, upTo } from "../support.js";
import { type Authenticator, codeAt, turnOn } from "./authenticator.js";

const clock = testClock();
let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "auth.access_ttl": "30d" }, { overrides: { clock } });
});
afterAll(() => backstay.stop());

const signIn = ({ login, secret }: Pick<Person, "login" | "secret">, otp?: string) =>
  connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, ...(otp !== undefined && { otp }) });
async function guarded(): Promise<Person & { app: Authenticator }> {
  const person = await backstay.signUp();
  return { ...person, app: await turnOn(backstay, person.token, clock) };
}

describe("signing in with an authenticator", () => {
  it("wants a code once the secret is right, and takes it beside the secret", async () => {
    const ada = await guarded();
    const asked = await signIn(ada);
    expect([asked.status, asked.reason]).toEqual([401, "OTP_REQUIRED"]);
    expect((await signIn(ada, ada.app.code())).json.account.id).toBe(ada.id);
  });

  it("says nothing of it to whoever has a wrong secret", async () => {
    const ada = await guarded();
    const ben = await backstay.signUp();
    const [guardedOne, bare] = [
      await signIn({ ...ada, secret: "wrong" }, ada.app.code()),
      await signIn({ ...ben, secret: "wrong" }),
    ];
    expect(guardedOne.json).toEqual(bare.json);
    expect(guardedOne.reason).toBe("INVALID_CREDENTIALS");
    // The code that came with it was not used up.
    expect((await signIn(ada, ada.app.code())).status).toBe(200);
  });

  it("takes each code once, also when it is shown twice at the same time", async () => {
    const ada = await guarded();
    const code = ada.app.code();
    const answers = await Promise.all(upTo(4).map(() => signIn(ada, code)));
    expect(answers.map(({ status, reason }) => (status === 200 ? "ok" : reason)).sort()).toEqual([
      "INVALID_OTP",
      "INVALID_OTP",
      "INVALID_OTP",
      "ok",
    ]);
    expect((await signIn(ada, code)).reason).toBe("INVALID_OTP");
    clock.advance(30_000);
    expect((await signIn(ada, ada.app.code())).status).toBe(200);
  });

  it("takes none that is older than the last one it took, nor the one it was turned on with", async () => {
    const person = await backstay.signUp();
    const before = clock.now();
    const app = await turnOn(backstay, person.token, clock);
    expect((await signIn(person, codeAt(app.secret, before))).reason).toBe("INVALID_OTP");
    const earlier = app.code();
    clock.advance(30_000);
    expect((await signIn(person, app.code())).status).toBe(200);
    expect((await signIn(person, earlier)).reason).toBe("INVALID_OTP");
  });

  it("refuses what is no code", async () => {
    const ada = await guarded();
    for (const otp of [ada.app.wrong(), " ", "abc", "١٢٣٤٥٦"])
      expect((await signIn(ada, otp)).reason).toBe("INVALID_OTP");
  });

  it("ignores a code where no authenticator asks for one", async () => {
    expect((await signIn(await backstay.signUp(), "123456")).status).toBe(200);
  });
});

describe("a recovery code", () => {
  it("serves once in the place of a code, however it is typed, and the audit log tells of it", async () => {
    const ada = await guarded();
    const [first, second] = ada.app.recoveryCodes;
    expect((await signIn(ada, ` ${first!.toLowerCase().replace("-", " ")} `)).status).toBe(200);
    expect((await signIn(ada, first)).reason).toBe("INVALID_OTP");
    const answers = await Promise.all(upTo(3).map(() => signIn(ada, second)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const sql = openDatabase(backstay);
    const used = await sql`select detail from (
      select detail, account_id, type from backstay.audit_inbox
      union all select detail, account_id, type from backstay.audit_log) a
      where account_id = ${ada.id} and type = 'recovery_code.used'`;
    expect([...used]).toEqual([{ detail: "{}" }, { detail: "{}" }]);
  });

  it("is of its own account alone", async () => {
    const [ada, ben] = [await guarded(), await guarded()];
    expect((await signIn(ben, ada.app.recoveryCodes[0])).reason).toBe("INVALID_OTP");
  });

  it("stands after the installation's key was changed, and after the key before has gone", async () => {
    const [old, fresh] = ["a", "b"].map((digit) => digit.repeat(64)) as [string, string];
    const first = await startBackstay({ secret: old, roles: "api,relay" }, { overrides: { clock } });
    const ada = await first.signUp();
    const app = await turnOn(first, ada.token, clock);
    const signInAt = async ({ url }: TestBackstay, otp: string) => {
      const body = { login: ada.login, secret: ada.secret, otp };
      return (await connectJson(url, "auth.v1.AuthService/SignIn", body)).status;
    };
    const database = { "database.url": first.databaseUrl };
    const turned = await startBackstay({ ...database, secret: fresh, secret_previous: old }, { overrides: { clock } });
    expect(await signInAt(turned, app.recoveryCodes[3]!)).toBe(200);
    expect(await signInAt(turned, app.code())).toBe(200);
    await runJob(turned, "backstay.auth.reseal");
    await turned.stop();
    const after = await startBackstay({ ...database, secret: fresh }, { overrides: { clock } });
    clock.advance(30_000);
    expect(await signInAt(after, app.recoveryCodes[4]!)).toBe(200);
    expect(await signInAt(after, app.recoveryCodes[3]!)).toBe(401);
    expect(await signInAt(after, app.code())).toBe(200);
    await after.stop();
    await first.stop();
  });
});

describe("whoever guesses", () => {
  it("is stopped by the account, although the secret is right each time, and asking alone costs no try", async () => {
    const strict = await startBackstay(
      { "limits.rate": "on", "limits.secrets_per_minute": "1000", "auth.access_ttl": "30d" },
      { overrides: { clock } },
    );
    const person = await strict.signUp();
    const app = await turnOn(strict, person.token, clock);
    const { login, secret } = person;
    const tried = async (otp?: string) => {
      const reply = await connectJson(strict.url, "auth.v1.AuthService/SignIn", { login, secret, otp });
      return reply.status === 200 ? "ok" : reply.reason;
    };
    for (const _ of upTo(8)) expect(await tried()).toBe("OTP_REQUIRED");
    for (const _ of upTo(5)) expect(await tried(app.wrong())).toBe("INVALID_OTP");
    expect(await tried(app.code())).toBe("TOO_MANY_TRIES");
    // The secret was right: of wrong ones there was none.
    expect(await tried()).toBe("OTP_REQUIRED");
    clock.advance(60_000);
    expect(await tried(app.code())).toBe("ok");
    await strict.stop();
  });

  it("guesses no more codes at several nodes, and at once, than at one", async () => {
    const settings = { "limits.rate": "on", "limits.secrets_per_minute": "1000", secret: "a".repeat(64) } as const;
    const one = await startBackstay(settings, { overrides: { clock } });
    const other = await startBackstay({ ...settings, "database.url": one.databaseUrl }, { overrides: { clock } });
    const { login, secret, token } = await one.signUp();
    const otp = (await turnOn(one, token, clock)).wrong();
    const guess = ({ url }: TestBackstay) => connectJson(url, "auth.v1.AuthService/SignIn", { login, secret, otp });
    const replies = await Promise.all(upTo(20).map((n) => guess(n % 2 === 0 ? one : other)));
    const compared = replies.filter(({ reason }) => reason === "INVALID_OTP");
    expect(compared).toHaveLength(5);
    expect(replies.filter(({ reason }) => reason === "TOO_MANY_TRIES")).toHaveLength(15);
    await other.stop();
    await one.stop();
  });

  it("keeps nobody from his known devices, although he knows the secret", async () => {
    const strict = await startBackstay(
      { "limits.rate": "on", "limits.secrets_per_minute": "1000", "auth.access_ttl": "30d" },
      { overrides: { clock } },
    );
    const person = await strict.signUp();
    const app = await turnOn(strict, person.token, clock);
    const { login, secret } = person;
    const tried = async (otp: string, deviceToken = "") => {
      const reply = await connectJson(strict.url, "auth.v1.AuthService/SignIn", { login, secret, otp, deviceToken });
      return { reason: reply.status === 200 ? "ok" : reply.reason, deviceToken: reply.json.deviceToken };
    };
    const { deviceToken } = await tried(app.code());
    for (const _ of upTo(5)) expect((await tried(app.wrong())).reason).toBe("INVALID_OTP");
    expect((await tried(app.wrong())).reason).toBe("TOO_MANY_TRIES");
    clock.advance(30_000);
    for (const _ of upTo(5)) await tried(app.wrong());
    expect((await tried(app.recoveryCodes[0]!)).reason).toBe("TOO_MANY_TRIES");
    expect((await tried(app.code(), deviceToken)).reason).toBe("ok");
    // Who has such a device, and has lost its owner's authenticator, guesses no more than others.
    for (const _ of upTo(5)) expect((await tried(app.wrong(), deviceToken)).reason).toBe("INVALID_OTP");
    expect((await tried(app.wrong(), deviceToken)).reason).toBe("TOO_MANY_TRIES");
    await strict.stop();
  });
});
