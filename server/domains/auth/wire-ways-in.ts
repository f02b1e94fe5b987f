import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { AuthenticatorSchema, IdentitySchema } from "#gen/backstay/auth/v1/identity_pb.js";
import type { PasskeySchema } from "#gen/backstay/auth/v1/passkey_pb.js";
import type { BegunPasskey } from "./passkeys.js";
import type { IdentityRow } from "./store-identities.js";
import type { PasskeyRow } from "./store-passkeys.js";
import type { AuthenticatorRow } from "./store-totp.js";

/** What a browser is asked for, on the wire. */
export function toBegun({ challengeId, options }: BegunPasskey) {
  return { challengeId, options: options as JsonObject };
}

/** A passkey on the wire. */
export function toPasskey({
  id,
  name,
  backedUp,
  createdAt,
  lastUsedAt,
}: PasskeyRow): MessageInitShape<typeof PasskeySchema> {
  return { id, name, backedUp, createTime: timestampFromDate(createdAt), ...lastUse(lastUsedAt) };
}

/** A way in on the wire. */
export function toIdentity({
  id,
  kind,
  provider,
  label,
  createdAt,
  lastUsedAt,
}: IdentityRow): MessageInitShape<typeof IdentitySchema> {
  const createTime = timestampFromDate(createdAt);
  return { id, kind, provider: provider ?? "", label, createTime, ...lastUse(lastUsedAt) };
}

/** An authenticator that is on, on the wire. */
export function toAuthenticator({
  confirmedAt,
  recoveryCodesLeft,
}: AuthenticatorRow): MessageInitShape<typeof AuthenticatorSchema> {
  return { confirmTime: timestampFromDate(confirmedAt), recoveryCodesLeft };
}

function lastUse(at: Date | null) {
  return at === null ? {} : { lastUseTime: timestampFromDate(at) };
}
