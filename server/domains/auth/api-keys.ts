import { randomBytes } from "node:crypto";
import type { Ctx } from "../../context.js";
import { withoutPackage } from "../../kernel/access-rules.js";
import { endOf, isAdmin } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { sha256 } from "../../kernel/instance-key.js";
import { didYouMean } from "../../kernel/nearest.js";
import { checkOneLine } from "../../kernel/one-line.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { covers, isScope, mayGive, scopeOf } from "../../kernel/scopes.js";
import { readPage, replayedResource } from "../../platform/db/index.js";
import { fetchAccount, submitAdded } from "../accounts/index.js";
import { writeOf } from "./account-gone.js";
import { forgetKeys, NEVER } from "./api-key-callers.js";
import { noteRight } from "./known-proofs.js";
import { namedAccount } from "./named-account.js";
import { checkRecentSignIn } from "./recent-sign-in.js";
import { publishRevocation, revocationEvent } from "./revocation.js";
import * as store from "./store-api-keys.js";

const DEFAULT_PAGE = 50;

/** Whose keys are listed by this are the installation's. */
const INSTALLATION = "-";

export interface CreateApiKeyInput {
  name: string;
  scopes: string[];
  expiresAt: Date | undefined;
  accountId: string;
}

/** Makes a key, and shows it. */
export async function createApiKey(
  ctx: Ctx,
  input: CreateApiKeyInput,
): Promise<{ apiKey: store.ApiKeyRow; key: string }> {
  const at = ctx.clock.now();
  checkOneLine(input.name, "name");
  checkScopes(ctx, input.scopes);
  checkEnd(ctx, input.expiresAt, at);
  const accountId = await newOwner(ctx, input.accountId);
  await checkRecentSignIn(ctx);
  const id = ctx.ids.next();
  const key = `bs_ak_${randomBytes(32).toString("base64url")}`;
  const scopes = [...new Set(input.scopes)];
  const made = {
    ...input,
    id,
    accountId,
    scopes,
    at,
    keyHash: sha256(key),
    keySealed: ctx.key.seal("api-key", key, id),
  };
  const keep = async (tx: Ctx) => {
    const [apiKey] = await insertOnce(tx, made);
    if (apiKey === undefined) return repeated(tx);
    await tx.audit.record(tx, { type: "api_key.created", accountId, detail: { apiKeyId: id, scopes } });
    if (accountId !== undefined) await submitAdded(tx, accountId, "api-key");
    tx.afterCommit(() => noteRight(ctx, { by: "token", text: key }));
    return { apiKey, key };
  };
  return writeOf(ctx, accountId, () => ctx.transaction(keep));
}

/** A page of the keys of an account, or of the installation. */
export async function listApiKeys(
  ctx: Ctx,
  input: { accountId: string; pageSize: number; pageToken: string },
): Promise<{ apiKeys: store.ApiKeyRow[]; nextPageToken: string }> {
  const accountId = listedOwner(ctx, input.accountId);
  const query = { list: "api-keys", accountId: accountId ?? null };
  const from = decodePageToken(ctx.key, query, input.pageToken);
  const afterAt = from && new Date(from[0] as number);
  const afterId = from?.[1] as string | undefined;
  const page = await readPage<store.ApiKeyRow>(input.pageSize || DEFAULT_PAGE, [], (_, limit) =>
    store.listApiKeys(ctx, { accountId, afterAt, afterId, limit }),
  );
  const { rows: apiKeys, next } = page;
  const nextPageToken = next === undefined ? "" : encodePageToken(ctx.key, query, [next.createdAt.getTime(), next.id]);
  return { apiKeys, nextPageToken };
}

/** Ends a key: it proves nothing any more, and what was opened with it ends. */
export async function revokeApiKey(ctx: Ctx, idText: string): Promise<void> {
  const keyId = parseId(idText);
  if (keyId === undefined) throw noKey();
  const accountId = ctx.caller.kind === "account" ? ctx.caller.accountId : undefined;
  await ctx.transaction(async (tx) => {
    const event = revocationEvent(tx, { apiKeyId: keyId });
    const [gone] = await store.deleteApiKey(tx, { ...event, keyId, accountId, anyones: isAdmin(ctx.caller) });
    if (gone === undefined) throw noKey();
    await tx.audit.record(tx, {
      type: "api_key.revoked",
      accountId: gone.accountId ?? undefined,
      detail: { apiKeyId: keyId },
    });
    tx.afterCommit(() => {
      forgetKeys(ctx);
      publishRevocation(ctx.bus, { apiKeyId: keyId });
      ctx.events.wake();
    });
  });
}

function noKey(): DomainError {
  return new DomainError("API_KEY_NOT_FOUND", undefined, { field: "keyId" });
}

function insertOnce(ctx: Ctx, made: store.NewApiKey): Promise<store.ApiKeyRow[]> {
  const { idempotency } = ctx;
  if (idempotency === undefined) return store.insertApiKey(ctx, made);
  const { scope, key, hash: requestHash } = idempotency;
  return store.insertApiKeyOnce(ctx, { ...made, scope, key, requestHash, resourceId: made.id });
}

/** What the first call with the idempotency key answered, the key included: its caller may not have heard it. */
async function repeated(ctx: Ctx): Promise<{ apiKey: store.ApiKeyRow; key: string }> {
  const id = await replayedResource(ctx, ctx.idempotency!);
  const [found] = await store.findApiKey(ctx, { id });
  const key = found && ctx.key.open("api-key", found.keySealed, id);
  if (key === undefined) throw new DomainError("API_KEY_NOT_FOUND");
  return { apiKey: found!, key };
}

function checkScopes(ctx: Ctx, scopes: readonly string[]): void {
  for (const [n, scope] of scopes.entries()) {
    const field = `scopes[${n}]`;
    if (!isScope(scope)) {
      const message = "A scope is `*`, `DOMAIN:read`, `DOMAIN:write`, or an RPC such as `MessageService/SendMessage`";
      throw new DomainError("INVALID_FIELD", `${message}${likeScope(ctx, scope)}`, { field });
    }
    if (!ctx.rpcs.some((rpc) => covers([scope], rpc))) {
      const message = `The scope ${scope} covers nothing that is served here${likeScope(ctx, scope)}`;
      throw new DomainError("INVALID_FIELD", message, { field });
    }
    if (ctx.caller.kind === "anonymous" || ctx.caller.scopes === undefined) continue;
    if (!mayGive(ctx.caller.scopes, scope)) {
      throw new DomainError("SCOPE_MISSING", "An API key gives no scope that it does not have.", { field });
    }
  }
}

/** What a key lets somebody do ends with it: the keys it makes do too. */
function checkEnd({ caller }: Ctx, expiresAt: Date | undefined, at: Date): void {
  const field = "expireTime";
  if (expiresAt !== undefined && expiresAt <= at) {
    throw new DomainError("INVALID_FIELD", "The key would have ended already.", { field });
  }
  if (caller.kind === "anonymous" || caller.apiKeyId === undefined) return;
  const end = endOf(caller);
  if ((expiresAt ?? NEVER).getTime() <= end) return;
  const until = new Date(end).toISOString();
  throw new DomainError("INVALID_FIELD", `An API key makes none that outlasts it: until ${until} at most.`, { field });
}

/** Ends a sentence, by asking for the scope that was perhaps meant when one is like it. */
function likeScope(ctx: Ctx, scope: string): string {
  return didYouMean(scope, [...new Set(ctx.rpcs.flatMap((rpc) => [scopeOf(rpc), withoutPackage(rpc.name)]))]) || ".";
}

/** Whose a new key is to be; undefined is the installation. */
async function newOwner(ctx: Ctx, text: string): Promise<string | undefined> {
  if (text === "" && ctx.caller.kind === "operator") return undefined;
  const id = namedAccount(ctx, text);
  // That there is such an account is told to administrators, who may know it.
  return (await fetchAccount(ctx, id)).id;
}

/** Whose keys are asked for; undefined is the installation. */
function listedOwner(ctx: Ctx, text: string): string | undefined {
  const isInstallation = text === INSTALLATION || (text === "" && ctx.caller.kind === "operator");
  if (!isInstallation) return namedAccount(ctx, text);
  if (!isAdmin(ctx.caller)) throw new DomainError("ADMIN_REQUIRED");
  return undefined;
}
