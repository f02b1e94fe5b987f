import { DomainError, type Reason } from "../../kernel/errors.js";
import { ConstraintError } from "../../platform/db/index.js";

/** Adds a way in to the caller's account. Throws `taken` when it is one already, and INVALID_TOKEN when the account went meanwhile. */
export async function addWayIn(taken: Reason, add: () => Promise<void>): Promise<void> {
  try {
    await add();
  } catch (error) {
    if (!(error instanceof ConstraintError)) throw error;
    if (error.constraint === "identities_kind_subject") throw new DomainError(taken);
    if (error.kind === "foreign_key") throw new DomainError("INVALID_TOKEN");
    throw error;
  }
}
