import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { JobService } from "#gen/backstay/jobs/v1/jobs_pb.js";
import { openSocket } from "../../http/socket/client.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { someJobs } from "../jobs/house.js";
import { standingStream } from "../stream.js";
import { bearer, curl, curlRefused, openDatabase, operator, operatorToken, within } from "../support.js";
import { makeKey, sendSigned, signUpAdmin } from "./api-key-house.js";

/** How long the keys last, in milliseconds, and how long after their end what they opened may still be open. */
const LIFE = 3_000;
const SOON = 1_000;

let backstay: TestBackstay;
let admin: string;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay({ roles: "api,relay", "limits.rate": "off" }, { overrides: { jobs: someJobs() } });
  admin = await signUpAdmin(backstay);
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const WHOSE: [whose: string, token: () => string][] = [
  ["an administrator", () => admin],
  ["the installation", () => operatorToken(backstay)],
];

/** Does the same with a key of each, side by side. */
const forEach = (check: (key: EndingKey) => Promise<void>) =>
  Promise.all(
    WHOSE.map(async ([whose, token]) => {
      try {
        await check(await endingKey(token()));
      } catch (error) {
        throw new Error(`with the key of ${whose}`, { cause: error });
      }
    }),
  );

interface EndingKey {
  readonly key: string;
  /** How long something it opened may last from now on. */
  left(): number;
}

async function endingKey(token: string): Promise<EndingKey> {
  const ends = Date.now() + LIFE;
  const { key } = await makeKey(backstay, token, { scopes: ["*"], expireTime: new Date(ends).toISOString() });
  return { key, left: () => Math.max(0, ends - Date.now()) + SOON };
}

describe("a key that ends", () => {
  const CREATE = "auth.v1.AuthService/CreateApiKey";
  const TOO_LATE = { code: "invalid_argument", reason: "INVALID_FIELD", fields: ["expireTime"] };
  const HOUR = 3_600_000;
  const ends = new Date(Date.now() + HOUR);
  const at = (ms: number) => ({ expireTime: new Date(ends.getTime() + ms).toISOString() });

  it.each<[whose: string, token: () => string, forWhom: () => object]>([
    ["an account", () => ada.token, () => ({})],
    ["an administrator, for another", () => admin, () => ({ accountId: ada.id })],
    ["the installation", () => operatorToken(backstay), () => ({})],
  ])("makes none that outlasts it: that of %s", async (_, token, forWhom) => {
    const own = await makeKey(backstay, token(), { scopes: ["auth:write"], ...at(0) });
    const body = (end: object) => ({ name: "k", scopes: ["auth:write"], ...forWhom(), ...end });
    expect(await curlRefused(backstay, CREATE, body({}), own.key)).toEqual(TOO_LATE);
    expect(await curlRefused(backstay, CREATE, body(at(1)), own.key)).toEqual(TOO_LATE);
    for (const end of [0, -HOUR / 2]) {
      const made = await curl<{ apiKey: object }>(backstay, CREATE, body(at(end)), own.key);
      expect(made.apiKey).toMatchObject({ expireTime: at(end).expireTime });
    }
  });

  it("is told by its signature as well", async () => {
    const own = await makeKey(backstay, ada.token, { scopes: ["auth:write"], ...at(0) });
    const url = `${backstay.url}/v1/auth/api-keys`;
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ name: "k", scopes: ["auth:write"] });
    expect((await sendSigned(own, { method: "POST", url, headers, body })).reason).toBe("INVALID_FIELD");
  });
});

it("a key without an end makes another without one", async () => {
  for (const token of [ada.token, operatorToken(backstay)]) {
    const { key } = await makeKey(backstay, token, { scopes: ["auth:write"] });
    const body = { name: "endless", scopes: ["auth:write"] };
    const made = await curl<{ apiKey: object }>(backstay, "auth.v1.AuthService/CreateApiKey", body, key);
    expect(made.apiKey).not.toHaveProperty("expireTime");
  }
});

describe("what a key of an administrator or of the installation has opened ends within a second of the key:", () => {
  it("a stream of events, which says goodbye", () =>
    forEach(async ({ key, left }) => {
      const stream = await standingStream(backstay, key, { topics: ["system/revocations"] });
      await stream.goodbye(left());
    }));

  it("a job that is watched", async () => {
    const { job } = await operator(backstay).jobs.submitJob({ name: "app.touch" });
    await forEach(async ({ key, left }) => {
      const transport = createConnectTransport({ baseUrl: backstay.url, httpVersion: "1.1" });
      const call = new AbortController();
      onTestFinished(() => call.abort());
      const { watchJob } = createClient(JobService, transport);
      const said = watchJob({ id: job!.id }, { headers: bearer(key), signal: call.signal })[Symbol.asyncIterator]();
      expect((await said.next()).value.job).toEqual(job);
      const end = within(left(), said.next(), "the stream ends");
      await expect(end).rejects.toMatchObject({ rawMessage: expect.stringContaining("expired") });
    });
  });

  it("a socket", () =>
    forEach(async ({ key, left }) => {
      const socket = await openSocket(backstay.url, { headers: bearer(key) });
      expect(await socket.ask("/v1/auth/current")).toMatchObject({ op: "/v1/auth/current" });
      expect(await socket.closed(left())).toEqual({ code: 4401, reason: "TOKEN_EXPIRED" });
    }));

  it("an export that its reader takes slowly", async () => {
    const sql = openDatabase(backstay);
    const message = { id: ada.id, text: "x".repeat(2_000), count: 20_000 };
    await sql`insert into backstay.messages (id, recipient_id, sender_id, mtime, text, created_at)
      select gen_random_uuid(), ${message.id}, ${message.id}, n, ${message.text}, now()
      from generate_series(1, ${message.count}) as n`;
    await forEach(async ({ key, left }) => {
      const headers = { ...bearer(key), accept: "application/x-ndjson" };
      const reader = (await fetch(`${backstay.url}/v1/accounts/${ada.id}:export`, { headers })).body!.getReader();
      const decoder = new TextDecoder();
      let text = decoder.decode((await reader.read()).value, { stream: true });
      await new Promise((resolve) => setTimeout(resolve, left()));
      const rest = async () => {
        for (let read = await reader.read(); !read.done; read = await reader.read()) {
          text += decoder.decode(read.value, { stream: true });
        }
      };
      await within(10_000, rest(), "the export ends");
      const lines = text.trimEnd().split("\n");
      expect(lines.length).toBeLessThan(message.count);
      expect(lines.at(-1)).toContain("TOKEN_EXPIRED");
    });
  });
});
