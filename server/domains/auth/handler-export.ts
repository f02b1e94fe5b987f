import { create, type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { ApiKeySchema } from "#gen/backstay/auth/v1/api_key_pb.js";
import { DeviceSchema } from "#gen/backstay/auth/v1/device_pb.js";
import { IdentitySchema } from "#gen/backstay/auth/v1/identity_pb.js";
import type { ExportCtx, ExportedRecord } from "../../context.js";
import { ownApiKeys, ownAuthenticator, ownDevices, ownIdentities } from "./export.js";
import { toApiKey } from "./wire-api-key.js";
import { toDevice } from "./wire-device.js";
import { toIdentity } from "./wire-ways-in.js";

/** How an account can be signed in to, where it is, and what acts for it; nothing that proves anything. */
export async function* exportSignIns(ctx: ExportCtx, accountId: string): AsyncGenerator<ExportedRecord> {
  for await (const row of ownIdentities(ctx, accountId)) {
    yield toRecord("identity", IdentitySchema, create(IdentitySchema, toIdentity(row)));
  }
  const since = await ownAuthenticator(ctx, accountId);
  if (since !== undefined) yield { kind: "authenticator", record: { createTime: since.toISOString() } };
  for await (const row of ownDevices(ctx, accountId)) {
    yield toRecord("device", DeviceSchema, toDevice({ ...row, current: false }));
  }
  for await (const row of ownApiKeys(ctx, accountId)) yield toRecord("api_key", ApiKeySchema, toApiKey(row));
}

function toRecord<Desc extends DescMessage>(kind: string, schema: Desc, message: MessageShape<Desc>): ExportedRecord {
  return { kind, record: toJson(schema, message) as ExportedRecord["record"] };
}
