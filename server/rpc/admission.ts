import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Access } from "#gen/backstay/options/v1/options_pb.js";
import type { Ports } from "../context.js";
import { ANONYMOUS, type Caller, type ShownProof } from "../kernel/caller.js";
import { DomainError, type Reason } from "../kernel/errors.js";
import { checkHttpTime, type HttpSignature, readHttpSignature } from "../kernel/http-signature.js";
import { covers, scopeOf } from "../kernel/scopes.js";
import { checkExpiry, coversBody, parseSignature, type SignedCall } from "../kernel/signature.js";
import type { Authenticate, Authenticator } from "../manifest.js";
import { checkAccess } from "./access.js";
import type { Call } from "./call.js";
import { checkCookieChange, type IsAllowedOrigin } from "./origins.js";
import type { RateLimiter, Refused } from "./rate.js";
import { isSignedByKey, signableOf } from "./sent-key-signature.js";
import { type SentSignature, signatureReader } from "./sent-signature.js";
import { sentSession } from "./session-cookie.js";

/**
 * Finds out who calls, and whether they may. What it cannot know before the body is there it leaves in `call.proof`. Asked
 * again for a call it has settled, it looks whether that still holds.
 */
export type Identify = (call: Call) => void | Promise<void>;

const BEARER = /^bearer +(\S+) *$/i;
const NOTHING = Buffer.of();

/** What is refused although a method is public: it says that the request itself is not what its sender meant. */
const NEVER_IGNORED: readonly Reason[] = ["SIGNATURE_REPLAYED", "CHECKSUM_MISMATCH", "DIGEST_MISMATCH"];

/**
 * Callers are known by the first of these that comes with a call: bearer token or API key, signature with an API key, session
 * cookie, signature with a secret.
 */
export function createAdmission(
  ports: Ports,
  options: { authenticate: Authenticate | Authenticator; rates: RateLimiter; isAllowedOrigin: IsAllowedOrigin },
): Identify {
  const { authenticate, rates, isAllowedOrigin } = options;
  const pages = () => ({ isAllowedOrigin, publicUrl: ports.settings.publicUrl });
  const { token: byToken, ...others } = typeof authenticate === "function" ? { token: authenticate } : authenticate;
  const { cookie: byCookie, signature: bySignature, isKnown = () => false } = others as Partial<Authenticator>;
  const signatures = bySignature && signatureReader(ports.settings.auth.signatureName);

  const settle = (call: Call, caller: Caller = ANONYMOUS, readAt = performance.now()) => {
    call.caller = withinScopes(call, caller);
    checkAccess(call);
    // Who is asked for again is still one call.
    if (call.settledAt === undefined) rates.count(call);
    call.settledAt = readAt;
  };

  /** What is known of a token or cookie may be remembered from a while ago. */
  const settleKnown = (call: Call, caller: Caller) =>
    settle(call, caller, caller.kind === "anonymous" ? undefined : caller.readAt);

  /** Where the contract leaves a method to anyone, a credential that is not valid is as none. */
  const refuse = (call: Call, error: unknown, what: Refused = "token") => {
    if (isRefused(error, what)) rates.countRefusal(call, what);
    refuseCounted(call, error);
  };

  const refuseCounted = (call: Call, error: unknown) => {
    const reason = error instanceof DomainError ? error.reason : undefined;
    if (!call.method.ignoresBadProof || (reason && NEVER_IGNORED.includes(reason))) throw error;
    settle(call);
  };

  /**
   * Throws for what would have to be looked up, while too much of the call's address was refused. Whoever shares the address, and has
   * shown that he is somebody, goes on.
   */
  const checkTokens = (call: Call, shown: ShownProof) => {
    try {
      rates.checkRefusals(call, "token");
    } catch (error) {
      if (!isKnown(ports, shown)) throw error;
    }
  };

  const withToken = (call: Call, authorization: string) => {
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) {
      return refuse(call, new DomainError("INVALID_TOKEN", "The header authorization must be `Bearer TOKEN`."));
    }
    checkTokens(call, { by: "token", text: token });
    let caller: Caller | Promise<Caller>;
    try {
      caller = byToken(ports, token);
    } catch (error) {
      return refuse(call, error);
    }
    if (!(caller instanceof Promise)) return settleKnown(call, caller);
    return caller.then(
      (found) => settleKnown(call, found),
      (error) => refuse(call, error),
    );
  };

  /**
   * A browser sends its cookie unasked, and its pages cannot take it away: one that cannot carry the call gives way to a signature, and
   * is as none on whatever a stranger may call.
   */
  const withCookie = (call: Call, value: string, authenticate: Authenticate) => {
    const isForAll = call.method.access === Access.PUBLIC;
    const refuseCookie = (error: unknown) => {
      const signature = error instanceof DomainError ? signatures?.sent(call.request) : undefined;
      if (signature === undefined && isForAll && isDenied(error)) return settle(call);
      if (isUnauthenticated(error)) rates.countRefusal(call, "token");
      if (signature !== undefined) return withSecret(call, signature);
      return refuseCounted(call, error);
    };
    try {
      checkTokens(call, { by: "cookie", text: value });
    } catch (error) {
      if (isForAll) return settle(call);
      throw error;
    }
    let caller: Caller | Promise<Caller>;
    try {
      if (!call.method.readOnly) checkCookieChange(call.request, pages());
      caller = authenticate(ports, value);
    } catch (error) {
      return refuseCookie(error);
    }
    if (!(caller instanceof Promise)) return settleKnown(call, caller);
    return caller.then((found) => settleKnown(call, found), refuseCookie);
  };

  /**
   * Signatures are always proved behind the body: it may take a minute to come, and the secret may change meanwhile. What can
   * be told of them without a look at the database is told before.
   */
  const proveLater = (call: Call, of: Refused, signed: (body: Buffer) => SignedCall, shown?: ShownProof) => {
    call.proof = async (body) => {
      // Others may have been refused while the body came.
      const end = await rates.startProof(call, of).catch((error) => {
        if (shown === undefined || !isKnown(ports, shown)) throw error;
        // The bound is reached already. More would let the address wait for longer, by wrong signatures in a known key's name.
        return () => {};
      });
      let caller: Caller;
      try {
        caller = await bySignature!(ports, signed(body));
      } catch (error) {
        end(isRefused(error, of));
        return refuseCounted(call, error);
      }
      end(false);
      settle(call, caller);
    };
  };

  const withSecret = (call: Call, { text, carrier }: SentSignature): void | Promise<void> => {
    const { method } = call;
    rates.checkRefusals(call, "signature");
    try {
      // What a browser sends by itself proves no more than a session cookie does.
      if (carrier === "session" && !method.readOnly) checkCookieChange(call.request, pages());
      const signature = parseSignature(text, carrier);
      checkExpiry(signature, ports.clock.now().getTime());
      const request = signatures!.signed(call.request);
      const isCovered = coversBody(signature, request);
      if (isCovered && method.streamsRequests) throw new DomainError("CHECKSUM_MISMATCH", STREAMED);
      const signed = { by: "secret", signature, request, address: call.remote, once: method.signedOnce } as const;
      proveLater(call, "signature", (body) => ({ ...signed, body: isCovered ? body : NOTHING }));
    } catch (error) {
      return refuse(call, error, "signature");
    }
  };

  const withKey = (call: Call): void | Promise<void> => {
    const { request, method, remote: address } = call;
    let signature: HttpSignature;
    try {
      signature = readHttpSignature(signableOf(request));
    } catch (error) {
      rates.checkRefusals(call, "token");
      return refuse(call, error);
    }
    const shown = { by: "key", keyId: signature.keyId, address } as const;
    checkTokens(call, shown);
    try {
      checkHttpTime(signature, ports.clock.now().getTime());
      checkSignableBody(call);
      const signed = { by: "key", signature, address, once: method.signedOnce } as const;
      proveLater(call, "token", (body) => ({ ...signed, body }), shown);
    } catch (error) {
      return refuse(call, error);
    }
  };

  return (call) => {
    if (call.isOpened) return settle(call);
    if (call.request.caller !== undefined) return settle(call, call.request.caller);
    const { authorization, cookie } = call.request.headers;
    if (authorization !== undefined) return withToken(call, authorization);
    if (bySignature !== undefined && isSignedByKey(call.request)) return withKey(call);
    if (byCookie !== undefined && cookie !== undefined) {
      const value = sentSession(call.request, ports.settings.publicUrl);
      if (value !== undefined) return withCookie(call, value, byCookie);
    }
    const signature = signatures?.sent(call.request);
    if (signature !== undefined) return withSecret(call, signature);
    return settle(call);
  };
}

const STREAMED = "The checksum of a streamed body cannot be checked before the call begins: sign it without one.";

/**
 * The caller, as far as its API key's scopes go. Throws SCOPE_MISSING; where the contract leaves a method to anyone, a key counts for
 * nothing then.
 */
export function withinScopes({ method }: Call, caller: Caller): Caller {
  if (caller.kind === "anonymous" || caller.scopes === undefined) return caller;
  const { parent, name, idempotency } = method.descriptor;
  // A door may ask more proof of a read than it needs; it stays one.
  const readOnly = idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  const rpc = { name: `${parent.typeName}/${name}`, readOnly };
  if (covers(caller.scopes, rpc)) return caller;
  if (method.ignoresBadProof) return ANONYMOUS;
  throw new DomainError("SCOPE_MISSING", `The API key's scopes do not cover the method: it needs ${scopeOf(rpc)}.`);
}

/** Throws for a body that cannot be compared with its digest before the call begins. */
function checkSignableBody({ method, request }: Call): void {
  const { "content-length": length, "content-encoding": encoding = "identity" } = request.headers;
  if (method.streamsRequests && length !== "0") {
    throw new DomainError("SIGNATURE_INCOMPLETE", "A streamed body cannot be covered: send the key itself as bearer.");
  }
  if (encoding !== "identity") {
    throw new DomainError("UNSUPPORTED_ENCODING", "A signed body is sent as it is, without a content-encoding.");
  }
}

/** Whether what a call was to be known by is not right; of a signature, whether it may have been a guess. */
function isRefused(error: unknown, what: Refused): boolean {
  if (what === "signature") return error instanceof DomainError && error.reason === "INVALID_SIGNATURE";
  return isUnauthenticated(error);
}

/** Whether a cookie was refused, rather than not looked up. */
function isDenied(error: unknown): boolean {
  return isUnauthenticated(error) || (error instanceof DomainError && error.reason === "CROSS_SITE");
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof DomainError && error.kind === "unauthenticated";
}
