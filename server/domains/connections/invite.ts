import { DomainError } from "../../kernel/errors.js";
import type { JsonObject } from "../../kernel/jobs.js";

/** The properties of a connection that is put: an invite begins as `sent`. Throws INVITE_STATE when it says anything else. */
export function beginInvite(type: string, properties: JsonObject): JsonObject {
  if (type !== "invite") return properties;
  const { state = "sent" } = properties;
  if (state !== "sent") throw new DomainError("INVITE_STATE", undefined, { field: "properties.state" });
  return { ...properties, state };
}
