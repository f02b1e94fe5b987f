import { type RpcPattern, rpcPattern } from "./access-rules.js";

/** What a hook is for: an RPC by its name, a path (exact, by prefix with `*`, or by a regular expression), or a path of one HTTP method. */
export type HookMatch = string | RegExp | { readonly method?: string; readonly path: string | RegExp };

/** What a hook may know of a request. */
export interface HookRequest {
  /** The full name of the RPC, such as `backstay.messages.v1.MessageService/SendMessage`; undefined for a page or a socket. */
  readonly rpc: string | undefined;
  /** The path as it was sent, without the query. */
  readonly path: string;
  readonly httpMethod: string;
  /** Without those that prove who calls. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The address the request came from. */
  readonly address: string;
}

/** Who calls, as far as a hook may know. */
export interface HookCaller {
  /** Undefined for the operator of the installation. */
  readonly accountId: string | undefined;
  readonly roles: readonly string[];
  /** How the caller proved itself. */
  readonly via: string;
}

/** How a call was authenticated. */
export interface AuthOutcome {
  /** Undefined for nobody in particular. */
  readonly caller: HookCaller | undefined;
  /** Why the call is refused, unless the hook says it otherwise. */
  readonly error: { readonly reason: string; readonly status: number; readonly message: string } | undefined;
}

/** How a call was answered. */
export interface CallOutcome {
  readonly caller: HookCaller | undefined;
  /** The answer as the JSON of protobuf. */
  readonly response: unknown;
}

/** The functions of an app, by when they are called. What they return is checked where it is used. */
export interface HookFunctions {
  readonly beforeAuth: (request: HookRequest) => unknown;
  readonly afterAuth: (request: HookRequest, outcome: AuthOutcome) => unknown;
  readonly afterCall: (request: HookRequest, outcome: CallOutcome) => unknown;
}

export type HookStage = keyof HookFunctions;

/** A declared hook. */
export interface Hook<Stage extends HookStage> {
  /** For the log and errors, such as `afterCall MessageService/*`. */
  readonly name: string;
  /** Set when it is for RPCs by their names. */
  readonly rpcs: RpcPattern | undefined;
  /** Whether it is for this request. */
  fits(request: Pick<HookRequest, "rpc" | "path" | "httpMethod">): boolean;
  readonly run: HookFunctions[Stage];
}

/** Hooks by their stage, each in the order of declaration. */
export type Hooks = { readonly [Stage in HookStage]: readonly Hook<Stage>[] };

/** What an app has declared of hooks. */
export interface DeclaredHooks {
  /** Throws when the match is malformed, or the hook no function. */
  declare<Stage extends HookStage>(stage: Stage, match: HookMatch, run: HookFunctions[Stage]): void;
  /** Undefined when there are none. */
  all(): Hooks | undefined;
}

/** An empty list of hooks. */
export function declaredHooks(): DeclaredHooks {
  const hooks: { [Stage in HookStage]: Hook<Stage>[] } = { beforeAuth: [], afterAuth: [], afterCall: [] };
  return {
    declare(stage, match, run) {
      const name = `${stage} ${spelled(match)}`;
      if (typeof run !== "function") throw new Error(`${name}: it needs a function`);
      hooks[stage].push({ name, run, ...readMatch(match, name) });
    },
    all: () => (Object.values(hooks).some((declared) => declared.length > 0) ? hooks : undefined),
  };
}

function spelled(match: HookMatch): string {
  const { method = "", path } = isPlain(match) ? match : { path: match };
  return `${method} ${String(path)}`.trim();
}

function isPlain(match: HookMatch): match is Exclude<HookMatch, string | RegExp> {
  return typeof match === "object" && match !== null && !(match instanceof RegExp);
}

function readMatch(match: HookMatch, name: string): Pick<Hook<never>, "rpcs" | "fits"> {
  const { method, path } = isPlain(match) ? match : { method: undefined, path: match };
  const isRpc = typeof path === "string" && !path.startsWith("/");
  const rpcs = isRpc && method === undefined ? rpcPattern(path) : undefined;
  if (rpcs !== undefined) return { rpcs, fits: ({ rpc }) => rpc !== undefined && rpcs.matches(rpc) };
  const fits = isRpc ? undefined : pathTest(path);
  const isMethod = method === undefined || (typeof method === "string" && /^[A-Z]+$/.test(method));
  if (fits === undefined || !isMethod) throw new Error(`${name}: ${EXPECTED}`);
  return { rpcs, fits: (request) => (method ?? request.httpMethod) === request.httpMethod && fits(request.path) };
}

const EXPECTED = "write RPCs as MessageService/*, a path as /path or /path/*, { method: 'GET', path }, or a RegExp";

function pathTest(path: unknown): ((path: string) => boolean) | undefined {
  if (path instanceof RegExp) {
    // reason: it is the app's own; with g or y it would remember where it was
    const pattern = new RegExp(path.source, path.flags.replace(/[gy]/g, ""));
    return (text) => pattern.test(text);
  }
  if (typeof path !== "string" || /\*./.test(path)) return undefined;
  if (!path.endsWith("*")) return (text) => text === path;
  const prefix = path.slice(0, -1);
  return (text) => text.startsWith(prefix);
}
