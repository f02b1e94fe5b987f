import type { CachedTable } from "./kernel/cached-tables.js";

/** What domains may know of the configuration, without knowing where it came from. Durations in milliseconds. */
export interface Settings {
  readonly version: string;
  readonly development: boolean;
  readonly accounts: { readonly openRegistration: boolean };
  readonly auth: {
    /** Fewest characters of a new secret. */
    readonly secretMinLength: number;
    readonly accessTtl: number;
    readonly refreshIdleTtl: number;
    readonly refreshMaxTtl: number;
    /** How long an exchanged refresh token still answers its child. */
    readonly refreshGrace: number;
    readonly sessionTtl: number;
    /** Whose secret is kept sealed: of accounts that ask for it, of all, of none. */
    readonly signatures: "compat" | "all" | "off";
    /** The header, and query parameter, of a signature. */
    readonly signatureName: string;
    /** How far ahead a signature may be valid. */
    readonly signatureMaxAge: number;
    /** Whether versions that hash with SHA-1 are taken. */
    readonly signatureSha1: boolean;
    /** Whether anyone may have an account without a login. */
    readonly anonymous: boolean;
    /** How old a sign-in may be that adds a way in, an authenticator or a key; 0 is any. */
    readonly recentSignIn: number;
    /** Life of a code that is sent by mail. */
    readonly codeTtl: number;
  };
  /** What people call this installation. */
  readonly appName: string;
  /** The origin people reach this server at; empty when it was not said. */
  readonly publicUrl: string;
  /** Origins whose pages may call, by comma; `allowedOrigins` reads it. */
  readonly corsOrigins: string;
  /** Whether calls and sign-ins are counted against budgets. */
  readonly limitRates: boolean;
  /** How long the audit log is kept. */
  readonly auditRetention: number;
  readonly events: {
    readonly heartbeat: number;
    /** How long a stream lives before its goodbye, give or take a fifth. */
    readonly streamTtl: number;
    /** How long a poll gathers after its first event, and how long it waits for one. */
    readonly pollInterval: number;
    readonly pollTimeout: number;
    readonly retention: number;
    readonly retentionPerTopic: number;
    /** Streams an account may have open. */
    readonly streamsPerAccount: number;
    /** How long somebody is still there after his last stream or socket was closed. */
    readonly presenceGrace: number;
  };
  readonly jobs: {
    /** How long an attempt may take when its job does not say. */
    readonly timeout: number;
    /** How long succeeded and cancelled jobs are kept, and dead ones. */
    readonly retention: number;
    readonly deadRetention: number;
  };
  readonly cache: {
    /** Tables whose rows are always read through a cache. */
    readonly tables: readonly CachedTable[];
  };
  readonly connections: {
    /** Types that are taken besides the built-in ones. */
    readonly types: readonly string[] | "any";
  };
  readonly history: {
    /** How long entries are kept, in milliseconds; 0 is for good. */
    readonly retention: number;
    /** Most entries of an account; 0 is no bound. */
    readonly perAccount: number;
  };
  readonly webhooks: {
    /** Whether they may lead to addresses of this machine and of private networks. */
    readonly allowPrivate: boolean;
  };
}
