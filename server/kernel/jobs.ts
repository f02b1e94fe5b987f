/** A JSON object. */
export type JsonObject = { readonly [name: string]: unknown };

/** Where a job's statements run: a transaction that commits together with the job's completion. */
export interface JobDb {
  /**
   * Runs one statement with its values for $1, $2 and so on; answers its rows, columns in camelCase. The first one begins the
   * transaction. Throws once the job is no longer this worker's.
   */
  run<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** What the function of a job gets besides its arguments. */
export interface JobContext {
  /** 32 lower-case hex digits. */
  readonly id: string;
  readonly name: string;
  /** 1 at first. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Fires when the attempt is to end: it was cancelled, took too long, is no longer this worker's, or the server stops. */
  readonly signal: AbortSignal;
  /** What is written here is kept exactly when the job succeeds, once. */
  readonly db: JobDb;
  /** Begins the attempt's time anew. Throws JOB_LOST when the job is no longer this worker's. */
  heartbeat(): Promise<void>;
  /** Says how far the job is, as any JSON value; shown to whoever watches it within a second or two. */
  progress(value: unknown): void;
  /** Writes to the server's log, with the job's name and id. */
  log(message: string, facts?: JsonObject): void;
  /** Submits another job, which exists exactly when this one succeeds. */
  submit(job: NewJob): Promise<{ id: string; created: boolean }>;
}

export type RunJob<Context = JobContext> = (args: JsonObject, ctx: Context) => unknown;

/** Why a value is not what a job takes: where in it, and what is wrong. */
export interface ArgsIssue {
  /** Such as `user.id`; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

/** A function that is registered by name. */
export interface JobDeclaration<Context = JobContext> {
  /** Such as `app.processUsers`. */
  readonly name: string;
  readonly run: RunJob<Context>;
  /** The queue of jobs that name none. */
  readonly queue: string;
  readonly maxAttempts: number;
  /** Milliseconds an attempt may take; undefined is the setting `jobs.timeout`. */
  readonly timeoutMs: number | undefined;
  /** Most attempts at once in one worker process; undefined is as many as it runs at all. */
  readonly concurrency: number | undefined;
  /** Milliseconds until the attempt after this one, which failed; a fifth more or less is added by chance. */
  readonly backoffMs: (attempt: number) => number;
  /** Whether it is the server's own code, which runs in the server's process also when apps' jobs have processes of their own. */
  readonly inside: boolean;
  /** The arguments as the function gets them, or what is wrong with them. */
  readonly check: (args: JsonObject) => Promise<{ args: JsonObject } | { issues: readonly ArgsIssue[] }>;
}

/** What happens when another job holds the unique key. */
export type OnConflict = "keep" | "replace" | "fail";

/** A job to submit. */
export interface NewJob {
  readonly name: string;
  readonly args?: JsonObject | undefined;
  /** The declaration's when absent, as with `maxAttempts` and `timeoutMs`. */
  readonly queue?: string | undefined;
  /** Not before; now when absent. */
  readonly runAt?: Date | undefined;
  /** The same as milliseconds from the submission on, by the clock of the database. */
  readonly delayMs?: number | undefined;
  /** At most one job that is not finished has it. */
  readonly uniqueKey?: string | undefined;
  /** Milliseconds since the submission that the key is held at least. */
  readonly uniqueForMs?: number | undefined;
  /** `keep` when absent. */
  readonly onConflict?: OnConflict | undefined;
  /** Jobs of one key run one at a time, in the order they were submitted. */
  readonly orderKey?: string | undefined;
  /** -100 to 100, higher first; 0 when absent. */
  readonly priority?: number | undefined;
  readonly maxAttempts?: number | undefined;
  readonly timeoutMs?: number | undefined;
  /** The cron that submits it, and the time it does so for, unless it was asked to: at most one job has both. */
  readonly cron?: { readonly id: string; readonly tick?: Date } | undefined;
}

/** What happens with a cron's times that passed, by more than a minute, while no node was there. */
export type MissedTicks = "one" | "all" | "skip";

/** Something that is done by the clock. */
export interface CronDeclaration {
  /** Names it, over restarts and nodes. */
  readonly id: string;
  /** Five or six fields. */
  readonly expression: string;
  /** An IANA name. */
  readonly timeZone: string;
  readonly job: string;
  readonly args: JsonObject;
  /** The job's own when undefined. */
  readonly queue: string | undefined;
  readonly missed: MissedTicks;
}

/** The jobs and crons that the domains and the app of this process have declared. */
export interface DeclaredJobs {
  /** Throws when the name is malformed or taken. */
  declare(job: JobDeclaration): void;
  find(name: string): JobDeclaration | undefined;
  all(): readonly JobDeclaration[];
  /** Throws when the id is malformed or taken. */
  declareCron(cron: CronDeclaration): void;
  crons(): readonly CronDeclaration[];
}
