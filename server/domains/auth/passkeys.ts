import type { Ctx } from "../../context.js";
import type { JsonObject } from "../../kernel/jobs.js";
import { checkOneLine } from "../../kernel/one-line.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { readPage } from "../../platform/db/index.js";
import { callerAccount, fetchAccount, submitAdded } from "../accounts/index.js";
import { addWayIn } from "./add-way-in.js";
import { keepChallenge, takeChallenge } from "./challenges.js";
import { checkRecentSignIn } from "./recent-sign-in.js";
import { relyingParty } from "./relying-party.js";
import { removeWayIn } from "./remove-way-in.js";
import type { PasskeyRow } from "./store-passkeys.js";
import * as store from "./store-passkeys.js";

/** How long a browser may take, in milliseconds. */
export const PASSKEY_TTL = 5 * 60_000;

/** As many are told to a browser, so that a device does not make a second one. */
const MOST_TOLD = 100;
const DEFAULT_NAME = "Passkey";
const DEFAULT_PAGE = 50;

/** Loaded by the first verb that needs it: its library is a fifth of all that a server would load to start. */
export const webauthn = () => import("./webauthn.js");

/** What is remembered of a browser that was asked for a passkey. */
export interface PasskeyChallenge {
  challenge: string;
}

/** What to ask the browser for, and the name under which its answer is awaited. */
export interface BegunPasskey {
  challengeId: string;
  options: JsonObject;
}

export async function beginRegistration(ctx: Ctx): Promise<BegunPasskey> {
  const accountId = callerAccount(ctx);
  // Not asked again at the end: that takes what was begun here, minutes ago at most, and a device has made its passkey by then.
  await checkRecentSignIn(ctx);
  const party = relyingParty(ctx);
  const { askForPasskey } = await webauthn();
  const { login, email, name } = await fetchAccount(ctx, accountId);
  const credentials = await store.findCredentials(ctx, { accountId, most: MOST_TOLD });
  const known = credentials.map(({ credentialId: id, detail: { transports } }) => ({ id, transports }));
  const owner = { accountId, login: login ?? (email || name), name, known };
  const { options, challenge } = await askForPasskey(party, ctx.settings.appName, owner, PASSKEY_TTL);
  const id = ctx.ids.next();
  const data: PasskeyChallenge = { challenge };
  await keepChallenge(ctx, { id, kind: "passkey-registration", accountId, ttl: PASSKEY_TTL, data });
  return { challengeId: id, options };
}

export async function finishRegistration(
  ctx: Ctx,
  input: { challengeId: string; credential: JsonObject; name: string },
): Promise<PasskeyRow> {
  const accountId = callerAccount(ctx);
  checkOneLine(input.name, "name");
  const party = relyingParty(ctx);
  const { newPasskey } = await webauthn();
  const begun = { id: input.challengeId, kind: "passkey-registration", accountId } as const;
  const { challenge } = await takeChallenge<PasskeyChallenge>(ctx, begun);
  const { id: credentialId, detail } = await newPasskey(party, challenge, input.credential);
  const id = ctx.ids.next();
  const at = ctx.clock.now();
  const name = input.name || DEFAULT_NAME;
  const row = { id, accountId, credentialId, name, detail: JSON.stringify(detail), at };
  await addWayIn("PASSKEY_TAKEN", () =>
    ctx.transaction(async (tx) => {
      await store.insertPasskey(tx, row);
      await tx.audit.record(tx, { type: "passkey.added", accountId, detail: { passkey: id } });
      await submitAdded(tx, accountId, "passkey");
    }),
  );
  return { id, name, backedUp: detail.backedUp, createdAt: at, lastUsedAt: null };
}

export async function listPasskeys(
  ctx: Ctx,
  input: { pageSize: number; pageToken: string },
): Promise<{ passkeys: PasskeyRow[]; nextPageToken: string }> {
  const accountId = callerAccount(ctx);
  const query = { list: "passkeys", accountId };
  const [after] = decodePageToken(ctx.key, query, input.pageToken) ?? [];
  const { rows, next } = await readPage<PasskeyRow>(input.pageSize || DEFAULT_PAGE, [], (_, limit) =>
    store.listPasskeys(ctx, { accountId, after: after as string | undefined, limit }),
  );
  return { passkeys: rows, nextPageToken: next === undefined ? "" : encodePageToken(ctx.key, query, [next.id]) };
}

export async function deletePasskey(ctx: Ctx, id: string): Promise<void> {
  await removeWayIn(ctx, { id, kinds: ["passkey"], missing: "PASSKEY_NOT_FOUND" });
}
