import type { ExportCtx } from "../../context.js";
import { readAll } from "../../platform/db/index.js";
import { type ApiKeyRow, listApiKeys } from "./store-api-keys.js";
import { type DeviceRow, listDevices } from "./store-devices.js";
import { type IdentityRow, listIdentities } from "./store-identities.js";
import { findAuthenticator } from "./store-totp.js";

/** The ways in to an account. */
export function ownIdentities(ctx: ExportCtx, accountId: string): AsyncIterable<IdentityRow> {
  return readAll((last: IdentityRow | undefined, limit) => listIdentities(ctx, { accountId, after: last?.id, limit }));
}

/** Where an account is signed in. */
export function ownDevices(ctx: ExportCtx, accountId: string): AsyncIterable<DeviceRow> {
  const at = ctx.clock.now();
  return readAll((last: DeviceRow | undefined, limit) =>
    listDevices(ctx, { accountId, at, beforeAt: last?.createdAt, beforeId: last?.id, limit }),
  );
}

/** The API keys that act for an account. */
export function ownApiKeys(ctx: ExportCtx, accountId: string): AsyncIterable<ApiKeyRow> {
  return readAll((last: ApiKeyRow | undefined, limit) =>
    listApiKeys(ctx, { accountId, afterAt: last?.createdAt, afterId: last?.id, limit }),
  );
}

/** Since when an account has an authenticator; undefined when it has none. */
export async function ownAuthenticator(ctx: ExportCtx, accountId: string): Promise<Date | undefined> {
  return (await findAuthenticator(ctx, { accountId }))[0]?.confirmedAt;
}
