import type { Control } from "../app.js";
import { type Counters, declaredCounters } from "../kernel/counters.js";
import { declaredJobs } from "../kernel/declared-jobs.js";
import { declaredTopics } from "../kernel/declared-topics.js";
import { milliseconds } from "../kernel/duration.js";
import {
  type DeclaredHooks,
  declaredHooks,
  type HookFunctions,
  type HookMatch,
  type HookStage,
} from "../kernel/hooks.js";
import { toCron, toDeclaration, toNewJob } from "../kernel/job-options.js";
import type { DeclaredJobs, JobContext, NewJob } from "../kernel/jobs.js";
import { type SocketPaths, socketPaths } from "../kernel/sockets.js";
import type { Topics } from "../kernel/topics.js";
import { type DeclaredWebhooks, declaredWebhooks } from "../kernel/webhooks.js";
import type { JobContext as AppJobContext, Backend, Cache, SubmitOptions, Transaction } from "./index.mjs";

/** A server that runs with an app's code. */
export interface Hosted {
  readonly control: Control;
  /** Ends it in order; resolves when it has ended. */
  stop(): Promise<void>;
}

/** Starts a server with what an app has declared, or waits for the one that is started anyway. */
export type Host = (registry: Registry) => Promise<Hosted>;

/** What an app has declared. */
export interface Declared {
  readonly topics: Topics;
  readonly counters: Counters;
  readonly sockets: SocketPaths;
  readonly jobs: DeclaredJobs;
  readonly webhooks: DeclaredWebhooks;
  readonly hooks: DeclaredHooks;
  /** Resolves when the app has got the server that it declared it for. */
  readonly attached: Promise<void>;
  /** The file that declares it, which job workers run too. */
  readonly appFile?: string | undefined;
}

/** The app of this process. */
export interface Registry {
  readonly app: Backend;
  readonly declared: Declared;
  /** Whether some code has asked for the app. */
  asked: boolean;
  /** Who starts the server: the command line, which is there before the app's code, or whoever asks first. */
  host: Host | undefined;
  /** Hands the app what answers it from now on. */
  attach(server: Hosted): void;
}

/** Two copies of this module, of the command line's package and the app's, agree by it. */
const KEY = Symbol.for("backstay.backend");

/** The app of this process, made when it is first asked for. */
export function theRegistry(): Registry {
  const everywhere = globalThis as { [KEY]?: Registry };
  everywhere[KEY] ??= createRegistry();
  return everywhere[KEY];
}

/** What an app's code gets. `alone` starts a server when nobody else does. */
export function theBackend(alone: Host): Backend {
  const registry = theRegistry();
  registry.asked = true;
  registry.host ??= alone;
  return registry.app;
}

function createRegistry(): Registry {
  const topics = declaredTopics();
  const counters = declaredCounters();
  const sockets = socketPaths();
  const jobs = declaredJobs();
  const webhooks = declaredWebhooks();
  const hooks = declaredHooks();
  let starting: Promise<void> | undefined;
  let hosted: Hosted | undefined;
  let tellAttached = () => {};
  const attached = new Promise<void>((resolve) => {
    tellAttached = resolve;
  });

  const running = (what: string): Hosted => {
    if (hosted === undefined) throw new Error(`app.${what}: no server runs; await app.start() first`);
    return hosted;
  };

  const hook = <Stage extends HookStage>(stage: Stage, match: HookMatch, run: HookFunctions[Stage]) => {
    if (starting !== undefined) throw new Error(`app.${stage}: declare it before app.start()`);
    hooks.declare(stage, match, run);
  };

  const submit: Backend["submit"] = async (name, args, options) =>
    running("submit").control.submit(newJob(name, args, options));

  const app: Backend = {
    topic: (pattern, rules) => topics.declare(pattern, rules),
    counter(name, options) {
      if (starting !== undefined) throw new Error(`counter ${name}: declare it before app.start()`);
      counters.declare(name, options);
    },
    ws: (path, handler) => sockets.declare(path, handler),
    job(name, run, options) {
      if (starting !== undefined) throw new Error(`job ${name}: declare it before app.start()`);
      if (typeof run !== "function") throw new Error(`job ${name}: it needs a function`);
      jobs.declare(toDeclaration(name, (args, ctx) => run(args as never, toAppContext(ctx)), options as object));
      return { name, submit: (args, options, tx) => (tx ?? { submit }).submit(name, args, options) };
    },
    cron(id, expression, what, options) {
      if (starting !== undefined) throw new Error(`cron ${id}: declare it before app.start()`);
      if (typeof what === "function") app.job(id, what);
      jobs.declareCron(toCron(id, expression, typeof what === "function" ? id : what, options as object));
    },
    webhook: (url, options) => webhooks.declare(url, options),
    beforeAuth: (match, run) => hook("beforeAuth", match, run),
    afterAuth: (match, run) => hook("afterAuth", match, run),
    afterCall: (match, run) => hook("afterCall", match, run as HookFunctions["afterCall"]),
    submit,
    transaction: async (work) =>
      running("transaction").control.transaction(({ db, submit }) =>
        work({ db, submit: (name, args, options) => submit(newJob(name, args, options)) }),
      ),
    cache: (name = "default") => toCache(running("cache").control.cache(name)),
    start() {
      starting ??= registry.host!(registry).then(registry.attach);
      return starting;
    },
    async stop() {
      if (hosted === undefined) await starting;
      const server = hosted;
      hosted = undefined;
      await server?.stop();
    },
    notify: (target, message) => running("notify").control.notify(target, message),
    publish: async (event) => running("publish").control.publish(event),
    recheck: (topic) => running("recheck").control.recheck(topic),
  };
  const registry: Registry = {
    app,
    declared: { topics, counters, sockets, jobs, webhooks, hooks, attached },
    asked: false,
    host: undefined,
    attach(server) {
      hosted = server;
      tellAttached();
    },
  };
  return registry;
}

/** A job's context, as an app sees it. */
function toAppContext(ctx: JobContext): AppJobContext {
  const own: Pick<Transaction, "submit"> = { submit: (name, args, options) => ctx.submit(newJob(name, args, options)) };
  return Object.assign(Object.create(ctx), own);
}

/** A cache, as an app sees it. */
function toCache(cache: ReturnType<Control["cache"]>): Cache {
  return {
    ...(cache as Pick<Cache, "get" | "getCached" | "del" | "clear">),
    put(key, value, ttl) {
      const ttlMs = typeof ttl === "string" ? milliseconds(ttl) : ttl;
      if (ttl !== undefined && !(ttlMs! > 0)) throw new TypeError("app.cache: ttl is a duration");
      return cache.put(key, value, ttlMs);
    },
    incr: (key, by = 1) => cache.incr(key, by),
  };
}

function newJob(name: string, args: object | undefined, options: SubmitOptions | undefined): NewJob {
  return toNewJob(name, args as NewJob["args"], options);
}
