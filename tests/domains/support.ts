import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type BackstayClient, BackstayError, createClient } from "@backstay/client";
import postgres from "postgres";
import { onTestFinished } from "vitest";
import { type InstanceKey, instanceKey } from "../../server/kernel/instance-key.js";
import { call, type TestBackstay } from "../support/backstay.js";

/** How a call was refused. */
export interface Refused {
  code: string;
  reason: string;
  fields: string[];
}

/** How a call of the client is refused. Fails when it is not. */
export async function refused(promise: Promise<unknown>): Promise<Refused> {
  try {
    await promise;
  } catch (error) {
    if (!BackstayError.is(error)) throw error;
    return { code: error.code, reason: error.reason, fields: error.fields.map(({ field }) => field) };
  }
  throw new Error("the call was not refused");
}

/** The same of an answer in Connect JSON. */
export function refusedJson(json: Record<string, unknown>): Refused {
  const details = (json.details ?? []) as { type: string; debug: Record<string, unknown> }[];
  const debug = (name: string) => details.find(({ type }) => type === `google.rpc.${name}`)?.debug;
  const violations = (debug("BadRequest")?.fieldViolations ?? []) as { field: string }[];
  return {
    code: String(json.code),
    reason: String(debug("ErrorInfo")?.reason),
    fields: violations.map(({ field }) => field),
  };
}

/** A call as curl makes it, with its answer or its refusal. */
export async function curl<Answer = Record<string, unknown>>(
  backstay: TestBackstay,
  path: string,
  body: unknown,
  token?: string,
): Promise<Answer> {
  const answer = await call(backstay.url, path, body, bearer(token));
  if (answer.status !== 200) throw new Error(`${path} answered ${JSON.stringify(answer.json)}`);
  return answer.json as Answer;
}

/** How a call made as curl makes it is refused. Fails when it is not. */
export async function curlRefused(
  backstay: TestBackstay,
  path: string,
  body: unknown,
  token?: string,
): Promise<Refused> {
  const { status, json } = await call(backstay.url, path, body, bearer(token));
  if (status === 200) throw new Error(`${path} was not refused`);
  return refusedJson(json);
}

export function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** The promise, if it settles within the time that was promised. */
export async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again until `ask` answers something other than undefined, for states that nobody announces. */
export async function eventually<T>(ms: number, what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A clock that goes on only when it is told to. */
export function testClock(start = "2031-02-03T04:05:06.789Z") {
  let now = Date.parse(start);
  return {
    now: () => new Date(now),
    advance(ms: number) {
      now += ms;
    },
    set(time: string) {
      now = Date.parse(time);
    },
  };
}

/** A connection of the test's own to the database behind the server, closed when the test has finished. */
export function openDatabase(backstay: TestBackstay) {
  const sql = postgres(backstay.databaseUrl, { max: 4, onnotice: () => {} });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

/** The token of the installation's own command line. */
export function operatorToken(backstay: TestBackstay): string {
  return readFileSync(join(backstay.home, "etc", "admin.token"), "utf8").trim();
}

/** A client of the installation's own command line. */
export function operator(backstay: TestBackstay): BackstayClient {
  return createClient(backstay.url, { token: operatorToken(backstay) });
}

/** The key with which the server signs its page tokens and cursors. */
export function keyOf(backstay: TestBackstay): InstanceKey {
  return instanceKey(Buffer.from(readFileSync(join(backstay.home, "etc", "secret"), "utf8").trim(), "hex"));
}

/** A token with one bit turned over. */
export function flipped(token: string): string {
  const bytes = Buffer.from(token.slice(6), "base64url");
  bytes[5]! ^= 1;
  return token.slice(0, 6) + bytes.toString("base64url");
}

/** Numbers from 1 to `count`. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
