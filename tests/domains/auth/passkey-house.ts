import type { TestBackstay } from "../../support/backstay.js";
import { connectJson, type Reply } from "../../support/http-request.js";
import { bearer, openDatabase } from "../support.js";
import { type Faults, type SoftPasskey, softPasskey } from "./soft-passkey.js";

/** The origin by which a browser on this machine reaches a server: by name, since passkeys are kept for names. */
export function localOrigin(backstay: TestBackstay): string {
  return `http://localhost:${new URL(backstay.url).port}`;
}

/** A call of AuthService as a page of that origin makes it. */
export function pageCall(
  backstay: TestBackstay,
  method: string,
  body: object = {},
  headers: Record<string, string> = {},
): Promise<Reply> {
  const { host, origin } = new URL(localOrigin(backstay));
  return connectJson(backstay.url, `auth.v1.AuthService/${method}`, body, { host, origin, ...headers });
}

/** What the answer says; its reason when it is a refusal. */
// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
export function answered(reply: Reply): any {
  if (reply.status !== 200) throw new Error(`refused: ${reply.reason} ${JSON.stringify(reply.json)}`);
  return reply.json;
}

/** Registers a passkey for whoever has the token; `faults` are those of the page and the device. */
export async function register(
  backstay: TestBackstay,
  token: string,
  { passkey = softPasskey(localOrigin(backstay)), faults = {}, name = "" }: Registering = {},
): Promise<{ passkey: SoftPasskey; reply: Reply }> {
  const { challengeId, options } = answered(await pageCall(backstay, "BeginRegistration", {}, bearer(token)));
  const credential = passkey.create(options, faults);
  const reply = await pageCall(backstay, "FinishRegistration", { challengeId, credential, name }, bearer(token));
  return { passkey, reply };
}

interface Registering {
  passkey?: SoftPasskey;
  faults?: Faults;
  name?: string;
}

/** The request of FinishSignIn by a passkey, for a new challenge. */
export async function signInRequest(backstay: TestBackstay, passkey: SoftPasskey, faults: Faults = {}) {
  const { challengeId, options } = answered(await pageCall(backstay, "BeginSignIn"));
  return { challengeId, credential: passkey.get(options, faults) };
}

/** Signs in by a passkey. */
export async function signInBy(backstay: TestBackstay, passkey: SoftPasskey, faults: Faults = {}): Promise<Reply> {
  return pageCall(backstay, "FinishSignIn", await signInRequest(backstay, passkey, faults));
}

/** The audit log's entries of a type about an account, oldest first, chained or not yet. */
export async function auditOf(backstay: TestBackstay, type: string, accountId: string) {
  const sql = openDatabase(backstay);
  const rows = await sql<{ detail: string }[]>`
    select at, 1 as place, seq, detail from backstay.audit_inbox where type = ${type} and account_id = ${accountId}::uuid
    union all
    select at, 0, sequence, detail from backstay.audit_log where type = ${type} and account_id = ${accountId}::uuid
    order by at, place, seq`;
  return rows.map(({ detail }) => JSON.parse(detail) as Record<string, unknown>);
}
