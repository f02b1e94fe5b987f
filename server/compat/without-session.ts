import { ANONYMOUS } from "../kernel/caller.js";
import type { CallRequest } from "../rpc/call.js";
import { signatureReader } from "../rpc/sent-signature.js";

/**
 * A request as if its browser had no session: whoever calls has to prove it otherwise. A frame of a socket that was opened by one is
 * nobody's. `signatureName` is the header of signatures, and the predecessor's cookie.
 */
export function withoutSession(request: CallRequest, signatureName: string): CallRequest {
  const { method, url, socket, caller } = request;
  const { cookie: _, ...headers } = request.headers;
  const isSession =
    caller?.kind === "account" &&
    (caller.via === "cookie" ||
      (caller.via === "signature" && signatureReader(signatureName).sent(request)?.carrier === "session"));
  const known = isSession ? ANONYMOUS : caller;
  return {
    method,
    url,
    headers,
    ...(socket !== undefined && { socket }),
    ...(known !== undefined && { caller: known }),
  };
}
