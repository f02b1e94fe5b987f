import type { Ctx } from "../../context.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { readPage } from "../../platform/db/index.js";
import { callerAccount, outsideDetail, outsideLabel, outsideSubject, submitAdded } from "../accounts/index.js";
import { addWayIn } from "./add-way-in.js";
import { provenIdentity, type Returned } from "./oauth.js";
import { checkRecentSignIn } from "./recent-sign-in.js";
import { removeWayIn } from "./remove-way-in.js";
import type { IdentityRow } from "./store-identities.js";
import * as store from "./store-identities.js";
import { type AuthenticatorRow, findAuthenticator } from "./store-totp.js";

const DEFAULT_PAGE = 50;

export async function listIdentities(
  ctx: Ctx,
  input: { pageSize: number; pageToken: string },
): Promise<{ identities: IdentityRow[]; nextPageToken: string; authenticator: AuthenticatorRow | undefined }> {
  const accountId = callerAccount(ctx);
  const query = { list: "identities", accountId };
  const [after] = decodePageToken(ctx.key, query, input.pageToken) ?? [];
  const { rows, next } = await readPage<IdentityRow>(input.pageSize || DEFAULT_PAGE, [], (_, limit) =>
    store.listIdentities(ctx, { accountId, after: after as string | undefined, limit }),
  );
  const [authenticator] = await findAuthenticator(ctx, { accountId });
  const nextPageToken = next === undefined ? "" : encodePageToken(ctx.key, query, [next.id]);
  return { identities: rows, nextPageToken, authenticator };
}

export async function linkIdentity(ctx: Ctx, returned: Returned): Promise<IdentityRow> {
  const accountId = callerAccount(ctx);
  // Before the flow is taken, which can so be finished after another sign-in.
  await checkRecentSignIn(ctx);
  const identity = await provenIdentity(ctx, returned);
  const { provider, issuer } = identity;
  const id = ctx.ids.next();
  const at = ctx.clock.now();
  const label = outsideLabel(identity);
  const subject = outsideSubject(issuer, identity.subject);
  const row = { id, accountId, subject, label, detail: outsideDetail(identity), at };
  await addWayIn("IDENTITY_TAKEN", () =>
    ctx.transaction(async (tx) => {
      await store.linkOutsideIdentity(tx, row);
      const detail = { kind: "oidc", identity: id, provider };
      await tx.audit.record(tx, { type: "identity.linked", accountId, detail });
      await submitAdded(tx, accountId, "identity");
    }),
  );
  return { id, kind: "oidc", provider, label, createdAt: at, lastUsedAt: null };
}

/** A login stays with its account, whose secret it names; what an anonymous account has is no way in that could go. */
export async function unlinkIdentity(ctx: Ctx, id: string): Promise<void> {
  await removeWayIn(ctx, { id, kinds: ["oidc", "passkey", "email"], missing: "IDENTITY_NOT_FOUND" });
}
