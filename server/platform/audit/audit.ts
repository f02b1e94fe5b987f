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

/** An entry that has its place. */
export interface LoggedEntry {
  /** 1 and up, without gaps. */
  readonly sequence: bigint;
  readonly at: Date;
  readonly type: string;
  readonly actorKind: string;
  readonly actorId: string | null;
  readonly accountId: string | null;
  readonly address: string;
  readonly requestId: string;
  /** JSON, as it was written. */
  readonly detail: string;
  /** SHA-256 of this entry and of the hash before. */
  readonly hash: Buffer;
}

/** Which entries to list. */
export interface EntriesWanted {
  /** One type, or all that begin with what stands before the star of `sign_in.*`; undefined is all. */
  readonly type: string | undefined;
  /** Who did it, or whom it was done to. */
  readonly accountId: string | undefined;
  readonly since: Date | undefined;
  readonly descending: boolean;
  /** The place of the last entry of the page before. */
  readonly after: bigint | undefined;
  readonly limit: number;
}

/** What is wrong with the log. */
export interface AuditFault {
  /** The place of the fault; 0 when it is of none. */
  readonly sequence: bigint;
  readonly says: string;
}

/** How far a check is. */
export interface AuditProgress {
  readonly checked: number;
  /** The place of the last entry that was checked, or taken by retention; 0 when there was none. */
  readonly sequence: bigint;
  /** The first fault; nothing is checked after it. */
  readonly fault?: AuditFault;
}

/** The log of what somebody may have to answer for. */
export interface Audit {
  /** Writes an entry with the statements of `ctx`: in its transaction, when it is in one. It has its place a moment later. */
  record(ctx: AuditSource, entry: AuditEntry): Promise<void>;
  /** Entries by their places. */
  list(ctx: { readonly db: Db }, wanted: EntriesWanted): Promise<LoggedEntry[]>;
  /** Checks what was in the log when it begins, from the first entry that is kept; answers how far it is, at least once. */
  verify(ctx: { readonly db: Db }): AsyncIterable<AuditProgress>;
  /** Whether no previous secret of the instance key is needed to tell that the log is this installation's. */
  isUnderCurrentKey(ctx: { readonly db: Db }): Promise<boolean>;
  /** Forgets the entries of the log's beginning that happened before `before`; `signal` ends it between two batches. */
  prune(before: Date, signal: AbortSignal): Promise<void>;
}
