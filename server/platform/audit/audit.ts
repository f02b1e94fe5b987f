import type { Caller } from "../../kernel/caller.js";
import type { Clock } from "../../kernel/clock.js";
import type { Db } from "../db/index.js";

/** What the audit log knows; docs/audit.md says what each is. */
export type AuditType =
  | "account.created"
  | "account.deleted"
  | "account.exported"
  | "account.status_changed"
  | "admin.called"
  | "anonymous.upgraded"
  | "api_key.created"
  | "api_key.revoked"
  | "device.revoked"
  | "email.verified"
  | "identity.linked"
  | "identity.unlinked"
  | "key.rotated"
  | "passkey.added"
  | "passkey.removed"
  | "recovery_code.used"
  | "recovery_codes.drawn"
  | "refresh_token.reused"
  | "role.granted"
  | "role.revoked"
  | "secret.changed"
  | "secret.reset"
  | "secret.reset_asked"
  | "sign_in.failed"
  | "sign_in.ok"
  | "sign_in.throttled"
  | "sign_out"
  | "totp.off"
  | "totp.on";

/** What happened. Nothing secret may stand in it, and nothing that was typed where a secret may have been typed by mistake. */
export interface AuditEntry {
  readonly type: AuditType;
  /** The account it was done to; absent when it was none, or an unknown one. */
  readonly accountId?: string | undefined;
  /** More, by type. */
  readonly detail?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

/** What an entry takes from the call it is written by: a call's context has all of it. */
export interface AuditSource {
  readonly db: Db;
  readonly clock: Clock;
  readonly caller: Caller;
  /** The call's; absent in a job. */
  readonly requestId?: string;
  /** Who sends the call; absent in a job. */
  readonly client?: { readonly address: string };
  afterCommit(effect: () => void): void;
}

/** The log of what somebody may have to answer for. */
export interface Audit {
  /** Writes an entry with the statements of `ctx`: in its transaction, when it is in one. */
  record(ctx: AuditSource, entry: AuditEntry): Promise<void>;
}
