import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import type { Handlers } from "../../manifest.js";
import { createApiKey, listApiKeys, revokeApiKey } from "./api-keys.js";
import { toApiKey } from "./wire-api-key.js";

/** The methods of API keys. */
export const apiKeyHandlers = {
  async createApiKey({ name, scopes, accountId, expireTime }, ctx) {
    const input = { name, scopes, accountId, expiresAt: expireTime && timestampDate(expireTime) };
    const { apiKey, key } = await createApiKey(ctx, input);
    return { apiKey: toApiKey(apiKey), key };
  },

  async listApiKeys(request, ctx) {
    const { apiKeys, nextPageToken } = await listApiKeys(ctx, request);
    return { apiKeys: apiKeys.map(toApiKey), nextPageToken };
  },

  async revokeApiKey({ keyId }, ctx) {
    await revokeApiKey(ctx, keyId);
    return {};
  },
} satisfies Partial<Handlers<typeof AuthService>>;
