import type { Ctx } from "../../context.js";
import { DomainError, type Reason } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { callerAccount, unverifyEmail } from "../accounts/index.js";
import type { IdentityKind } from "./store-identities.js";
import * as store from "./store-identities.js";

/**
 * Takes a way in to the caller's account away, when it is of one of these kinds. Throws `missing` when it is not, or there is
 * none, and LAST_WAY_IN. Sign-ins that were made by it stay.
 */
export async function removeWayIn(
  ctx: Ctx,
  { id, kinds, missing }: { id: string; kinds: readonly IdentityKind[]; missing: Reason },
): Promise<void> {
  const accountId = callerAccount(ctx);
  const known = parseId(id);
  const gone = () => new DomainError(missing, undefined, { field: "id" });
  if (known === undefined) throw gone();
  await ctx.transaction(
    async (tx) => {
      // Of two that go at once, each would take the other for what is left.
      await store.holdAccount(tx, { accountId });
      const [identity] = await store.findIdentity(tx, { accountId, id: known });
      if (identity === undefined || !kinds.includes(identity.kind)) throw gone();
      await checkOthers(tx, accountId, known);
      if (identity.kind === "email") await unverifyEmail(tx, accountId);
      else await store.deleteIdentity(tx, { id: known });
      await tx.audit.record(tx, { accountId, ...entryOf(identity) });
    },
    { retry: 2 },
  );
}

async function checkOthers(ctx: Ctx, accountId: string, id: string): Promise<void> {
  const others = await store.findOtherWayIn(ctx, { accountId, id, providers: [...ctx.identityProviders.names] });
  if (others.length === 0) throw new DomainError("LAST_WAY_IN");
}

function entryOf({ id, kind, provider }: store.IdentityRow) {
  if (kind === "passkey") return { type: "passkey.removed", detail: { passkey: id } } as const;
  const detail = { kind, identity: id, ...(provider !== null && { provider }) };
  return { type: "identity.unlinked", detail } as const;
}
