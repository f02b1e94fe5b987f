import type { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import type { Handlers } from "../../manifest.js";
import { listAuditEvents, verifyAuditLog } from "./audit.js";
import { notBefore, toAuditCheck, toAuditEvent } from "./wire-audit.js";

/** The RPCs of AuthService that read the audit log. */
export const auditHandlers = {
  async listAuditEvents(request, ctx) {
    const since = request.since && notBefore(request.since);
    const { events, nextPageToken } = await listAuditEvents(ctx, { ...request, since });
    return { events: events.map(toAuditEvent), nextPageToken };
  },

  async *verifyAuditLog(_, ctx) {
    for await (const check of verifyAuditLog(ctx)) yield toAuditCheck(check);
  },
} satisfies Partial<Handlers<typeof AuthService>>;
