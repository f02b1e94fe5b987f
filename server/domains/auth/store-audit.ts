import { statement } from "../../platform/db/index.js";
import { accountNamed } from "../accounts/index.js";

/** Whom a folded login, or a verified address, names. */
export const findNamed = statement<{ subject: string }, { accountId: string }>((p) => accountNamed(p.subject));
