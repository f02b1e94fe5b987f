import { create, type JsonObject } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type AuditEvent,
  AuditEventSchema,
  type VerifyAuditLogResponse,
  VerifyAuditLogResponseSchema,
} from "#gen/backstay/auth/v1/audit_pb.js";
import type { AuditCheck, AuditRow } from "./audit.js";

/** An entry of the audit log on the wire. */
export function toAuditEvent(row: AuditRow): AuditEvent {
  return create(AuditEventSchema, {
    sequence: row.sequence,
    time: timestampFromDate(row.at),
    type: row.type,
    actorKind: row.actorKind,
    actorId: row.actorId ?? "",
    accountId: row.accountId ?? "",
    address: row.address,
    requestId: row.requestId,
    detail: readDetail(row.detail),
    hash: row.hash.toString("hex"),
  });
}

/** How far a check is, on the wire. */
export function toAuditCheck({ checked, sequence, done, fault }: AuditCheck): VerifyAuditLogResponse {
  return create(VerifyAuditLogResponseSchema, {
    checkedCount: BigInt(checked),
    lastSequence: sequence,
    done,
    fault: fault?.says ?? "",
    faultSequence: fault?.sequence ?? 0n,
  });
}

/** A time in whole milliseconds, not before it: entries have no finer ones. */
export function notBefore({ seconds, nanos }: Timestamp): Date {
  return new Date(Number(seconds) * 1_000 + Math.ceil(nanos / 1e6));
}

/** What somebody wrote there past the server may be no JSON: the rest is shown all the same, and the check finds it. */
function readDetail(text: string): JsonObject {
  try {
    const detail: unknown = JSON.parse(text);
    return typeof detail === "object" && detail !== null && !Array.isArray(detail) ? (detail as JsonObject) : {};
  } catch {
    return {};
  }
}
