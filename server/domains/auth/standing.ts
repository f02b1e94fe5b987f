import type { Ctx } from "../../context.js";
import type { Caller, Loss } from "../../kernel/caller.js";
import { fetchMarks, fetchRoles } from "../accounts/index.js";
import { standingKeys } from "./api-key-callers.js";
import * as store from "./store.js";

/** Who is asked about, and where that is looked up: by no call's own connection to the database, which ends with its call. */
export type Asked = Pick<Ctx, "caller" | "database">;

/**
 * What the callers of some calls have lost, of those who did: the sign-in of their token or cookie, their API key, the secret they
 * signed with, or a role. However many they are, it is a query for each.
 */
export async function lossesOf<Call extends Asked>(calls: readonly Call[]): Promise<Map<Call, Loss>> {
  const [first] = calls;
  if (first === undefined) return new Map();
  const callers = calls.map(({ caller }) => caller);
  const from = { db: first.database };
  const gone = new Set((await Promise.all(PROOFS.map((proof) => proof(from, callers)))).flat());
  const less = new Set(await fallenRoles(from, callers));
  const losses = new Map<Call, Loss>();
  for (const call of calls) {
    if (gone.has(call.caller)) losses.set(call, "sign-in");
    else if (less.has(call.caller)) losses.set(call, "role");
  }
  return losses;
}

/** Looks for those of some callers of whom something does not hold any more. */
type Fallen = (from: Pick<Ctx, "db">, callers: readonly Caller[]) => Promise<Caller[]>;

/** `find` looks up by ids what `stands` is told; callers without an id do not depend on it. */
function fallen<Known>(
  idOf: (caller: Caller) => string | undefined,
  find: (from: Pick<Ctx, "db">, ids: string[]) => Promise<Known>,
  stands: (caller: Caller, known: Known) => boolean,
): Fallen {
  return async (from, callers) => {
    const asked = callers.filter((caller) => idOf(caller) !== undefined);
    if (asked.length === 0) return [];
    const known = await find(from, [...new Set(asked.map((caller) => idOf(caller)!))]);
    return asked.filter((caller) => !stands(caller, known));
  };
}

const PROOFS: readonly Fallen[] = [
  fallen(familyOf, standingFamilies, (caller, known) => known.has(familyOf(caller)!)),
  fallen(keyOf, standingKeys, (caller, known) => known.has(keyOf(caller)!)),
  fallen(signerOf, fetchMarks, (caller, known) => isMark(caller, known.get(signerOf(caller)!))),
];

const fallenRoles = fallen(roleHolderOf, fetchRoles, (caller, known) => {
  const { roles } = caller as AccountCaller;
  return roles.every((role) => known.get(roleHolderOf(caller)!)?.includes(role));
});

type AccountCaller = Extract<Caller, { kind: "account" }>;

function familyOf(caller: Caller): string | undefined {
  return caller.kind === "account" ? caller.familyId : undefined;
}

function keyOf(caller: Caller): string | undefined {
  return caller.kind === "anonymous" ? undefined : caller.apiKeyId;
}

function signerOf(caller: Caller): string | undefined {
  return caller.kind === "account" && caller.secretMark !== undefined ? caller.accountId : undefined;
}

function isMark(caller: Caller, mark: Buffer | undefined): boolean {
  return mark?.equals((caller as AccountCaller).secretMark!) ?? false;
}

function roleHolderOf(caller: Caller): string | undefined {
  return caller.kind === "account" && caller.roles.length > 0 ? caller.accountId : undefined;
}

async function standingFamilies(from: Pick<Ctx, "db">, familyIds: string[]): Promise<Set<string>> {
  const found = await store.findFamilies(from, { familyIds });
  return new Set(found.map(({ familyId }) => familyId));
}
