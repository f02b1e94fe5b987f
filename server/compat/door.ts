import { create, type DescMethodUnary, type Message } from "@bufbuild/protobuf";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { createRouter, parseTemplate, percentDecode, type RestMatch, type Template } from "../http/rest/index.js";
import { type Caller, isAdmin } from "../kernel/caller.js";
import { DomainError } from "../kernel/errors.js";
import { Call, type CallRequest } from "../rpc/call.js";
import type { Request, Response } from "../rpc/dispatcher.js";
import type { Method } from "../rpc/methods.js";
import { isForeign, type KnownPages, mayChangeSession } from "../rpc/origins.js";
import type { Pipeline } from "../rpc/pipeline.js";
import { accessTokenName } from "../rpc/sent-signature.js";
import { clearedSession } from "../rpc/session-cookie.js";
import { pathOf, queryOf } from "../rpc/url.js";
import { readWholeBody } from "../rpc/whole-body.js";
import { sendAnswer, sendRefusal } from "./answer.js";
import { cookieAlone } from "./cookie-alone.js";
import { createGiven, type Given } from "./given.js";
import { type Parameters, readBodyParameters, readQuery } from "./parameters.js";
import { methodsAt, type PathPatterns, type PathRules } from "./paths.js";
import type { Ask, CompatRule } from "./rule.js";
import { compatRules } from "./rules/index.js";
import { skipRows } from "./skip-rows.js";
import { withoutSession } from "./without-session.js";

const NOTHING = Buffer.alloc(0);

export interface CompatOptions {
  /** Whether secrets may stand in a URL. */
  secretsInQuery: boolean;
  /** What the installation says of paths. */
  paths: PathRules;
  /** Paths where a browser's session counts for nothing. */
  sessionless: PathPatterns;
  /** Names of services that the installation does not serve, nor then their paths. */
  disabled: ReadonlySet<string>;
  /** The query parameter of a signature. */
  signatureName: string;
  /** Where people reach this server; empty when that is not known. */
  publicUrl: string;
}

/** Answers the predecessor's paths. */
export interface CompatDoor {
  /** What answers at a path; undefined when it is none of the predecessor's. */
  find(path: string): ((req: Request, res: Response) => Promise<void>) | undefined;
}

/** A rule, as the router knows it. */
interface Row {
  readonly httpMethod: "*";
  readonly template: Template;
  readonly method: Method;
  readonly rule: CompatRule;
}

/**
 * One adapter for every rule: it reads parameters as the predecessor did, calls the RPC through the pipeline as every other
 * door does, and spells the answer as the predecessor did. Throws, naming the path, for a rule whose RPC is not served though
 * its service is not disabled.
 */
export function createCompatDoor(
  methods: ReadonlyMap<string, Method>,
  pipeline: Pipeline,
  options: CompatOptions,
): CompatDoor {
  const serving = (path: string, selector: string): Method => {
    const method = methods.get(`/${selector.replace(/\.(\w+)$/, "/$1")}`);
    if (method === undefined) throw new Error(`the path ${path} needs ${selector}, which is not served`);
    return method;
  };
  const sessions = {
    begin: serving("_session=1", `${AuthService.typeName}.${AuthService.method.startSession.name}`),
    end: serving("_session=0", `${AuthService.typeName}.${AuthService.method.signOut.name}`),
  };
  const served = compatRules.filter(({ method }) => !options.disabled.has(method.parent.typeName));
  const router = createRouter(
    served.map((rule): Row => {
      const path = rule.http.pattern.value as string;
      return { httpMethod: "*", template: parseTemplate(path), method: serving(path, rule.http.selector), rule };
    }),
  );
  const methodAt = methodsAt(options.paths);
  const proofs = [options.signatureName, accessTokenName(options.signatureName)];

  /** Admits a call, reads what it gives, and runs it: what every door does, in the same order. */
  const answer = async (req: Request, call: Call, match: RestMatch<Row>): Promise<unknown> => {
    const { rule } = match.binding;
    const { method } = call;
    const { spelling } = rule;
    if (!mayCall(req.method ?? "", method)) throw new DomainError("METHOD_NOT_ALLOWED");
    const query = readQuery(queryOf(req.url), proofs);
    // Whether a session is asked for may only be known when the body is read; beginning one changes something.
    const change = spelling.sessions && (req.method === "POST" || query.has("_session"));
    const gate = change ? new Call(asChange(method, sessions.begin), "compat", call.request) : call;
    try {
      const admitted = pipeline.admit(gate);
      if (admitted !== undefined) await call.within(admitted);
      const body = await readRequestBody(req, pipeline.messageBytes);
      const proved = pipeline.prove(gate, body);
      if (proved !== undefined) await call.within(proved);
      const parameters = body.length === 0 ? query : await bodyParameters(req, body, spelling, options.publicUrl);
      refuseSecretsInUrl(query, spelling, options);
      if (gate !== call) inherit(call, gate);
      const { caller } = call;
      const given = createGiven(new Map([...parameters, ...pathParameters(match)]), {
        callerId: caller.kind === "account" ? caller.accountId : undefined,
        seesAll: isAdmin(caller),
      });
      const reply = await run(call, rule, given);
      if (spelling.sessions) await changeSession(call, given);
      return reply;
    } finally {
      if (gate !== call) gate.stopTimer();
    }
  };

  const run = async (call: Call, { spelling }: CompatRule, given: Given): Promise<unknown> => {
    const instead = spelling.instead?.(given);
    if (instead === undefined) return spelling.reply(await askOwn(call, spelling, given), given);
    if (call.idempotencyKey !== undefined) throw cannotBeOnce();
    return instead.run(await admitOthers(call, instead.methods));
  };

  /** What the path's own RPC answers. */
  const askOwn = async (call: Call, spelling: CompatRule["spelling"], given: Given): Promise<Message> => {
    const { input, output } = call.method;
    const ask = async (request: object, aside: boolean) =>
      pipeline.invoke(call, create(input, request as Record<string, unknown>), aside);
    const request = spelling.ask(given);
    if (spelling.rows === undefined) return ask(request, false);
    const skipped = await skipRows((before) => ask(before, true), request, spelling.rows, given);
    if ("request" in skipped) return ask(skipped.request, false);
    return create(output, { nextPageToken: skipped.emptyPage } as Record<string, unknown>);
  };

  /** Lets the caller of a path call other RPCs there, if it has the right to every one of them. */
  const admitOthers = async (call: Call, others: readonly DescMethodUnary[]): Promise<Ask> => {
    const calls = new Map<DescMethodUnary, Call>();
    for (const other of others) {
      const method = methods.get(`/${other.parent.typeName}/${other.name}`);
      if (method === undefined) throw new DomainError("UNKNOWN_PATH", `${other.parent.name} is not served here.`);
      const one = new Call(methodAt(method, pathOf(call.request.url)), "compat", call.request);
      inherit(one, call);
      await pipeline.admitAs(one, call.caller);
      calls.set(other, one);
    }
    const ask = async (method: DescMethodUnary, request: object) =>
      pipeline.invoke(calls.get(method)!, create(method.input, request as Record<string, unknown>), true);
    return ask as Ask;
  };

  const changeSession = async (call: Call, given: Given): Promise<void> => {
    if (given.yes("_session")) await callForSession(call, sessions.begin, call.caller);
    if (given.text("_session") === "0") await callForSession(call, sessions.end, withoutSignIn(call.caller));
  };

  const callForSession = async (call: Call, method: Method, caller: Caller): Promise<void> => {
    const change = new Call(method, "compat", call.request);
    inherit(change, call);
    await pipeline.admitAs(change, caller);
    await pipeline.invoke(change, create(method.input), true);
    call.cookies.push(...change.cookies);
  };

  /**
   * Ends the sign-in of a cookie that came beside a proof by which nobody is signed in. Answers why it could not: a cookie by which
   * nobody is signed in either is no reason.
   */
  const endCookie = async ({ request }: Call): Promise<DomainError | undefined> => {
    const alone = cookieAlone(request, options.publicUrl);
    if (alone === undefined) return undefined;
    // The verb itself asks whether this page may, as it does when a key that may sign out proves the call.
    const change = new Call({ ...sessions.end, readOnly: true }, "compat", alone);
    try {
      await pipeline.admit(change);
      await pipeline.prove(change, NOTHING);
      await pipeline.invoke(change, create(change.method.input), true);
      pipeline.close(change);
      return undefined;
    } catch (error) {
      const shown = pipeline.close(change, error)!;
      return isStranger(shown) ? undefined : shown;
    }
  };

  const handle = async (req: Request, res: Response, match: RestMatch<Row>): Promise<void> => {
    const { method, rule } = match.binding;
    const path = pathOf(req.url);
    const isSessionless = options.sessionless.some((pattern) => pattern.test(path));
    const request = isSessionless ? withoutSession(req as CallRequest, options.signatureName) : (req as CallRequest);
    const call = new Call(methodAt(method, path), "compat", request);
    res.once("close", () => {
      if (!res.writableEnded) call.abort(new DomainError("CALL_CANCELED"));
    });
    try {
      const reply = await answer(req, call, match);
      pipeline.close(call);
      sendAnswer(req, res, call, reply);
    } catch (error) {
      const shown = pipeline.close(call, error)!;
      const { stranger } = rule.spelling;
      if (stranger === undefined || !isStranger(shown)) return sendRefusal(req, res, call, shown);
      // Another site's page, or a link, takes nobody's cookie away.
      if (mayChangeSession(req as CallRequest, ownPages(options.publicUrl))) {
        const hindrance = await endCookie(call);
        if (hindrance !== undefined) return sendRefusal(req, res, call, hindrance);
        call.cookies.push(...clearedSession(call.request));
      }
      sendAnswer(req, res, call, stranger);
    }
  };

  return {
    find(path) {
      const match = router.match("*", path);
      return match && "binding" in match ? (req, res) => handle(req, res, match) : undefined;
    },
  };
}

/** What the variables of a path stand for: parameters like others. */
function pathParameters({ binding, segments }: RestMatch<Row>): [name: string, value: string][] {
  return binding.template.variables.map(({ field, start, end }) => [
    field,
    percentDecode(segments.slice(start, end).join("/"), field),
  ]);
}

/** A method whose call has to prove as much as the change that may come with it. */
function asChange(method: Method, { rateClass }: Method): Method {
  return { ...method, readOnly: false, signedOnce: true, rateClass };
}

/** GET and POST alike; HEAD, which nobody expects to change anything, where nothing is changed. */
function mayCall(httpMethod: string, { readOnly }: Method): boolean {
  return httpMethod === "GET" || httpMethod === "POST" || (httpMethod === "HEAD" && readOnly);
}

/**
 * A caller as far as the session goes that came with the call: the sign-in that the call itself is proved by does not end with it,
 * unless the cookie is of that one too, nor does it take a right of an API key, whose cookie it is not.
 */
function withoutSignIn(caller: Caller): Caller {
  return caller.kind === "account" ? { ...caller, familyId: undefined, scopes: undefined } : caller;
}

/** Whether a call was refused since nobody is signed in: an API key, or the installation itself, has no sign-in either. */
function isStranger({ kind, reason }: DomainError): boolean {
  if (reason === "SCOPE_MISSING" || reason === "ACCOUNT_REQUIRED") return true;
  return kind === "unauthenticated" && reason !== "REFUSED_BY_APP";
}

/** Lets `call` go on as the caller that `from` has proved to have, from where that came. */
function inherit(call: Call, from: Call): void {
  call.caller = from.caller;
  call.remote = from.remote;
  call.idempotencyKey = from.idempotencyKey;
}

/** The bytes of a body, which only a POST has. */
async function readRequestBody(req: Request, limit: number): Promise<Buffer> {
  const body = await readWholeBody(req, limit);
  if (body.length > 0 && req.method !== "POST") {
    throw new DomainError("MALFORMED_BODY", "Only a POST has a body here.");
  }
  return body;
}

async function bodyParameters(
  req: Request,
  body: Buffer,
  spelling: CompatRule["spelling"],
  publicUrl: string,
): Promise<Parameters> {
  const untyped = spelling.untypedForm === true && !isForeign(req as CallRequest, ownPages(publicUrl));
  return readBodyParameters(req.headers["content-type"], body, { untyped, free: spelling.free ?? [] });
}

/** The pages of this server alone. */
function ownPages(publicUrl: string): KnownPages {
  return { isAllowedOrigin: () => false, publicUrl };
}

function cannotBeOnce(): DomainError {
  const message =
    "The header idempotency-key cannot be used for what is done in several steps: a repeat would do more.";
  return new DomainError("INVALID_HEADER", message);
}

function refuseSecretsInUrl(query: Parameters, { secrets }: CompatRule["spelling"], options: CompatOptions): void {
  const field = options.secretsInQuery ? undefined : secrets?.find((name) => query.has(name));
  if (field !== undefined) throw new DomainError("SECRET_IN_URL", undefined, { field });
}
