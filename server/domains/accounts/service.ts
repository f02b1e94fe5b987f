import type { Ctx } from "../../context.js";
import { isAdmin } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { checkOneLine } from "../../kernel/one-line.js";
import { checkMayLetIn } from "../../kernel/scopes.js";
import { ConstraintError, replayedResource } from "../../platform/db/index.js";
import { checkBirthday } from "./birthday.js";
import { changeEvent } from "./change-event.js";
import { checkSigningLogin, foldLogin } from "./login.js";
import { submitReplaced } from "./replaced-address.js";
import { checkNewSecret, sealSecret } from "./secret.js";
import type { AccountRow, AccountText } from "./store.js";
import * as store from "./store.js";

/** An account as a caller may see it: whole, or its public part. */
export interface SeenAccount {
  account: AccountRow;
  whole: boolean;
}

export interface CreateAccountInput extends AccountText {
  login: string;
  secret: string;
  roles: string[];
  /** Whether to keep the secret for signatures too. */
  signatures: boolean;
}

/** What an account has besides: the server alone sets it, or an administrator by a verb of its own. */
const FORBIDDEN = ["id", "login", "roles", "status", "email_verified", "create_time", "update_time"];

const CHANGEABLE = ["name", "alias", "email", "phone", "gender", "birthday", "address"] as const;

export async function createAccount(ctx: Ctx, input: CreateAccountInput): Promise<AccountRow> {
  if (input.roles.length > 0 && !isAdmin(ctx.caller)) {
    throw new DomainError("ADMIN_REQUIRED", "Only an administrator gives roles.", { field: "roles" });
  }
  if (input.roles.length > 0) checkMayLetIn(ctx.caller, "roles");
  if (!ctx.settings.accounts.openRegistration && !isAdmin(ctx.caller)) throw new DomainError("REGISTRATION_CLOSED");
  return makeAccount(ctx, input);
}

/** Makes an account whoever asks; the callers of this have decided that it may be. */
export async function makeAccount(ctx: Ctx, input: CreateAccountInput): Promise<AccountRow> {
  checkNewSecret(ctx, input.secret, "secret");
  checkOneLine(input.name, "name");
  checkOneLine(input.alias, "alias");
  checkBirthday(input.birthday, "birthday");
  const { secret, signatures, ...text } = input;
  if (signatures) checkSigningLogin(text.login, "login");
  const id = ctx.ids.next();
  const account = {
    ...text,
    id,
    identityId: ctx.ids.next(),
    subject: foldLogin(input.login),
    alias: input.alias || input.name,
    roles: [...input.roles].sort(),
    secretSealed: sealSecret(ctx, { accountId: id, login: text.login, secret, signatures }),
    secretPhc: await ctx.hasher.hash(secret),
    at: ctx.clock.now(),
  };
  const made = await ctx
    .transaction(async (tx) => {
      const inserted = await insertOnce(tx, account);
      if (inserted === id) await tx.audit.record(tx, createdEntry(account));
      return inserted;
    })
    .catch(rethrowTaken);
  return freshAccount(ctx, made);
}

function createdEntry({ id, roles }: { id: string; roles: readonly string[] }) {
  return { type: "account.created", accountId: id, detail: { method: "secret", roles } } as const;
}

async function insertOnce(ctx: Ctx, account: store.NewAccount): Promise<string> {
  const { idempotency } = ctx;
  const insert = () => {
    if (idempotency === undefined) return store.insertAccount(ctx, account);
    const { scope, key, hash: requestHash } = idempotency;
    return store.insertAccountOnce(ctx, { ...account, scope, key, requestHash, resourceId: account.id });
  };
  const [made] = await insert();
  if (made === undefined) return replayedResource(ctx, idempotency!);
  if (made.id === null) throw loginTaken();
  return made.id;
}

/** Says of a login that cannot be inserted that it is taken. */
export function rethrowTaken(error: unknown): never {
  if (error instanceof ConstraintError && error.constraint === "identities_kind_subject") throw loginTaken();
  throw error;
}

/** What whoever wants a login is told that leads to somebody else. */
export function loginTaken(): DomainError {
  return new DomainError("LOGIN_TAKEN", undefined, { field: "login" });
}

export async function getAccount(ctx: Ctx, idText: string): Promise<SeenAccount> {
  const account = await fetchAccount(ctx, resolveAccountId(ctx, idText));
  return { account, whole: maySeeWhole(ctx, account.id) };
}

export async function batchGetAccounts(ctx: Ctx, idTexts: string[]): Promise<SeenAccount[]> {
  const asked = idTexts.map((text) => (text === "me" ? resolveAccountId(ctx, text) : parseId(text)));
  const ids = [...new Set(asked.filter((id) => id !== undefined))];
  const found = new Map((await store.findAccounts(ctx, { ids })).map((account) => [account.id, account]));
  return ids
    .map((id) => found.get(id))
    .filter((account) => account !== undefined)
    .map((account) => ({ account, whole: maySeeWhole(ctx, account.id) }));
}

export async function updateAccount(
  ctx: Ctx,
  input: { id: string; values: AccountText; paths: string[] },
): Promise<AccountRow> {
  const id = await mayChange(ctx, input.id);
  const change = pick(input.values, input.paths);
  if (change.name === "") {
    throw new DomainError("INVALID_FIELD", "The name cannot be empty.", { field: "account.name" });
  }
  checkOneLine(change.name ?? "", "account.name");
  checkOneLine(change.alias ?? "", "account.alias");
  if (change.birthday !== undefined) checkBirthday(change.birthday, "account.birthday");
  // Codes for a new secret are mailed to it.
  if (change.email !== undefined) checkMayLetIn(ctx.caller, "account.email");
  const update = async (inner: Ctx) => {
    const [changed] = await store.updateAccount(inner, {
      ...change,
      id,
      ...changeEvent(ctx, id, input.paths),
    });
    if (changed === undefined) throw notFound();
    if (changed.lastWayIn) throw new DomainError("LAST_WAY_IN", undefined, { field: "account.email" });
    if (changed.replaced !== null) await submitReplaced(inner, changed.replaced);
    if (id !== callerId(ctx)) await inner.audit.record(inner, updatedEntry(id));
    accountRows(inner).wrote(inner, id);
    inner.afterCommit(() => ctx.events.wake());
  };
  // What is told of a change is kept with it; most changes are told by the statement itself.
  const isTold = change.email !== undefined || id !== callerId(ctx);
  await (isTold ? ctx.transaction(update, { retry: 3 }) : update(ctx));
  return freshAccount(ctx, id);
}

/** What an administrator does to somebody else's account. */
function updatedEntry(id: string) {
  const method = "backstay.accounts.v1.AccountService/UpdateAccount";
  return { type: "admin.called", accountId: id, detail: { method, id } } as const;
}

/** The account of `id`, at most a second old. Throws ACCOUNT_NOT_FOUND. */
export function fetchAccount(ctx: Ctx, id: string): AccountRow | Promise<AccountRow> {
  return accountRows(ctx).read(ctx, id, (source) => freshAccount(source, id));
}

/** Whether the installation has an administrator. */
export async function hasAdmin(ctx: Pick<Ctx, "db">): Promise<boolean> {
  return (await store.findRole(ctx, { role: "admin" })).length > 0;
}

/** The id an RPC's text names; empty and `me` are the caller's own. Throws ACCOUNT_NOT_FOUND, ACCOUNT_REQUIRED. */
export function resolveAccountId(ctx: Ctx, text: string): string {
  if (text === "" || text === "me") return callerAccount(ctx);
  const id = parseId(text);
  if (id === undefined) throw notFound();
  return id;
}

/** The caller's own account id. Throws ACCOUNT_REQUIRED for the operator, who has none. */
export function callerAccount(ctx: Ctx): string {
  if (ctx.caller.kind !== "account") throw new DomainError("ACCOUNT_REQUIRED");
  return ctx.caller.accountId;
}

function callerId({ caller }: Ctx): string | undefined {
  return caller.kind === "account" ? caller.accountId : undefined;
}

function maySeeWhole(ctx: Ctx, id: string): boolean {
  return callerId(ctx) === id || isAdmin(ctx.caller);
}

/** Everyone may read an account, so whoever may not change it is told so, once it is known to exist. */
export async function mayChange(ctx: Ctx, idText: string): Promise<string> {
  const id = resolveAccountId(ctx, idText);
  if (!maySeeWhole(ctx, id)) {
    await fetchAccount(ctx, id);
    throw new DomainError("NOT_YOUR_ACCOUNT");
  }
  return id;
}

function pick(values: AccountText, paths: string[]): { [Name in keyof AccountText]: string | undefined } {
  if (paths.length === 0) {
    throw new DomainError("INVALID_MASK", "Nothing is to be changed: give a field, or name it in updateMask.", {
      field: "updateMask",
    });
  }
  const forbidden = paths.find((path) => FORBIDDEN.includes(path));
  if (forbidden !== undefined) {
    const name = forbidden.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    throw new DomainError("FIELD_FORBIDDEN", `The field ${name} is not the caller's to set.`, {
      field: `account.${name}`,
    });
  }
  const unknown = paths.find((path) => !(CHANGEABLE as readonly string[]).includes(path));
  if (unknown !== undefined) {
    throw new DomainError("INVALID_MASK", `The field ${unknown} cannot be changed.`, { field: "updateMask" });
  }
  const chosen = (name: keyof AccountText) => (paths.includes(name) ? values[name] : undefined);
  return {
    name: chosen("name"),
    alias: chosen("alias"),
    email: chosen("email"),
    phone: chosen("phone"),
    gender: chosen("gender"),
    birthday: chosen("birthday"),
    address: chosen("address"),
  };
}

/** The account of `id` as the database has it now; undefined when there is none. */
export async function readAccount(ctx: Pick<Ctx, "db">, id: string): Promise<AccountRow | undefined> {
  return (await store.findAccounts(ctx, { ids: [id] }))[0];
}

/** The same. Throws ACCOUNT_NOT_FOUND. */
export async function freshAccount(ctx: Pick<Ctx, "db">, id: string): Promise<AccountRow> {
  const account = await readAccount(ctx, id);
  if (account === undefined) throw notFound();
  return account;
}

/** What is remembered of accounts; whoever changes one says so. */
export function accountRows(ctx: Pick<Ctx, "caches">) {
  return ctx.caches.rows<AccountRow>("accounts", { max: 20_000, ttlMs: 1_000 });
}

/** What whoever asks for an account that is not there is told. */
export function notFound(): DomainError {
  return new DomainError("ACCOUNT_NOT_FOUND", undefined, { field: "id" });
}
