import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Access, RateClass } from "#gen/backstay/options/v1/options_pb.js";
import { DomainError } from "../../kernel/errors.js";
import { Call, type CallRequest } from "../../rpc/call.js";
import type { Method } from "../../rpc/methods.js";
import { isSignedByKey } from "../../rpc/sent-key-signature.js";
import { signatureReader } from "../../rpc/sent-signature.js";
import { sentSession } from "../../rpc/session-cookie.js";
import { queryOf } from "../../rpc/url.js";

const BEARER = "bearer.";

/** A token or key of ours, wherever in a query it stands: after `Bearer`, say. */
const TOKEN = /(?<![A-Za-z0-9])bs_[a-z]{2}_[A-Za-z0-9_-]{16}/;

/** The calls that a socket makes besides those of the methods of the contract. */
export interface SocketCalls {
  /**
   * Opens one: as an account by whatever proves it, or as nobody when nothing does. Throws SECRET_IN_URL for a token in the URL, and
   * FOREIGN_ORIGIN for a session cookie that no page of an origin stands behind, when nothing else proves who opens it.
   */
  opening(req: IncomingMessage): Call;
  /** Identifies anew by a token. */
  signingIn(request: CallRequest, token: string): Call;
  /** What an app answers at a path. */
  answering(request: CallRequest): Call;
}

/** `model`: a method whose descriptor those calls borrow, since they have none of their own. */
export function socketCalls(
  model: Method,
  { signatureName, publicUrl }: { signatureName: string; publicUrl: string },
): SocketCalls {
  const signatures = signatureReader(signatureName);
  const method = (name: string, access: Access, rateClass: RateClass): Method => ({
    ...model,
    name,
    access,
    ignoresBadProof: access === Access.PUBLIC,
    denied: false,
    rateClass,
    stream: false,
    streamsRequests: false,
    longLived: false,
    // A cookie needs no more proof than the origin, which is looked at for every socket.
    readOnly: true,
    // By a socket much can be changed, so whoever has seen a signed URL must not open a second one.
    signedOnce: true,
    handler: () => {
      throw new Error(`${name} is no method that runs`);
    },
  });
  const asAccount = method("socket/open", Access.ACCOUNT, RateClass.READ);
  const asNobody = method("socket/open", Access.PUBLIC, RateClass.READ);
  const signIn = method("socket/auth", Access.ACCOUNT, RateClass.READ);
  const app = method("socket/frame", Access.PUBLIC, RateClass.FREE);

  return {
    opening(req) {
      const request = openingRequest(req);
      const { authorization, cookie } = request.headers;
      const hasSession = cookie !== undefined && sentSession(request, publicUrl) !== undefined;
      const isSigned = isSignedByKey(request) || signatures.sent(request) !== undefined;
      const isProved = authorization !== undefined || hasSession || isSigned;
      if (hasToken(queryOf(req.url))) throw new DomainError("SECRET_IN_URL", "A token stands in the URL.");
      if (!isProved && sentSession(req as CallRequest, publicUrl) !== undefined) {
        throw new DomainError("FOREIGN_ORIGIN", "A cookie opens a socket with the origin of its page alone.");
      }
      return new Call(isProved ? asAccount : asNobody, "socket", request);
    },

    signingIn({ headers, socket, url }, token) {
      const signed = { ...headers, authorization: `Bearer ${token}` };
      const request = { method: "GET", url, headers: signed, socket: socket ?? null };
      return new Call(signIn, "socket", request);
    },

    answering: (request) => new Call(app, "socket", request),
  };
}

/** Whether a query has what would stand in the logs and histories of everything on the way, however it is escaped. */
function hasToken(query: string): boolean {
  return [...new URLSearchParams(query)].some((pair) => pair.some((text) => TOKEN.test(text)));
}

/** The request with its token where programs send it, and without a cookie that no page of an origin stands behind. */
function openingRequest(req: IncomingMessage): CallRequest {
  const { method, url, socket } = req;
  const headers = { ...req.headers };
  const token = protocolsOf(req).find((protocol) => protocol.startsWith(BEARER));
  if (token !== undefined) headers.authorization ??= `Bearer ${token.slice(BEARER.length)}`;
  if (headers.origin === undefined) delete headers.cookie;
  return { method, url, headers, socket: socket as CallRequest["socket"] & object };
}

/**
 * What is kept of the headers for a socket's calls: from where and where it was opened, and that whatever comes over it was sent by a script,
 * never by a link or a form, since a page of another site cannot open one.
 */
export function keptHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { host, origin, "x-forwarded-for": forwarded } = headers;
  const where = { host, ...(origin && { origin }), ...(forwarded && { "x-forwarded-for": forwarded }) };
  return { ...where, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" };
}

function protocolsOf({ headers }: IncomingMessage): string[] {
  return headers["sec-websocket-protocol"]?.split(",").map((protocol) => protocol.trim()) ?? [];
}
