import { Access } from "#gen/backstay/options/v1/options_pb.js";
import type { Ports } from "../context.js";
import { ANONYMOUS, type Caller, isAdmin } from "../kernel/caller.js";
import { DomainError, type Reason } from "../kernel/errors.js";
import { checkExpiry, coversBody, parseSignature, type Signature } from "../kernel/signature.js";
import type { Authenticate, Authenticator } from "../manifest.js";
import type { Call } from "./call.js";
import { checkCookieChange, type IsAllowedOrigin } from "./origins.js";
import type { RateLimiter, Refused } from "./rate.js";
import { signatureReader } from "./sent-signature.js";
import { sentSession } from "./session-cookie.js";

/**
 * Finds out who calls, and whether they may. What it cannot know before the body is there it leaves in `call.proof`. Asked
 * again for a call it has settled, it looks whether that still holds.
 */
export type Identify = (call: Call) => void | Promise<void>;

const BEARER = /^bearer +(\S+) *$/i;
const NOTHING = Buffer.of();

/** What is refused although a method is public: it says that the request itself is not what its sender meant. */
const NEVER_IGNORED: readonly Reason[] = ["SIGNATURE_REPLAYED", "CHECKSUM_MISMATCH"];

/** Callers are known by the first of these that comes with a call: bearer token, session cookie, signature. */
export function createAdmission(
  ports: Ports,
  options: { authenticate: Authenticate | Authenticator; rates: RateLimiter; isAllowedOrigin: IsAllowedOrigin },
): Identify {
  const { authenticate, rates, isAllowedOrigin } = options;
  const { token: byToken, ...others } = typeof authenticate === "function" ? { token: authenticate } : authenticate;
  const { cookie: byCookie, signature: bySignature } = others as Partial<Authenticator>;
  const signatures = bySignature && signatureReader(ports.settings.auth.signatureName);

  const settle = (call: Call, caller: Caller = ANONYMOUS) => {
    call.caller = caller;
    checkAccess(call);
    // Who is asked for again is still one call.
    if (call.settledAt === undefined) rates.count(call);
    call.settledAt = performance.now();
  };

  /** On a public method a credential that is not valid is as none. */
  const refuse = (call: Call, error: unknown, what: Refused = "token") => {
    const reason = error instanceof DomainError ? error.reason : undefined;
    const guessed = what === "signature" ? reason === "INVALID_SIGNATURE" : isUnauthenticated(error);
    if (guessed) rates.countRefusal(call, what);
    if (call.method.access !== Access.PUBLIC || (reason && NEVER_IGNORED.includes(reason))) throw error;
    settle(call);
  };

  const withToken = (call: Call, authorization: string) => {
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) {
      return refuse(call, new DomainError("INVALID_TOKEN", "The header authorization must be `Bearer TOKEN`."));
    }
    rates.checkRefusals(call, "token");
    let caller: Caller | Promise<Caller>;
    try {
      caller = byToken(ports, token);
    } catch (error) {
      return refuse(call, error);
    }
    if (!(caller instanceof Promise)) return settle(call, caller);
    return caller.then(
      (found) => settle(call, found),
      (error) => refuse(call, error),
    );
  };

  /** A browser sends its cookie unasked, so one that cannot carry the call gives way to a signature. */
  const withCookie = (call: Call, value: string, authenticate: Authenticate) => {
    const refuseCookie = (error: unknown) => {
      const signature = error instanceof DomainError ? signatures?.sent(call.request) : undefined;
      if (signature === undefined) return refuse(call, error);
      if (isUnauthenticated(error)) rates.countRefusal(call, "token");
      return withSignature(call, signature);
    };
    rates.checkRefusals(call, "token");
    let caller: Caller | Promise<Caller>;
    try {
      if (!call.method.readOnly) checkCookieChange(call.request, isAllowedOrigin);
      caller = authenticate(ports, value);
    } catch (error) {
      return refuseCookie(error);
    }
    if (!(caller instanceof Promise)) return settle(call, caller);
    return caller.then((found) => settle(call, found), refuseCookie);
  };

  /**
   * Signatures are always proved behind the body: it may take a minute to come, and the secret may change meanwhile. What can
   * be told of them without a look at the database is told before.
   */
  const withSignature = (call: Call, text: string): void | Promise<void> => {
    const { request, method } = call;
    rates.checkRefusals(call, "signature");
    let signature: Signature;
    try {
      signature = parseSignature(text);
      checkExpiry(signature, ports.clock.now().getTime());
    } catch (error) {
      return refuse(call, error, "signature");
    }
    const signed = { signature, request: signatures!.signed(request), once: method.signedOnce };
    const covers = coversBody(signature, signed.request);
    if (covers && method.streamsRequests) throw new DomainError("CHECKSUM_MISMATCH", STREAMED);
    call.proof = (body) => {
      // Others may have been refused while the body came.
      rates.checkRefusals(call, "signature");
      return bySignature!(ports, { ...signed, body: covers ? body : NOTHING }).then(
        (caller) => settle(call, caller),
        (error) => refuse(call, error, "signature"),
      );
    };
  };

  return (call) => {
    if (call.request.caller !== undefined) return settle(call, call.request.caller);
    const { authorization, cookie } = call.request.headers;
    if (authorization !== undefined) return withToken(call, authorization);
    if (byCookie !== undefined && cookie !== undefined) {
      const value = sentSession(call.request);
      if (value !== undefined) return withCookie(call, value, byCookie);
    }
    const signature = signatures?.sent(call.request);
    if (signature !== undefined) return withSignature(call, signature);
    return settle(call);
  };
}

const STREAMED = "The checksum of a streamed body cannot be checked before the call begins: sign it without one.";

function checkAccess(call: Call): void {
  const { access } = call.method;
  if (access === Access.PUBLIC) return;
  if (call.caller.kind === "anonymous") throw new DomainError("TOKEN_MISSING");
  if (access !== Access.ACCOUNT && !isAdmin(call.caller)) throw new DomainError("ADMIN_REQUIRED");
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof DomainError && error.kind === "unauthenticated";
}
