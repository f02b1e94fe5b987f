import type { KeptCookies, KeptName, SessionCookie } from "../context.js";
import { DomainError } from "../kernel/errors.js";
import type { Call, CallRequest } from "./call.js";
import { cookieNames, cookieOf } from "./cookie.js";
import { hostOf, isForeign, isHttps, type KnownPages, mayChangeSession } from "./origins.js";
import { isSignedByHeader } from "./sent-signature.js";

/** Browsers take this name only with Secure, Path=/ and without Domain, so no other host can have set it. */
const SECURE = "__Host-backstay";
/** For a plain connection that never leaves the machine; a name of its own, so that it cannot be taken for the other. */
const LOCAL = "backstay_dev";

const SECURE_FLAGS = "Path=/; Secure; HttpOnly; SameSite=Lax";
const LOCAL_FLAGS = "Path=/; HttpOnly; SameSite=Lax";
const FLAGS = { [SECURE]: SECURE_FLAGS, [LOCAL]: LOCAL_FLAGS };

/** Only what this server may have named is named back. */
const FLOW = /^flow_[0-9a-f]{16}$/;

const LOOPBACK_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;
const LOOPBACK_ADDRESS = /^(::ffff:)?127\.|^::1$/;
/** What proxies add: the browser at their other side is not on this machine. */
const PROXIED = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/** The session cookie that came with a request and fits its connection. `publicUrl` is the setting; empty when there is none. */
export function sentSession(request: CallRequest, publicUrl: string): string | undefined {
  const { cookie } = request.headers;
  if (cookie === undefined) return undefined;
  return (isLocal(request, publicUrl) ? cookieOf(cookie, LOCAL) : undefined) ?? cookieOf(cookie, SECURE);
}

/** The header that gives a browser its session cookie, for `ttlMs`. */
function sessionCookie(local: boolean, value: string, ttlMs: number): string {
  const name = local ? LOCAL : SECURE;
  return `${name}=${value}; Max-Age=${Math.ceil(ttlMs / 1000)}; ${FLAGS[name]}`;
}

/** The headers that take the session cookie back, by either name where there could be one of either. */
export function clearedSession(request: CallRequest): string[] {
  const names = seemsLocal(request) ? ([SECURE, LOCAL] as const) : ([SECURE] as const);
  return names.map((name) => `${name}=; Max-Age=0; ${FLAGS[name]}`);
}

/** What a call's session cookie depends on besides the call. */
export interface SessionOptions extends KnownPages {
  /** The header of signatures. */
  readonly signatureName: string;
}

/** A call's session cookie, for its verb. */
export function sessionOf(call: Call, options: SessionOptions): SessionCookie {
  const { signatureName, publicUrl } = options;
  const { request } = call;
  const local = isLocal(request, publicUrl);
  const foreign = isForeign(request, options);
  const replace = (cookies: string[]) => {
    const kept = call.cookies.filter((cookie) => !cookie.startsWith(`${SECURE}=`) && !cookie.startsWith(`${LOCAL}=`));
    call.cookies.splice(0, call.cookies.length, ...kept, ...cookies);
  };
  return {
    // A page of another site that makes a browser send it does not get to use it, whatever else proves the call.
    sent: foreign ? undefined : sentSession(request, publicUrl),
    isForeign: foreign,
    check() {
      const isProved = isProvedByHeader(call, signatureName) && !foreign;
      if (!isProved && !mayChangeSession(request, options)) throw new DomainError("CROSS_SITE");
    },
    set: (value, ttlMs) => replace([sessionCookie(local, value, ttlMs)]),
    clear: () => replace(clearedSession(request)),
  };
}

/** A call's other cookies, for its verb. */
export function keptCookies(call: Call, options: SessionOptions): KeptCookies {
  const { publicUrl } = options;
  const { request } = call;
  const local = isLocal(request, publicUrl);
  const [before, after] = local ? ["backstay_", "_dev"] : ["__Host-backstay_", ""];
  const nameOf = (name: KeptName) => before + name + after;
  const header = isForeign(request, options) ? "" : (request.headers.cookie ?? "");
  const replace = (name: KeptName, value: string, seconds: number) => {
    const cookie = nameOf(name);
    const others = call.cookies.filter((one) => !one.startsWith(`${cookie}=`));
    const flags = local ? LOCAL_FLAGS : SECURE_FLAGS;
    call.cookies.splice(0, call.cookies.length, ...others, `${cookie}=${value}; Max-Age=${seconds}; ${flags}`);
  };
  return {
    sent: (name) => cookieOf(header, nameOf(name)),
    flows: () =>
      cookieNames(header)
        .filter((name) => name.startsWith(before) && name.endsWith(after))
        .map((name) => name.slice(before.length, name.length - after.length))
        .filter((name): name is KeptName => FLOW.test(name)),
    set: (name, value, ttlMs) => replace(name, value, Math.ceil(ttlMs / 1000)),
    clear: (name) => replace(name, "", 0),
  };
}

/** The origin a request was sent to, when it never left the machine. */
export function localOriginOf(request: CallRequest, publicUrl: string): string | undefined {
  return isLocal(request, publicUrl) ? `http://${hostOf(request)}` : undefined;
}

/**
 * Whether who calls is proved by a header that no link, form or page of another site can make a browser send. A signature in
 * the URL is no such proof: whoever made it can have others send it.
 */
function isProvedByHeader({ caller, request }: Call, signatureName: string): boolean {
  if (caller.kind !== "account") return false;
  return caller.via === "token" || (caller.via === "signature" && isSignedByHeader(request, signatureName));
}

/**
 * Whether the connection is plain and never leaves the machine. A proxy on this machine that adds no header looks like a browser on
 * it, so that no connection is held for local where people come by https.
 */
function isLocal(request: CallRequest, publicUrl: string): boolean {
  return !isHttps(publicUrl) && seemsLocal(request);
}

/** Whether nothing about the request says that it came from elsewhere. */
function seemsLocal(request: CallRequest): boolean {
  const { socket, headers } = request;
  if (!socket || socket.encrypted) return false;
  const local = LOOPBACK_ADDRESS.test(socket.remoteAddress ?? "") && LOOPBACK_HOST.test(hostOf(request));
  return local && PROXIED.every((name) => headers[name] === undefined);
}
