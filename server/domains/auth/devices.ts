import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { readPage } from "../../platform/db/index.js";
import { callerAccount } from "../accounts/index.js";
import { revokeFamily, revokeOthers } from "./revoke.js";
import * as store from "./store-devices.js";

const DEFAULT_PAGE = 50;

/** A sign-in that stands. */
export interface Device extends store.DeviceRow {
  /** Whether it is the one that makes the call. */
  current: boolean;
}

export interface ListDevicesInput {
  pageSize: number;
  pageToken: string;
}

/** The caller's sign-ins that still stand, newest first. */
export async function listDevices(
  ctx: Ctx,
  input: ListDevicesInput,
): Promise<{ devices: Device[]; nextPageToken: string }> {
  const accountId = callerAccount(ctx);
  const query = { list: "devices", accountId };
  const [ms, id] = decodePageToken(ctx.key, query, input.pageToken) ?? [];
  const before = { beforeAt: ms === undefined ? undefined : new Date(ms), beforeId: id as string | undefined };
  const { rows, next } = await readPage<store.DeviceRow>(input.pageSize || DEFAULT_PAGE, [], (_, limit) =>
    store.listDevices(ctx, { accountId, at: ctx.clock.now(), ...before, limit }),
  );
  return {
    devices: rows.map((device) => ({ ...device, current: device.id === ownFamily(ctx) })),
    nextPageToken: next === undefined ? "" : encodePageToken(ctx.key, query, [next.createdAt.getTime(), next.id]),
  };
}

/** Ends one of the caller's sign-ins. Throws DEVICE_NOT_FOUND. */
export async function revokeDevice(ctx: Ctx, deviceId: string): Promise<void> {
  const accountId = callerAccount(ctx);
  const id = parseId(deviceId);
  const at = ctx.clock.now();
  const [found] = id === undefined ? [] : await store.findDevice(ctx, { id, accountId, at });
  if (found === undefined) throw new DomainError("DEVICE_NOT_FOUND", undefined, { field: "deviceId" });
  await ctx.transaction(
    async (tx) => {
      await revokeFamily(tx, found.id);
      await ctx.audit.record(tx, { type: "device.revoked", accountId, detail: { device: found.id } });
    },
    { retry: 3 },
  );
}

/** Ends all of the caller's sign-ins but the one that calls; answers how many. */
export async function revokeOtherDevices(ctx: Ctx): Promise<number> {
  const accountId = callerAccount(ctx);
  return ctx.transaction(
    async (tx) => {
      const count = await revokeOthers(tx, accountId);
      await ctx.audit.record(tx, { type: "device.revoked", accountId, detail: { others: count } });
      return count;
    },
    { retry: 3 },
  );
}

function ownFamily({ caller }: Ctx): string | undefined {
  return caller.kind === "account" ? caller.familyId : undefined;
}
