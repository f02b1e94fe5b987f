import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type ApiKey, ApiKeySchema } from "#gen/backstay/auth/v1/api_key_pb.js";
import type { ApiKeyRow } from "./store-api-keys.js";

/** An API key on the wire, without the key itself. */
export function toApiKey({ id, name, accountId, scopes, createdAt, expiresAt, lastUsedAt }: ApiKeyRow): ApiKey {
  return create(ApiKeySchema, {
    id,
    name,
    accountId: accountId ?? "",
    scopes,
    createTime: timestampFromDate(createdAt),
    ...(expiresAt && { expireTime: timestampFromDate(expiresAt) }),
    ...(lastUsedAt && { lastUseTime: timestampFromDate(lastUsedAt) }),
  });
}
