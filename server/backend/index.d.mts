/**
 * The app of this process: what your code declares, and what it may ask of the running server. Called again, also from another
 * file, it answers the same one.
 */
export function backend(): Backend;

export interface Backend {
  /**
   * Declares the topics of a pattern such as `room/{id}`, of 2 to 5 parts; of two patterns that fit a name the one declared
   * first counts. Throws when it is malformed, reserved (`account/`, `system/`) or declared already.
   */
  topic(pattern: string, rules: TopicRules): void;
  /**
   * Declares a counter that accounts have besides the built-in ones, such as `score`; a public one everyone sees and may raise. Of
   * `<type>0` and `<type>1`, which count connections, it says whether everyone sees them. Throws when the name is malformed or
   * declared already.
   */
  counter(name: string, options?: CounterOptions): void;
  /**
   * Opens a path, such as `/project/ws`, for WebSockets: the handler gets each frame of JSON, and what it returns is the reply,
   * `undefined` is none. Throws when the path is malformed or taken.
   */
  ws(path: string, handler: SocketHandler): void;
  /**
   * Registers a job: background work by name, such as `app.processUsers`. It runs at least once for each submission; what it writes
   * by `ctx.db` is kept exactly when it succeeds, once. What it returns is the job's result, as JSON. One that throws is tried again
   * after a while, `maxAttempts` times in all. Answers what submits it. Throws when the name or an option is malformed, or the
   * name taken.
   */
  job<Args extends object = Record<string, unknown>>(
    name: string,
    run: (args: Args, ctx: JobContext) => unknown,
    options?: JobOptions<Args>,
  ): RegisteredJob<Args>;
  /**
   * Has something done by the clock, once for each time over all nodes: a job by its name, or a function, which is registered as a
   * job of the cron's id. The expression has five fields (minutes, hours, days, months, days of the week) or six (seconds first).
   * Throws when it is malformed; a wrong expression stops the start.
   */
  cron(
    id: string,
    expression: string,
    what: string | ((args: Record<string, unknown>, ctx: JobContext) => unknown),
    options?: CronOptions,
  ): void;
  /**
   * Sends events to a URL, as signed POSTs that are tried again until they are taken: those of all the types and topics that are
   * named, each once. See docs/webhooks.md. Throws when something of it is malformed.
   */
  webhook(url: string, options: WebhookOptions): void;
  /**
   * Asks the hook about requests before it is known who calls: it may refuse them, send them elsewhere, or let anyone in. Hooks are
   * asked in the order of declaration until one has an answer. See docs/access.md. Throws when the match is malformed; RPCs that
   * there are not stop the start.
   */
  beforeAuth(match: HookMatch, hook: BeforeAuthHook): void;
  /**
   * Asks the hook about requests when it is known who calls, or that the caller is refused: it may refuse them, in its own words,
   * or send them elsewhere. A refusal stays one. Throws as `beforeAuth` does.
   */
  afterAuth(match: HookMatch, hook: AfterAuthHook): void;
  /**
   * Shows the hook answers before they are sent, of calls that succeed and are no streams: it may put other values into their
   * fields. Throws as `beforeAuth` does.
   */
  afterCall(match: HookMatch, hook: AfterCallHook): void;
  /**
   * Submits a job by its name; resolves when that is committed. Rejects with the reasons of `JobService/SubmitJob`, and before the
   * server runs.
   */
  submit(name: string, args?: object, options?: SubmitOptions): Promise<SubmittedJob>;
  /**
   * Runs `work` in one transaction of the database: what it writes and submits is kept together when it resolves, and not at all
   * when it rejects. Other statements that wait for its rows wait 2 s; it has 10 s between two statements. Rejects before the
   * server runs.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** A cache of the configuration by its name; `default` when there is none given. Throws when there is no such, and before the server runs. */
  cache(name?: string): Cache;
  /**
   * Starts the server when this file is run by itself (`node app.js`, `node --import tsx app.ts`): for development, or as
   * `backstay serve` does when NODE_ENV is `production`, configured by the environment and files. Under `backstay dev` and
   * `backstay serve` it tells them that everything is declared. Either way it resolves when the server is ready. What keeps the
   * server from starting ends the process, with one line that says why. Called again it answers the same promise. In a job worker
   * (`jobs.workers`) it never resolves: what comes after it runs in servers only.
   */
  start(): Promise<void>;
  /** Ends the server in order; resolves when it has ended. With `--workers` it ends all of them. Rejects in a job worker. */
  stop(): Promise<void>;
  /**
   * Sends an object to the sockets that all parts of the target fit, on every node. It is of the moment: who is not connected
   * does not get it. Throws before the server runs, and a TypeError for a target that has nothing, something unknown, or
   * something of another type, such as an account that is undefined: everybody is `{ everyone: true }`.
   */
  notify(target: NotifyTarget, message: object): void;
  /**
   * Publishes to any topic, by any type but the server's own; resolves with the event's id. A durable event is in the database
   * then; an ephemeral one reaches the streams and sockets that are open now. Rejects as `EventService/Publish` does, and before
   * the server runs.
   */
  publish(event: PublishedEvent): Promise<{ id: string }>;
  /**
   * Asks the rules of a topic (of every one when none is named) again for everybody who follows it, on every node, and ends the
   * streams of those whom they refuse now. Call it after what your rules depend on has changed. Throws before the server runs.
   */
  recheck(topic?: string): void;
}

/**
 * What a hook is for: RPCs by name (`MessageService/SendMessage`, `AccountService/*`, or with the package), paths (`/account/add`,
 * `/account/*`, or a RegExp over the path), or paths of one HTTP method.
 */
export type HookMatch = string | RegExp | { readonly method?: string; readonly path: string | RegExp };

export interface HookRequest {
  /** Such as `backstay.messages.v1.MessageService/SendMessage`; undefined for pages, and for opening a WebSocket. */
  readonly rpc: string | undefined;
  /** As it was sent, without the query. */
  readonly path: string;
  readonly httpMethod: string;
  /** Without those that prove who calls. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Where it came from. */
  readonly address: string;
}

export interface HookCaller {
  /** Undefined for the operator of the installation. */
  readonly accountId: string | undefined;
  readonly roles: readonly string[];
  /** `token`, `cookie`, `signature`, `api_key` or `operator`. */
  readonly via: string;
}

/** Refuses a request with an HTTP status, which other doors spell as their codes. */
export interface HookRefusal {
  readonly status: 400 | 401 | 403 | 404 | 409 | 429 | 503;
  /** At most 1000 characters, for the caller. */
  readonly message?: string;
}

/** Sends a caller elsewhere: to a path of this server, or an absolute URL. */
export interface HookRedirect {
  readonly redirect: string;
  /** 302 when left out. */
  readonly status?: 301 | 302 | 303 | 307;
}

/** Lets anyone call: nobody asks who calls. It opens no methods of administrators. */
export interface HookAllowance {
  readonly allow: true;
}

type Answer<T> = T | undefined | void | Promise<T | undefined> | Promise<void>;

export type BeforeAuthHook = (request: HookRequest) => Answer<HookAllowance | HookRefusal | HookRedirect>;

export type AfterAuthHook = (
  request: HookRequest,
  outcome: {
    /** Undefined for nobody in particular. */
    readonly caller: HookCaller | undefined;
    /** Why the caller is refused: the reason of docs/errors.md and its HTTP status. Undefined when he is not. */
    readonly error: { readonly reason: string; readonly status: number; readonly message: string } | undefined;
  },
) => Answer<HookRefusal | HookRedirect>;

export type AfterCallHook = (
  request: HookRequest,
  outcome: {
    readonly caller: HookCaller | undefined;
    /** The RPC's answer as JSON, by any door. */
    readonly response: Record<string, unknown>;
  },
) => Answer<{
  /** Fields that take the place of the answer's; null takes one away. What the RPC cannot answer is INTERNAL. */
  readonly response: Readonly<Record<string, unknown>>;
}>;

/** Durations: milliseconds, or text such as `250ms`, `30s`, `10m`, `2h`, `14d`. */
export type Duration = number | string;

export interface JobOptions<Args = unknown> {
  /** The queue of submissions that name none: lower-case letters, digits, - and _; `default` when left out. */
  readonly queue?: string;
  /** Attempts in all, 1 to 100, before the job is dead; 10 when left out. One that was lost with its process counts. */
  readonly maxAttempts?: number;
  /** How long an attempt may take, up to a day; the setting `jobs.timeout` (10 minutes) when left out. */
  readonly timeout?: Duration;
  /** Most attempts at once in one process; as many as it runs at all when left out. */
  readonly concurrency?: number;
  /**
   * The wait after a failed attempt: `least` (1 s) after the first, doubled after each, up to `most` (1 h); or a function of the
   * attempt, in milliseconds, up to 365 days. Where that throws, or answers no such number, it is the doubled one.
   */
  readonly backoff?: { readonly least?: Duration; readonly most?: Duration } | ((attempt: number) => number);
  /** What the arguments must be: any Standard Schema, such as one of zod. Checked when the job is submitted and when it runs. */
  readonly args?: ArgsSchema<Args>;
}

/** Checks arguments, as Standard Schema says. */
export interface ArgsSchema<Args> {
  readonly "~standard": {
    readonly types?: { readonly input: unknown; readonly output: Args } | undefined;
    validate(value: unknown): unknown;
  };
}

/** What a job's function gets besides its arguments. */
export interface JobContext {
  /** 32 lower-case hex digits. */
  readonly id: string;
  readonly name: string;
  /** 1 at first. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Fires when the attempt is to end: cancelled, out of time, taken over by another worker, or the server stops. */
  readonly signal: AbortSignal;
  /** The job's own transaction: it begins with the first statement and commits together with the job's success. */
  readonly db: Db;
  /** Begins the attempt's time anew; rejects when the job is no longer this worker's. */
  heartbeat(): Promise<void>;
  /** Says how far the job is, as any JSON value: GetJob and WatchJob show it. */
  progress(value: unknown): void;
  /** Writes to the server's log, with the job's name and id. */
  log(message: string, facts?: object): void;
  /** Submits another job in this one's transaction: it exists exactly when this one succeeds. */
  submit(name: string, args?: object, options?: SubmitOptions): Promise<SubmittedJob>;
}

/** Where statements run. */
export interface Db {
  /** Runs one statement with its values for $1, $2 and so on; answers its rows, with columns in camelCase. */
  run<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

export interface Transaction {
  readonly db: Db;
  /** Submits a job, which exists when the transaction commits. */
  submit(name: string, args?: object, options?: SubmitOptions): Promise<SubmittedJob>;
}

export interface SubmitOptions {
  readonly queue?: string;
  /** Not before; or `delay`, from now. */
  readonly runAt?: Date;
  readonly delay?: Duration;
  /** At most one job that is not finished has it, over all names; at most 255 characters. */
  readonly uniqueKey?: string;
  /** How long after the submission the key is held at least, also when the job is finished before; up to 365 days. */
  readonly uniqueFor?: Duration;
  /**
   * When another job holds the key: answer that one (`keep`), give it these arguments and time if it waits (`replace`), or reject.
   * `replace` rejects, too, when that job is of another name.
   */
  readonly onConflict?: "keep" | "replace" | "fail";
  /** Jobs of one key run one at a time, in the order they were submitted; at most 255 characters. */
  readonly orderKey?: string;
  /** -100 to 100, higher first; 0 when left out. */
  readonly priority?: number;
  readonly maxAttempts?: number;
  readonly timeout?: Duration;
}

export interface SubmittedJob {
  /** 32 lower-case hex digits. */
  readonly id: string;
  /** Whether it was submitted now; else it is the one that holds the unique key. */
  readonly created: boolean;
}

/** A registered job. */
export interface RegisteredJob<Args> {
  readonly name: string;
  /** Submits it; in `tx`, a transaction or the context of another job, when one is given. */
  submit(args: Args, options?: SubmitOptions, tx?: Transaction | JobContext): Promise<SubmittedJob>;
}

export interface CronOptions {
  /** What the job gets; {} when left out. */
  readonly args?: object;
  /** The IANA time zone the expression is meant in; `UTC` when left out. */
  readonly timeZone?: string;
  /** Times that passed while no node was there: the last of them is made up for (`one`), `all` are, or none (`skip`). */
  readonly missed?: "one" | "all" | "skip";
  /** The job's own when left out. */
  readonly queue?: string;
}

export interface WebhookOptions {
  /** What signs it: at least 16 characters, or `whsec_` and the base64 of 24 to 64 bytes. */
  readonly secret: string;
  /** Only these types, such as `message.add` or `message.*`; all when left out. */
  readonly types?: readonly string[];
  /** Only these topics, such as `room/7`, `room/{id}` or `account/*`; all but `system/*` when left out. */
  readonly topics?: readonly string[];
  /** Names it over restarts; made of the URL when left out. */
  readonly id?: string;
}

/** Values by key, in the memory of each node: what is changed on one is dropped on the others. */
export interface Cache {
  /** Undefined when there is none here. */
  get<V = unknown>(key: string): Promise<V | undefined>;
  /**
   * The value that is kept, else what `load` brings, which is kept: loads of one key at the same time are one. In a job worker's
   * process or thread what is loaded is not kept.
   */
  getCached<V>(key: string, load: () => Promise<V>): Promise<V>;
  /**
   * Keeps a value on this node; the others forget theirs, or get it when `sync` is on. What another node keeps and only `get`s may
   * be older: until its time is up, it hears of a change, or notices may have been missed. Without NATS each node has its own.
   */
  put(key: string, value: unknown, ttl?: Duration): Promise<void>;
  /** Drops a key on every node. */
  del(key: string): Promise<void>;
  /** Adds to a number, on this node; answers the sum. Rejects when the value is no number. */
  incr(key: string, by?: number): Promise<number>;
  /** Drops everything, on every node. */
  clear(): Promise<void>;
}

/** What an app says of a counter. */
export interface CounterOptions {
  /** Whether everyone may see it and, unless it counts connections, raise it; false when left out. */
  readonly public?: boolean;
}

/** Whoever asks something of a topic. */
export interface TopicCaller {
  readonly accountId: string;
  readonly roles: readonly string[];
}

/** Decides about a caller and the parameters of a topic's name: `room/{id}` of `room/7` has the `id` `7`. */
export type TopicRule = (caller: TopicCaller, params: Readonly<Record<string, string>>) => boolean | Promise<boolean>;

/** What is left out is allowed to nobody but administrators and the app itself; `true` is every account. */
export interface TopicRules {
  /** Who may follow it. */
  readonly subscribe?: boolean | TopicRule;
  /** Who may publish to it by the API. */
  readonly publish?: boolean | TopicRule;
  /** Who of its followers may read what happened before he came, and resume; when left out, all of them. */
  readonly history?: boolean | TopicRule;
  /** Whether its followers are listed, and told when one comes or goes. */
  readonly presence?: boolean;
}

/** A frame of JSON. */
export type SocketFrame = Readonly<Record<string, unknown>>;

/** Answers the frames of one path; what it returns is the reply, and undefined is none. */
export type SocketHandler = (frame: SocketFrame, socket: AppSocket) => unknown;

/** An open WebSocket. */
export interface AppSocket {
  /** Names it on all nodes. 32 lower-case hex digits. */
  readonly id: string;
  /** Whose it is; undefined for nobody in particular. */
  readonly accountId: string | undefined;
  readonly roles: readonly string[];
  /** The path it was opened at, and the query, without what signs it. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Sends an object as a frame of JSON; does nothing when it is closed. */
  send(message: object): void;
  /** Closes it; 1000 when no code is given. */
  close(code?: number, reason?: string): void;
}

/** Which sockets are meant: those that all of these fit. At least one is given. */
export interface NotifyTarget {
  /** With or without dashes. */
  readonly accountId?: string;
  /** Parameters that the socket's query has, with these values. */
  readonly query?: Readonly<Record<string, string>>;
  readonly path?: string;
  /** Every socket there is; given alone. */
  readonly everyone?: true;
}

export interface PublishedEvent {
  /** Such as `room/7`, or `account/<id>`. */
  readonly topic: string;
  /** What happened, such as `chat.line`. */
  readonly type: string;
  /** What there is to know of it, at most 64 KiB as JSON. */
  readonly data?: object;
  /** Whether it is of the moment only. */
  readonly ephemeral?: boolean;
  /** The account that did it; absent when none did. */
  readonly actorId?: string;
}
