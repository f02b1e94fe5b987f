import type { Ctx } from "../../context.js";
import { ConstraintError } from "../../platform/db/index.js";
import { insertOutsideAccount } from "./store-outside-identity.js";
import { foldEmail } from "./ways-in.js";

/** Who a provider says somebody is. */
export interface OutsideIdentity {
  /** The provider's name here. */
  provider: string;
  issuer: string;
  /** The provider's own name for him. */
  subject: string;
  name: string | undefined;
  email: string | undefined;
  /** Whether the address counts as shown to be his. */
  emailVerified: boolean;
}

/** What others see of somebody whose provider gives no name. */
const NAMELESS = "Guest";

/** The subject of an identity here. No issuer has a blank in it, so that no two are the same. */
export function outsideSubject(issuer: string, subject: string): string {
  return `${issuer} ${subject}`;
}

/** What its owner knows an identity by. */
export function outsideLabel({ email, name, subject }: OutsideIdentity): string {
  return email ?? name ?? subject;
}

/** What is kept of an identity besides its subject, as JSON. */
export function outsideDetail({ provider, issuer, subject }: OutsideIdentity): string {
  return JSON.stringify({ provider, issuer, sub: subject });
}

/**
 * Makes an account that signs in at a provider; answers its id, or undefined when the identity has one by now. An address that
 * counts as shown becomes a way in, unless it is another's: nothing of that account is touched then.
 */
export async function makeOutsideAccount(ctx: Ctx, identity: OutsideIdentity): Promise<string | undefined> {
  const { provider, issuer, subject, name = NAMELESS, email = "", emailVerified } = identity;
  const id = ctx.ids.next();
  const account = {
    id,
    name,
    email,
    at: ctx.clock.now(),
    identityId: ctx.ids.next(),
    subject: outsideSubject(issuer, subject),
    label: outsideLabel(identity),
    detail: outsideDetail(identity),
    emailId: ctx.ids.next(),
    verified: emailVerified ? foldEmail(email) : undefined,
  };
  return ctx
    .transaction(async (tx) => {
      await insertOutsideAccount(tx, account);
      await tx.audit.record(tx, { type: "account.created", accountId: id, detail: { method: "oidc", provider } });
      return id;
    })
    .catch((error) => {
      if (error instanceof ConstraintError && error.constraint === "identities_kind_subject") return undefined;
      throw error;
    });
}
