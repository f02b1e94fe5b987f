import type { IncomingHttpHeaders } from "node:http";
import { create } from "@bufbuild/protobuf";
import { AuthService } from "#gen/backstay/auth/v1/auth_pb.js";
import { DomainError, type Reason } from "../kernel/errors.js";
import { Call, type CallRequest } from "../rpc/call.js";
import type { Request, Response } from "../rpc/dispatcher.js";
import type { Method } from "../rpc/methods.js";
import type { Pipeline } from "../rpc/pipeline.js";
import { pathOf, queryOf } from "../rpc/url.js";
import { httpStatus } from "../rpc/wire-errors.js";
import { isGone } from "./rest/index.js";
import type { MorePaths } from "./root.js";

/** What was begun with the browser that comes back. */
export interface AwaitedReturn {
  /** The page it is to end at: a whole URL, checked when it was begun. */
  readonly redirectTo: string;
  /** Whether this return signs it in; else the page there does. */
  readonly cookie: boolean;
  readonly kept: { readonly issuer: string };
}

/** What a state of a provider is of. Rejects with CHALLENGE_GONE. */
export type FindReturn = (provider: string, state: string) => Promise<AwaitedReturn>;

const PATH = /^\/auth\/callback\/([a-z0-9-]{1,32})$/;
const FINISH = `/${AuthService.typeName}/${AuthService.method.finishOAuth.name}`;
const NOTHING = Buffer.of();

/**
 * Where providers send browsers back to. Each return is a call of FinishOAuth, which may be refused as every other; it is finished
 * here for a browser that is to get a cookie, and handed on to the app's page otherwise. Throws when FinishOAuth is not served.
 */
export function createOAuthCallback(
  methods: ReadonlyMap<string, Method>,
  pipeline: Pipeline,
  find: FindReturn,
): MorePaths {
  const method = methods.get(FINISH);
  if (method === undefined) throw new Error(`returns of providers need ${FINISH}, which is not served`);

  /** Where the browser goes on to. */
  const follow = async (call: Call, provider: string, given: URLSearchParams): Promise<string> => {
    const state = given.get("state") ?? "";
    const code = given.get("code") ?? "";
    const awaited = await find(provider, state);
    const refuse = (reason: Reason) => {
      pipeline.close(call, new DomainError(reason));
      return withParameters(awaited.redirectTo, { error: reason });
    };
    if (code === "" || !isOf(awaited, given)) return refuse("PROVIDER_REFUSED");
    if (!awaited.cookie) {
      pipeline.close(call);
      return withParameters(awaited.redirectTo, { code, state });
    }
    try {
      await pipeline.invoke(
        call,
        create(AuthService.method.finishOAuth.input, { provider, code, state, cookie: true }),
        true,
      );
      pipeline.close(call);
      return awaited.redirectTo;
    } catch (error) {
      return withParameters(awaited.redirectTo, { error: pipeline.close(call, error)!.reason });
    }
  };

  const handle = async (req: Request, res: Response, provider: string): Promise<void> => {
    const call = new Call(method, "rest", asOwnPage(req));
    res.once("close", () => {
      if (!res.writableEnded) call.abort(new DomainError("CALL_CANCELED"));
    });
    try {
      if (req.method !== "GET") throw new DomainError("METHOD_NOT_ALLOWED");
      await pipeline.admit(call);
      await pipeline.prove(call, NOTHING);
      const location = await follow(call, provider, new URLSearchParams(queryOf(req.url)));
      send(res, call, 303, { location }, "");
    } catch (error) {
      const shown = pipeline.close(call, error)!;
      if (shown.reason === "METHOD_NOT_ALLOWED") res.setHeader("allow", "GET");
      send(res, call, httpStatus(shown), { "content-type": "text/html; charset=utf-8" }, page(shown));
    }
  };

  return {
    find(path) {
      const provider = PATH.exec(path)?.[1];
      return provider === undefined ? undefined : (req, res) => handle(req, res, provider);
    },
  };
}

/** Whether the return is of the issuer that was asked, as far as it says; providers that know how do (RFC 9207). */
function isOf({ kept }: AwaitedReturn, given: URLSearchParams): boolean {
  const issuer = given.get("iss");
  return !given.has("error") && (issuer === null || issuer === kept.issuer);
}

/** What says where the browser comes from, or proves something else, or has the code in it. */
const LEFT_OUT = ["origin", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "authorization", ":path"];

/**
 * The browser comes from the provider's page, so by its headers another site asks, and by a link. That it may is proved by
 * something else: FinishOAuth wants the flow's own cookie, which this server gave to this browser when one of its pages began.
 * So it is called as that page would call it, by POST; hooks are told the browser's GET. The code stands in the URL, which is left out.
 */
function asOwnPage(req: Request): CallRequest {
  const { method: askedBy, url, headers, socket } = req as CallRequest;
  const kept: IncomingHttpHeaders = { ...headers };
  for (const name of LEFT_OUT) delete kept[name];
  return { method: "POST", askedBy, url: pathOf(url), headers: kept, ...(socket !== undefined && { socket }) };
}

/** A page's URL with parameters of ours, in the place of any it has of the same names. */
function withParameters(page: string, parameters: Readonly<Record<string, string>>): string {
  const url = new URL(page);
  for (const name of ["code", "state", "error"]) url.searchParams.delete(name);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

function send(res: Response, call: Call, status: number, headers: Record<string, string>, body: string): void {
  if (isGone(res)) return;
  const fixed = {
    "x-request-id": call.requestId,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "content-length": String(Buffer.byteLength(body)),
  };
  for (const [name, value] of Object.entries({ ...fixed, ...headers })) res.setHeader(name, value);
  if (call.cookies.length > 0) res.setHeader("set-cookie", call.cookies);
  res.statusCode = status;
  res.end(body);
}

/** For a return that belongs to nothing: there is no page to lead on to. Only texts of ours stand in it. */
function page({ reason }: DomainError): string {
  const says =
    reason === "CHALLENGE_GONE" ? "This sign-in was finished already, or took too long." : "That did not work.";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sign-in</title>
<h1>${says}</h1>
<p>Go back to the app and sign in again.</p>
<p><small>${reason}</small></p>
</html>
`;
}
