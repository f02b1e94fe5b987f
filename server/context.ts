import type { Caller, Loss } from "./kernel/caller.js";
import type { Clock } from "./kernel/clock.js";
import type { Counters } from "./kernel/counters.js";
import type { Ids } from "./kernel/ids.js";
import type { InstanceKey } from "./kernel/instance-key.js";
import type { DeclaredJobs, JobContext, JsonObject, NewJob } from "./kernel/jobs.js";
import type { ScopedRpc } from "./kernel/scopes.js";
import type { Topics } from "./kernel/topics.js";
import type { DeclaredWebhooks } from "./kernel/webhooks.js";
import type { Audit } from "./platform/audit/audit.js";
import type { Bus } from "./platform/bus/bus.js";
import type { CacheFactory } from "./platform/cache/cache.js";
import type { Database, Db } from "./platform/db/index.js";
import type { EventLog } from "./platform/events/index.js";
import type { Hasher } from "./platform/hasher/hasher.js";
import type { HttpPost } from "./platform/http-post/http-post.js";
import type { IdentityProviders } from "./platform/identity-providers/identity-providers.js";
import type { Log } from "./platform/log.js";
import type { Mailer } from "./platform/mail/mailer.js";
import type { JobRow } from "./platform/queue/index.js";
import type { Settings } from "./settings.js";

/** Who is there, over all nodes. */
export interface Presence {
  /** Says that an account is in a topic by one more stream or socket of this node; returns what ends that. */
  enter(topic: string, accountId: string, data?: object): () => void;
}

/** Where domains submit jobs. */
export interface Jobs {
  /** The jobs and crons that are declared here. */
  readonly declared: DeclaredJobs;
  /**
   * Submits jobs in the order given, by the statements of `ctx`: in its transaction, when it is in one. Throws UNKNOWN_JOB,
   * INVALID_ARGS, JOB_TOO_LARGE, INVALID_FIELD, JOB_EXISTS; the field is that of the job, below `jobs[n].` when there are several.
   */
  submit(ctx: Pick<Ctx, "db" | "afterCommit">, jobs: readonly NewJob[]): Promise<{ job: JobRow; created: boolean }[]>;
  /** Says that jobs were made due otherwise and are committed. */
  offer(jobs: readonly JobRow[]): void;
  /** Says that jobs were cancelled: who runs one of them is told. */
  cancelled(ids: readonly string[]): void;
}

/** What a job of a domain gets: the ports, and what every job gets. It writes to the log as everything else of the server does. */
export type JobCtx = Ports & Omit<JobContext, "log">;

/** The outside world as a verb sees it: ports only, never a domain. */
export interface Ports {
  readonly database: Database;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly key: InstanceKey;
  readonly bus: Bus;
  readonly caches: CacheFactory;
  readonly events: EventLog;
  readonly hasher: Hasher;
  readonly audit: Audit;
  readonly mailer: Mailer;
  readonly identityProviders: IdentityProviders;
  /** The topics an app has declared. */
  readonly topics: Topics;
  /** The counters there are, built in and of an app. */
  readonly counters: Counters;
  readonly presence: Presence;
  readonly jobs: Jobs;
  /** The webhooks that are declared here. */
  readonly webhooks: DeclaredWebhooks;
  /** The way out to servers elsewhere, whose URLs somebody else has chosen. */
  readonly post: HttpPost;
  readonly settings: Settings;
  /** Every RPC that is served here. */
  readonly rpcs: readonly ScopedRpc[];
  /** Fires when this server begins to stop: streams say goodbye. */
  readonly draining: AbortSignal;
  /** Erases what every domain holds of an account; runs inside the caller's transaction. */
  readonly erase: (ctx: EraseCtx, accountId: string) => Promise<void>;
  /** What every domain holds of an account, domain by domain; each page is read when it is asked for. */
  readonly export: (ctx: ExportCtx, accountId: string) => AsyncIterable<ExportedRecord & { domain: string }>;
  readonly signIns: SignIns;
}

/** What domains may know of the sign-ins of accounts that stand above the one that makes them. */
export interface SignIns {
  /** Ends all of an account, with the streams that they, or signatures, opened; runs inside the caller's transaction. */
  endAll(ctx: EraseCtx, accountId: string): Promise<void>;
  /** Has every node look anew at what an account may do; runs inside the caller's transaction. */
  rightsChanged(ctx: EraseCtx, accountId: string): Promise<void>;
  /** What some callers have lost since they were admitted, of those who did, as the database has it now. */
  lossesOf(callers: readonly Caller[]): Promise<ReadonlyMap<Caller, Loss>>;
  /** Calls back when a caller is signed out anywhere, or loses a role; returns what ends that. */
  onLoss(caller: Caller, listener: (loss: Loss) => void): () => void;
}

/** What erasing gets: the transaction that deletes an account, or one after it. */
export type EraseCtx = Ports & Pick<Ctx, "db" | "caller" | "afterCommit">;

/** What exporting gets. */
export type ExportCtx = Ports & Pick<Ctx, "db">;

/** Something that a domain holds of an account. */
export interface ExportedRecord {
  /** What it is, such as `message`. */
  readonly kind: string;
  /** In the words of the API. Nothing secret stands in it, and of others nothing that the account may not see. */
  readonly record: JsonObject;
}

/** One repeatable create: its row commits with what the call makes. */
export interface Idempotency {
  /** Who and what: the same key of another caller or method is another key. */
  readonly scope: string;
  readonly key: string;
  /** Keyed hash of the request, as it is kept. */
  readonly hash: Buffer;
  /** Whether a hash that was kept is of this request; the instance key may have changed since. */
  readonly isOfRequest: (hash: Uint8Array) => boolean;
}

/** The browser's session cookie, whatever its name is on this connection. */
export interface SessionCookie {
  /** The one that came with the call, but not when another site's page made the browser send it. */
  readonly sent: string | undefined;
  /** Whether another site's page asked, as far as a browser tells. */
  readonly isForeign: boolean;
  /**
   * Throws CROSS_SITE when another site's page, or a link, may have asked for the change of a browser's cookie: neither is to
   * sign people in as somebody, nor out.
   */
  check(): void;
  /** Gives the browser a new one with the answer, in place of any it has. */
  set(value: string, ttlMs: number): void;
  /** Takes it back with the answer. */
  clear(): void;
}

/**
 * What a browser keeps for us besides its session, each under a name of its own and as well guarded as that. Of flows it may have
 * several, each named by 16 hex digits more.
 */
export type KeptName = "device" | `flow_${string}`;

/** The cookies of a call's browser besides its session. */
export interface KeptCookies {
  /** The one that came with the call, but not when another site's page made the browser send it. */
  sent(name: KeptName): string | undefined;
  /** The names of flows that came with the call, under the same condition. */
  flows(): KeptName[];
  set(name: KeptName, value: string, ttlMs: number): void;
  clear(name: KeptName): void;
}

/** Who sends a call, as far as the connection tells. */
export interface Client {
  /** The address, that of the browser or program where proxies in between are trusted. */
  readonly address: string;
  /** What the program says of itself, without control characters; empty when it does not. At most 256 characters. */
  readonly userAgent: string;
  /** The origin the call was sent to, such as `http://localhost:8000`, only when that is this very machine. */
  readonly localOrigin: string | undefined;
  /** Whether it calls by the predecessor's paths: these show no tokens, and their programs sign with the account's secret. */
  readonly isCompat: boolean;
}

/** What a verb gets: who calls, when, with what, and through which transaction. */
export interface Ctx extends Ports {
  readonly caller: Caller;
  readonly session: SessionCookie;
  readonly kept: KeptCookies;
  readonly client: Client;
  readonly requestId: string;
  /** The pool, or the transaction the verb runs in. Its statements end when the call does. */
  readonly db: Db;
  /** Fires when the caller hangs up, the deadline passes or the server stops. */
  readonly signal: AbortSignal;
  /** Set when the caller sent an idempotency key with a create. */
  readonly idempotency: Idempotency | undefined;
  /** Runs `verb` in one transaction, again from its start when rows were fought over; at most `retry` times more. */
  transaction<T>(verb: (ctx: Ctx) => Promise<T>, options?: { retry?: number }): Promise<T>;
  /** Runs `effect` once what this call wrote is committed: at once outside of a transaction. */
  afterCommit(effect: () => void): void;
}
