import { type DescMessage, fromJson, type JsonObject, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import { Access } from "#gen/backstay/options/v1/options_pb.js";
import type { Caller } from "../kernel/caller.js";
import { DomainError } from "../kernel/errors.js";
import { readAnswer, readReplacement } from "../kernel/hook-answers.js";
import type { Hook, HookCaller, HookRequest, HookStage, Hooks } from "../kernel/hooks.js";
import type { Log } from "../platform/log.js";
import { isAlwaysAnswered } from "./access.js";
import type { Call } from "./call.js";
import { accessTokenName } from "./sent-signature.js";
import { pathOf } from "./url.js";
import { httpStatus } from "./wire-errors.js";

/** Asks an app's hooks about calls. What a hook does wrong ends the call as INTERNAL, and the log names the hook. */
export interface HookRunner {
  /**
   * Asks whether the call may go on before `identify` finds out who calls, and again when that is known, unless only the body
   * will tell. Rejects with what a hook refuses by, else with what `identify` does.
   */
  admit(call: Call, identify: () => void | Promise<void>): Promise<void>;
  /**
   * Asks the hooks for RPCs about a call that comes with another one, whose path and caller were asked about. What opens calls to
   * anyone counts for nothing here. Rejects likewise.
   */
  admitPart(call: Call, identify: () => void): Promise<void>;
  /** Lets `prove` find out who calls, and asks about that. Rejects likewise. */
  prove(call: Call, prove: () => void | Promise<void>): Promise<void>;
  /** The answer as the hooks would have it. */
  answer(call: Call, message: Message): Promise<Message>;
}

export interface HookRunnerOptions {
  hooks: Hooks;
  log: Log;
  /** The header of signatures. */
  signatureName: string;
  /** Milliseconds a hook may take. */
  patience?: number;
}

const PATIENCE_MS = 10_000;

/** Headers that prove who calls, besides the signature's own. */
const PROOFS = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "signature",
  "signature-input",
  // A socket's may be a token.
  "sec-websocket-protocol",
]);

export function createHookRunner(options: HookRunnerOptions): HookRunner {
  const { hooks, log, signatureName, patience = PATIENCE_MS } = options;

  const tokenName = accessTokenName(signatureName);
  const isProof = (name: string) => PROOFS.has(name) || name === signatureName || name === tokenName;

  const requestOf = (call: Call): HookRequest => {
    const { method = "", askedBy = method, url, headers } = call.request;
    // HTTP/2 has fields of its own among them, and one has the query, which may be signed.
    const shown = Object.entries(headers).filter(([name]) => !isProof(name) && !name.startsWith(":"));
    const { name } = call.method;
    return {
      rpc: name.includes(".") ? name : undefined,
      path: pathOf(url),
      httpMethod: askedBy,
      headers: Object.fromEntries(shown),
      address: call.remote,
    };
  };

  /** Those of a stage that are for a call, or for its RPC alone, with what they are told of its request. */
  const hooksFor = <Stage extends HookStage>(stage: Stage, call: Call, isPart = false) => {
    const request = requestOf(call);
    const all: readonly Hook<Stage>[] = isAlwaysAnswered(call.method.name) ? [] : hooks[stage];
    const asked = all.filter((hook) => hook.fits(request) && (hook.rpcs !== undefined || !isPart));
    return { request, asked };
  };

  /** What a hook returns, as `read` understands it. */
  const ask = async <T>(name: string, run: () => unknown, read: (returned: unknown) => T): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        log.warn({ hook: name, ms: patience }, "a hook of the app took too long");
        const message = "The app of this installation took too long to decide about the call.";
        reject(new DomainError("REFUSED_BY_APP", message, { kind: "unavailable" }));
      }, patience);
    });
    const returned = await Promise.race([running(name, run), late]).finally(() => clearTimeout(timer));
    try {
      return read(returned);
    } catch (error) {
      throw new Error(`the hook ${name} did not answer as it may`, { cause: error });
    }
  };

  const askBefore = async (call: Call, isPart = false): Promise<void> => {
    const { asked, request } = hooksFor("beforeAuth", call, isPart);
    for (const hook of asked) {
      const read = (returned: unknown) => readAnswer(returned, true, "permission_denied");
      const answer = await ask(hook.name, () => hook.run(request), read);
      if (answer instanceof DomainError) throw answer;
      // Administrators' methods are opened by nobody: whoever calls one has to prove that he may.
      if (answer === "allow") call.isOpened = !isPart && mayBeOpened(call);
      if (answer !== undefined) return;
    }
  };

  /** Asks about who calls, or why that is refused. */
  const askAfter = async (call: Call, error: DomainError | undefined, isPart: boolean): Promise<void> => {
    const { asked, request } = hooksFor("afterAuth", call, isPart);
    const { reason, message } = error ?? {};
    const outcome = {
      caller: callerOf(call.caller),
      error: error && { reason: reason!, status: httpStatus(error), message: message! },
    };
    const kind = error?.kind === "unauthenticated" ? "unauthenticated" : "permission_denied";
    for (const hook of asked) {
      const read = (returned: unknown) => readAnswer(returned, false, kind);
      const answer = await ask(hook.name, () => hook.run(request, outcome), read);
      if (answer instanceof DomainError) throw answer;
    }
  };

  /** Lets something find out who calls, and asks about it. */
  const settle = async (call: Call, find: () => void | Promise<void>, isPart = false): Promise<void> => {
    let refused: DomainError | undefined;
    try {
      await find();
    } catch (error) {
      // Whether there are too many calls, or the database is there, is nothing that a hook is asked about.
      if (!isAboutCaller(error)) throw error;
      refused = error;
    }
    if (refused === undefined && call.proof !== undefined) return;
    await askAfter(call, refused, isPart);
    if (refused !== undefined) throw refused;
  };

  return {
    async admit(call, identify) {
      await askBefore(call);
      if (call.isOpened) await identify();
      else await settle(call, identify);
    },

    async admitPart(call, identify) {
      await askBefore(call, true);
      await settle(call, identify, true);
    },

    prove: (call, prove) => settle(call, prove),

    async answer(call, message) {
      const { output } = call.method;
      const { asked, request } = hooksFor("afterCall", call);
      for (const hook of asked) {
        const response = toJson(output, message);
        const outcome = { caller: callerOf(call.caller), response };
        const read = (returned: unknown) => replaced(output, message, readReplacement(returned));
        const answer = await ask(hook.name, () => hook.run(request, outcome), read);
        if (answer !== undefined) return answer;
      }
      return message;
    },
  };
}

/** What a hook returns. Whatever it does wrong happens in here, also when it throws at once. */
async function running(name: string, run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    throw new Error(`the hook ${name} failed`, { cause: error });
  }
}

function mayBeOpened({ method: { access } }: Call): boolean {
  return access === Access.PUBLIC || access === Access.ACCOUNT;
}

function isAboutCaller(error: unknown): error is DomainError {
  return error instanceof DomainError && (error.kind === "unauthenticated" || error.kind === "permission_denied");
}

function callerOf(caller: Caller): HookCaller | undefined {
  if (caller.kind === "anonymous") return undefined;
  const { roles } = caller;
  return caller.kind === "account"
    ? { accountId: caller.accountId, roles, via: caller.via }
    : { accountId: undefined, roles, via: "operator" };
}

/** A message with some of its fields as given. Throws when it is none of its kind then. */
function replaced(
  output: DescMessage,
  message: Message,
  fields: Readonly<Record<string, unknown>> | undefined,
): Message | undefined {
  if (fields === undefined) return undefined;
  // Only what JSON can say is an answer.
  const given = JSON.parse(JSON.stringify(fields)) as JsonObject;
  const whole: JsonValue = { ...(toJson(output, message) as JsonObject), ...given };
  return fromJson(output, whole);
}
